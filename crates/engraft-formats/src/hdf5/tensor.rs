//! The numbers of a dataset, read piece by piece into the tensor that keeps them.

use engraft_graph::{Tensor, TensorData};
use half::f16;
use hdf5_reader::{Dataset, Datatype, H5Type, SliceInfo, SliceInfoElem, VarLenKind, error::Error};

use super::broken;
use crate::{FormatError, limits::Budget};

mod number;
use number::{Half, Single};

/// Reads `dataset`. Half and single precision keep their type; double precision and integers become single precision.
pub(super) fn read(dataset: &Dataset, path: &str, budget: &Budget) -> Result<Tensor, FormatError> {
    let element = Element::of(dataset, path)?;
    let shape = shape(dataset, path)?;
    let count = shape.iter().try_fold(1usize, |product, &len| product.checked_mul(len));
    let count = count.ok_or_else(|| FormatError::Content {
        format: super::FORMAT,
        object: path.to_owned(),
        reason: format!("the shape {shape:?} is too large"),
    })?;
    budget.take(&format!("tensor `{path}`"), count as u64, element.memory_len())?;
    let data = match element {
        Element::Half => elements(dataset, count, |value: Half| value.0).map(TensorData::F16),
        Element::Single => elements(dataset, count, |value: f32| value).map(TensorData::F32),
        Element::Other => elements(dataset, count, |value: Single| value.0).map(TensorData::F32),
    };
    Ok(Tensor::new(shape, data.map_err(|error| broken(path, &error))?)?)
}

/// Most elements that are read at once.
const PIECE_LEN: u64 = 1 << 18;

/// How the elements of a dataset are read.
#[derive(Clone, Copy)]
enum Element {
    Half,
    Single,
    /// Anything else that has a value in single precision.
    Other,
}

impl Element {
    fn of(dataset: &Dataset, path: &str) -> Result<Element, FormatError> {
        match *dataset.dtype() {
            Datatype::FloatingPoint { size, .. } if is_ieee(dataset, size, path)? => Ok(match size {
                2 => Element::Half,
                4 => Element::Single,
                _ => Element::Other,
            }),
            Datatype::FixedPoint { size: 1 | 2 | 4 | 8, .. } => Ok(Element::Other),
            ref other => Err(FormatError::ElementType {
                tensor: format!("tensor `{path}`"),
                found: type_name(other),
                expected: "an IEEE float or an integer of at most 64 bits",
            }),
        }
    }

    /// Bytes of one element in memory.
    fn memory_len(self) -> usize {
        match self {
            Element::Half => size_of::<f16>(),
            Element::Single | Element::Other => size_of::<f32>(),
        }
    }
}

