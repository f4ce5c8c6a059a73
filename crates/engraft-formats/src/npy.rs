//! NumPy's `.npy`: a Python dictionary as header, followed by raw numbers.
//!
//! Source: the documentation of `numpy.lib.format`.

mod header;

use std::io::Read;

use crate::FormatError;
use header::{ElementType, Header};

/// Numbers out of a `.npy` file, in the type in which they are stored.
#[derive(Clone, Debug, PartialEq)]
pub enum NpyValues {
    /// `|u1`
    U8(Vec<u8>),
    /// `<f4`
    F32(Vec<f32>),
}

/// Reads an array piece by piece, so that one larger than the memory can be worked through.
#[derive(Debug)]
pub struct NpyReader<R> {
    reader: R,
    header: Header,
    remaining: usize,
}

impl<R: Read> NpyReader<R> {
    /// Reads the header. `file_len_bytes` is the length of the file that `reader` stands at the start of.
    ///
    /// # Errors
    /// [`FormatError`] if the file is not `.npy` version 1 to 3, its header is broken, its elements are neither `|u1`
    /// nor `<f4` in C order, or its length is not the one that the header asks for.
    pub fn new(mut reader: R, file_len_bytes: u64) -> Result<NpyReader<R>, FormatError> {
        let header = Header::read(&mut reader, file_len_bytes)?;
        let remaining = header.count;
        Ok(NpyReader { reader, header, remaining })
    }

    /// The lengths of the array's dimensions, outermost first. Their product does not overflow.
    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// The next `count` numbers in row-major order, or as many as are left.
    ///
    /// # Errors
    /// [`FormatError::Io`] if they cannot be read.
    pub fn read_values(&mut self, count: usize) -> Result<NpyValues, FormatError> {
        let count = count.min(self.remaining);
        let mut bytes = vec![0; count * self.header.element_type.len()];
        self.reader.read_exact(&mut bytes)?;
        self.remaining -= count;
        Ok(match self.header.element_type {
            ElementType::U8 => NpyValues::U8(bytes),
            ElementType::F32 => {
                NpyValues::F32(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect())
            }
        })
    }
}

/// Writes `values` as an array of `[rows, dim]`, byte for byte as `numpy.save` does.
///
/// # Panics
/// If `values` do not fill the shape.
pub fn to_bytes([rows, dim]: [usize; 2], values: &[f32]) -> Vec<u8> {
    assert_eq!(rows * dim, values.len(), "{rows} rows of {dim} values");
    let mut bytes = header::to_bytes([rows, dim]);
    bytes.reserve_exact(size_of_val(values));
    values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use engraft_testing::{Golden, noise};

    fn read_all(bytes: &[u8]) -> Result<(Vec<usize>, NpyValues), FormatError> {
        let mut reader = NpyReader::new(bytes, bytes.len() as u64)?;
        let values = reader.read_values(usize::MAX)?;
        Ok((reader.shape().to_vec(), values))
    }

    #[test]
    fn files_of_numpy_are_read() {
        let golden = Golden::open("formats/npy");
        let images = NpyValues::U8(golden.u8("images"));
        let matrix = NpyValues::F32(golden.f32("matrix"));
        for (file, shape, values) in [
            ("images.npy", vec![2, 3, 4, 3], images),
            ("matrix.npy", vec![5, 7], matrix.clone()),
            ("matrix_version_2.npy", vec![5, 7], matrix.clone()),
            ("matrix_version_3.npy", vec![5, 7], matrix),
            ("vector.npy", vec![1], NpyValues::F32(vec![0.5])),
            ("scalar.npy", vec![], NpyValues::F32(vec![2.5])),
            ("empty.npy", vec![0, 4], NpyValues::F32(vec![])),
        ] {
            assert_eq!(read_all(&golden.u8(file)).unwrap(), (shape, values), "{file}");
        }
    }

    #[test]
    fn unsupported_files_of_numpy_are_named() {
        let golden = Golden::open("formats/npy");
        for (file, want) in [
            ("f8.npy", "the array has the element type <f8, expected |u1 or <f4"),
            ("big_endian.npy", "the array has the element type >f4, expected |u1 or <f4"),
            ("structured.npy", "the array has the element type [('a', '<f4')], expected |u1 or <f4"),
            ("object.npy", "the array has the element type |O, expected |u1 or <f4"),
            ("fortran.npy", "the npy header is broken: the array is in Fortran order, expected C order"),
        ] {
            assert_eq!(read_all(&golden.u8(file)).unwrap_err().to_string(), want, "{file}");
        }
    }

    #[test]
    fn an_array_is_written_as_numpy_writes_it() {
        let golden = Golden::open("formats/npy");
        assert_eq!(to_bytes([5, 7], &golden.f32("matrix")), golden.u8("matrix.npy"));
        assert_eq!(to_bytes([0, 4], &[]), golden.u8("empty.npy"));
    }

    #[test]
    fn an_array_is_read_piece_by_piece() {
        let values = noise(1, 10 * 3);
        let bytes = to_bytes([10, 3], &values);
        let mut reader = NpyReader::new(&bytes[..], bytes.len() as u64).unwrap();
        let mut pieces = Vec::new();
        for want in [12, 12, 6, 0] {
            match reader.read_values(12).unwrap() {
                NpyValues::F32(piece) => {
                    assert_eq!(piece.len(), want);
                    pieces.extend(piece);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(pieces, values);
    }

    #[test]
    fn a_file_cut_anywhere_or_with_bytes_left_over_is_refused() {
        let bytes = to_bytes([2, 3], &noise(2, 6));
        for len in 0..bytes.len() {
            let error = read_all(&bytes[..len]).unwrap_err();
            assert!(matches!(error, FormatError::FileLength { .. }), "{len} bytes: {error}");
        }
        let longer = [&bytes[..], &[0]].concat();
        let error = read_all(&longer).unwrap_err().to_string();
        assert_eq!(error, "the npy file has 153 bytes, expected 152");
    }

    #[test]
    fn a_changed_byte_of_the_header_never_panics() {
        let bytes = to_bytes([2, 3], &noise(3, 6));
        for place in 0..bytes.len() - 24 {
            for flip in [0x01, 0x20, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[place] ^= flip;
                if let Ok((shape, _)) = read_all(&changed) {
                    assert_eq!(shape.iter().product::<usize>() * 4 % 24, 0, "byte {place} ^ {flip}");
                }
            }
        }
    }
}
