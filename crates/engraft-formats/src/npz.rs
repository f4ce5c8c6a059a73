//! NumPy's `.npz`: a zip archive of `.npy` arrays.
//!
//! Source: the documentation of `numpy.savez`.

use std::io::{Read, Seek};

use engraft_graph::{NamedTensors, Tensor};

use crate::{
    FormatError, Limits,
    archive::{Archive, Entry},
    npy::{NpyReader, NpyValues},
};

/// Reads all arrays, in the order of the file and without the `.npy` of their names.
///
/// # Errors
/// [`FormatError`] if the archive is truncated or broken, a checksum differs, an entry is no `.npy` array of `<f4`, two
/// have one name, or they unpack to more than `limits`.
pub fn read(reader: impl Read + Seek, limits: Limits) -> Result<NamedTensors, FormatError> {
    from_archive(Archive::open(reader, limits)?)
}

pub(crate) fn from_archive<R: Read + Seek>(mut archive: Archive<R>) -> Result<NamedTensors, FormatError> {
    let mut tensors = NamedTensors::new();
    for index in 0..archive.len() {
        let Entry { name: entry, file } = archive.entry(index)?;
        let name = entry.strip_suffix(".npy").unwrap_or(&entry);
        let len = file.size();
        let tensor = read_array(file, len).map_err(|error| in_entry(&entry, name, error))?;
        tensors.insert(name, tensor)?;
    }
    Ok(tensors)
}

/// Elements that are read at once.
const PIECE_LEN: usize = 1 << 16;

fn read_array(mut file: impl Read, len: u64) -> Result<Tensor, FormatError> {
    let mut array = NpyReader::new(&mut file, len)?;
    let shape = array.shape().to_vec();
    let count: usize = shape.iter().product();
    let mut values = Vec::new();
    loop {
        match array.read_values(PIECE_LEN)? {
            NpyValues::F32(piece) if piece.is_empty() => break,
            NpyValues::F32(piece) => {
                values.reserve_exact(count - values.len());
                values.extend(piece);
            }
            NpyValues::U8(_) => return Err(element_type("|u1".to_owned())),
        }
    }
    // The checksum is compared where the bytes end.
    match file.read(&mut [0])? {
        0 => Ok(Tensor::from_f32(shape, values)?),
        _ => {
            Err(FormatError::FileLength { format: "npy", found: len + 1, expected: format!("at most {len}") })
        }
    }
}

fn element_type(found: String) -> FormatError {
    FormatError::ElementType { tensor: "the array".to_owned(), found, expected: "<f4" }
}

/// Says in which entry the array is that `error` speaks of; as a tensor it is called `name`.
fn in_entry(entry: &str, name: &str, error: FormatError) -> FormatError {
    match error {
        FormatError::ElementType { found, .. } => {
            FormatError::ElementType { tensor: format!("tensor `{name}`"), found, expected: "<f4" }
        }
        other => {
            let (object, reason) = (format!("entry `{entry}`"), other.to_string());
            FormatError::Content { format: "zip", object, reason }
        }
    }
}