fn type_name(datatype: &Datatype) -> String {
    match datatype {
        Datatype::FloatingPoint { size, .. } => format!("float of {size} bytes that is not IEEE"),
        Datatype::FixedPoint { size, .. } => format!("integer of {size} bytes"),
        Datatype::String { .. } | Datatype::VarLen { kind: VarLenKind::String, .. } => "text".to_owned(),
        Datatype::Compound { .. } => "compound".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Whether a float of `size` bytes is the IEEE one: HDF5 can describe any other, such as bfloat16, which the decoder
/// tells apart by their bits alone.
fn is_ieee(dataset: &Dataset, size: u8, path: &str) -> Result<bool, FormatError> {
    let bytes = dataset.raw_datatype().map_err(|error| broken(path, &error))?;
    // Behind class, flags and size: bit offset and precision, exponent place and length, mantissa place and length, bias.
    let want: [u8; 12] = match size {
        2 => [0, 0, 16, 0, 10, 5, 0, 10, 15, 0, 0, 0],
        4 => [0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0],
        8 => [0, 0, 64, 0, 52, 11, 0, 52, 255, 3, 0, 0],
        _ => return Ok(false),
    };
    Ok(bytes.get(8..20) == Some(&want))
}

fn shape(dataset: &Dataset, path: &str) -> Result<Vec<usize>, FormatError> {
    let lens = dataset.shape().iter().map(|&len| usize::try_from(len));
    lens.collect::<Result<_, _>>().map_err(|error| FormatError::Content {
        format: super::FORMAT,
        object: path.to_owned(),
        reason: error.to_string(),
    })
}

/// All `count` elements in row-major order. A large dataset in one block is read in pieces, so that no second copy of
/// it exists; one in chunks is decoded chunk by chunk anyway.
fn elements<T: H5Type, U>(
    dataset: &Dataset,
    count: usize,
    convert: impl Fn(T) -> U,
) -> Result<Vec<U>, Error> {
    if dataset.chunks().is_some() || count as u64 <= PIECE_LEN {
        let (values, _) = dataset.read_array::<T>()?.into_raw_vec_and_offset();
        return Ok(values.into_iter().map(convert).collect());
    }
    let mut values = Vec::with_capacity(count);
    for piece in pieces(dataset.shape()) {
        let (piece, _) = dataset.read_slice::<T>(&piece)?.into_raw_vec_and_offset();
        values.extend(piece.into_iter().map(&convert));
    }
    Ok(values)
}

/// Selections that follow one another and together cover `shape`, of which no length is zero.
fn pieces(shape: &[u64]) -> Vec<SliceInfo> {
    let row_len = |axis: usize| shape[axis + 1..].iter().product::<u64>();
    let axis = (0..shape.len()).find(|&axis| row_len(axis) <= PIECE_LEN).unwrap_or(0);
    let rows = (PIECE_LEN / row_len(axis)).max(1);
    let mut selections = Vec::new();
    for outer in 0..shape[..axis].iter().product() {
        for start in (0..shape[axis]).step_by(rows as usize) {
            let end = (start + rows).min(shape[axis]);
            let mut piece = SliceInfo::all(shape.len());
            index_outer(&mut piece.selections[..axis], shape, outer);
            piece.selections[axis] = SliceInfoElem::Slice { start, end, step: 1 };
            selections.push(piece);
        }
    }
    selections
}

/// Sets the outer axes to the row-major position `place`.
fn index_outer(selections: &mut [SliceInfoElem], shape: &[u64], mut place: u64) {
    for (selection, len) in selections.iter_mut().zip(shape).rev() {
        *selection = SliceInfoElem::Index(place % len);
        place /= len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The row-major range that a selection covers, which must be one without gaps.
    fn range(shape: &[u64], piece: &SliceInfo) -> (u64, u64) {
        let (mut start, mut len) = (0, 1);
        for (selection, &axis_len) in piece.selections.iter().zip(shape) {
            let (first, count) = match *selection {
                SliceInfoElem::Index(place) => (place, 1),
                SliceInfoElem::Slice { start, end, .. } => (start, end.min(axis_len) - start),
            };
            assert!(len == 1 || count == axis_len, "{piece:?} has gaps");
            start = start * axis_len + first;
            len *= count;
        }
        (start, start + len)
    }

    #[test]
    fn pieces_follow_one_another_cover_all_and_are_short() {
        for shape in [
            vec![PIECE_LEN * 2 + 1],
            vec![3, 3, 512, 512],
            vec![25_088, 4096],
            vec![1, 1, 2048, 1000],
            vec![2, PIECE_LEN + 1],
            vec![2, 3, PIECE_LEN * 2],
        ] {
            let mut place = 0;
            let pieces = pieces(&shape);
            for piece in &pieces {
                let (start, end) = range(&shape, piece);
                assert!(start == place && end - start <= PIECE_LEN, "{shape:?}: {start}..{end}");
                place = end;
            }
            assert_eq!(place, shape.iter().product::<u64>(), "{shape:?}");
            assert!((pieces.len() as u64) < 4 + 4 * place / PIECE_LEN, "{shape:?}: {} pieces", pieces.len());
        }
    }
}
