//! Safetensors: a JSON header followed by raw little-endian numbers.
//!
//! The header is parsed and checked by the `safetensors` crate; the framing around it is ours, so that the metadata
//! can be read without the tensors and so that equal content always gives equal bytes (the crate writes metadata in
//! the random order of a hash map).
//!
//! Source: the format section of the README of `huggingface/safetensors`.

use std::{collections::BTreeMap, io::Read};

use engraft_graph::{NamedTensors, Tensor, TensorData};
use half::f16;
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};
use serde::Serialize;

use crate::FormatError;

/// The content of a safetensors file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SafetensorsFile {
    /// The tensors, in the order in which their data stand in the file.
    pub tensors: NamedTensors,
    /// Free text by key, as the header's `__metadata__` holds it.
    pub metadata: BTreeMap<String, String>,
}

/// Reads a whole file. F32 and F16 tensors keep their type; every other type is refused.
///
/// # Errors
/// [`FormatError`] if the header is broken, the file is truncated or has bytes left over, or a tensor is neither F32
/// nor F16.
pub fn from_bytes(bytes: &[u8]) -> Result<SafetensorsFile, FormatError> {
    read(bytes, bytes.len() as u64)
}

/// Like [`from_bytes`], from the start of a file of `file_len_bytes`, without a second copy of its tensors.
///
/// # Errors
/// As [`from_bytes`], and [`FormatError::Io`] if the file cannot be read.
pub fn read(mut reader: impl Read, file_len_bytes: u64) -> Result<SafetensorsFile, FormatError> {
    let header = Header::read(&mut reader, file_len_bytes)?;
    let mut tensors = NamedTensors::new();
    for (name, info) in header.tensors_by_offset() {
        let data = tensor_data(&name, info, &mut reader)?;
        tensors.insert(name, Tensor::new(info.shape.clone(), data)?)?;
    }
    Ok(SafetensorsFile { tensors, metadata: header.metadata() })
}

/// Reads the metadata alone; of `reader` only the header is consumed. `file_len_bytes` is the length of the file.
///
/// # Errors
/// [`FormatError`] if the header is broken, does not describe `file_len_bytes` exactly, or cannot be read.
pub fn read_metadata(
    reader: impl Read,
    file_len_bytes: u64,
) -> Result<BTreeMap<String, String>, FormatError> {
    Ok(Header::read(reader, file_len_bytes)?.metadata())
}

/// Writes a file. Equal content gives equal bytes: metadata by key, tensors in their order, but all F32 before all
/// F16, so that every tensor is aligned to its type.
///
/// # Errors
/// [`FormatError::Header`] if a tensor bears the reserved name `__metadata__`.
pub fn to_bytes(tensors: &NamedTensors, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, FormatError> {
    if tensors.get(METADATA).is_some() {
        return Err(header_error(format!("a tensor is called `{METADATA}`, which is reserved")));
    }
    let mut ordered: Vec<_> = tensors.iter().collect();
    ordered.sort_by_key(|(_, tensor)| std::cmp::Reverse(element_len(tensor.data())));
    let mut header: BTreeMap<&str, Entry> = BTreeMap::from([(METADATA, Entry::Metadata(metadata))]);
    let mut data_len = 0;
    for (name, tensor) in &ordered {
        let start = data_len;
        data_len += tensor.data().len() * element_len(tensor.data());
        let (dtype, shape) = (dtype(tensor.data()), tensor.shape().to_vec());
        header.insert(name, Entry::Tensor(TensorInfo { dtype, shape, data_offsets: (start, data_len) }));
    }
    let mut bytes = framed_header(&header)?;
    bytes.reserve_exact(data_len);
    for (_, tensor) in &ordered {
        push_data(&mut bytes, tensor.data());
    }
    Ok(bytes)
}

const FORMAT: &str = "safetensors";
const METADATA: &str = "__metadata__";

/// Bytes of the number that says how long the header is.
const PREFIX_LEN: usize = 8;

/// Bytes that are read at once.
const PIECE_LEN: usize = 1 << 16;

/// Longest header of the format, in bytes.
const MAX_HEADER_LEN: u64 = 100_000_000;

/// A checked header: its tensors lie one after the other and end where the file ends.
struct Header {
    parsed: Metadata,
}

impl Header {
    fn read(mut reader: impl Read, file_len: u64) -> Result<Header, FormatError> {
        let too_short =
            |expected: String| FormatError::FileLength { format: FORMAT, found: file_len, expected };
        let mut prefix = [0; PREFIX_LEN];
        if file_len < PREFIX_LEN as u64 {
            return Err(too_short(format!("at least {PREFIX_LEN}")));
        }
        reader.read_exact(&mut prefix)?;
        let header_len = u64::from_le_bytes(prefix);
        if header_len > MAX_HEADER_LEN {
            let limit = MAX_HEADER_LEN;
            return Err(FormatError::HeaderLength { format: FORMAT, found: header_len, limit });
        }
        let data_start = PREFIX_LEN as u64 + header_len;
        if data_start > file_len {
            return Err(too_short(format!("at least {data_start}")));
        }
        let mut text = vec![0; header_len as usize];
        reader.read_exact(&mut text)?;
        let parsed = parse(&text)?;
        match data_start.checked_add(parsed.data_len() as u64) {
            Some(expected) if expected == file_len => Ok(Header { parsed }),
            Some(expected) => Err(too_short(expected.to_string())),
            None => Err(header_error("the data offsets overflow")),
        }
    }

    /// Names break ties between empty tensors, which share an offset.
    fn tensors_by_offset(&self) -> Vec<(String, &TensorInfo)> {
        let mut tensors: Vec<_> = self.parsed.tensors().into_iter().collect();
        tensors.sort_by(|(a, a_info), (b, b_info)| (a_info.data_offsets, a).cmp(&(b_info.data_offsets, b)));
        tensors
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        self.parsed.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

fn parse(text: &[u8]) -> Result<Metadata, FormatError> {
    if text.first() != Some(&b'{') {
        let found = String::from_utf8_lossy(&text[..text.len().min(PREFIX_LEN)]).into_owned();
        let found = format!("a header that starts with {found:?}");
        return Err(FormatError::Signature { format: FORMAT, found, expected: "a JSON object" });
    }
    serde_json::from_slice(text).map_err(header_error)
}

/// An entry of the header, as it is written.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Metadata(&'a BTreeMap<String, String>),
    Tensor(TensorInfo),
}

/// The header behind its length, padded with spaces so that the data behind it are aligned.
fn framed_header(header: &BTreeMap<&str, Entry>) -> Result<Vec<u8>, FormatError> {
    let mut text = serde_json::to_vec(header).map_err(header_error)?;
    text.resize(text.len().next_multiple_of(PREFIX_LEN), b' ');
    let found = text.len() as u64;
    if found > MAX_HEADER_LEN {
        return Err(FormatError::HeaderLength { format: FORMAT, found, limit: MAX_HEADER_LEN });
    }
    let mut bytes = found.to_le_bytes().to_vec();
    bytes.extend(text);
    Ok(bytes)
}

fn tensor_data(name: &str, info: &TensorInfo, reader: &mut impl Read) -> Result<TensorData, FormatError> {
    let len = info.data_offsets.1 - info.data_offsets.0;
    match info.dtype {
        Dtype::F32 => Ok(TensorData::F32(read_values(reader, len, f32::from_le_bytes)?)),
        Dtype::F16 => Ok(TensorData::F16(read_values(reader, len, f16::from_le_bytes)?)),
        other => Err(FormatError::ElementType {
            tensor: format!("tensor `{name}`"),
            found: other.to_string(),
            expected: "F32 or F16",
        }),
    }
}

/// The next `len` bytes as values of `N` bytes each.
fn read_values<const N: usize, T>(
    reader: &mut impl Read,
    len: usize,
    value: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, FormatError> {
    let mut values = Vec::with_capacity(len / N);
    let mut piece = vec![0; len.min(PIECE_LEN)];
    for start in (0..len).step_by(PIECE_LEN) {
        let piece = &mut piece[..PIECE_LEN.min(len - start)];
        reader.read_exact(piece)?;
        values.extend(piece.as_chunks().0.iter().map(|&bytes| value(bytes)));
    }
    Ok(values)
}

fn push_data(bytes: &mut Vec<u8>, data: &TensorData) {
    match data {
        TensorData::F32(values) => values.iter().for_each(|value| bytes.extend(value.to_le_bytes())),
        TensorData::F16(values) => values.iter().for_each(|value| bytes.extend(value.to_le_bytes())),
        _ => unreachable!("the element types of a tensor are F32 and F16"),
    }
}

fn dtype(data: &TensorData) -> Dtype {
    match data {
        TensorData::F32(_) => Dtype::F32,
        TensorData::F16(_) => Dtype::F16,
        _ => unreachable!("the element types of a tensor are F32 and F16"),
    }
}

/// Bytes of one element.
fn element_len(data: &TensorData) -> usize {
    match data {
        TensorData::F32(_) => 4,
        TensorData::F16(_) => 2,
        _ => unreachable!("the element types of a tensor are F32 and F16"),
    }
}

fn header_error(reason: impl ToString) -> FormatError {
    FormatError::Header { format: FORMAT, reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> SafetensorsFile {
        let mut tensors = NamedTensors::new();
        let half = TensorData::F16([1.5, -2.0, 65504.0].map(f16::from_f32).to_vec());
        tensors.insert("z/f16", Tensor::new(vec![3, 1], half).unwrap()).unwrap();
        tensors.insert("b", Tensor::from_f32(vec![2], vec![f32::MIN_POSITIVE, -0.0]).unwrap()).unwrap();
        tensors.insert("a", Tensor::from_f32(vec![], vec![7.0]).unwrap()).unwrap();
        tensors.insert("none", Tensor::from_f32(vec![0, 4], vec![]).unwrap()).unwrap();
        let metadata = ["q", "classes", "x", "a"].map(|key| (key.to_owned(), format!("\"{key}\" é\n")));
        SafetensorsFile { tensors, metadata: metadata.into() }
    }

    fn bytes_of(file: &SafetensorsFile) -> Vec<u8> {
        to_bytes(&file.tensors, &file.metadata).unwrap()
    }

    fn framed(header: &str, data_len: usize) -> Vec<u8> {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.bytes());
        bytes.resize(bytes.len() + data_len, 0);
        bytes
    }

    #[test]
    fn what_is_written_is_read_back_wide_types_first() {
        let (file, bytes) = (example(), bytes_of(&example()));
        let back = from_bytes(&bytes).unwrap();
        let names: Vec<_> = back.tensors.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["b", "a", "none", "z/f16"]);
        for (name, tensor) in file.tensors.iter() {
            assert_eq!(back.tensors.get(name), Some(tensor), "{name}");
        }
        assert_eq!(back.metadata, file.metadata);
        assert_eq!(read_metadata(&bytes[..], bytes.len() as u64).unwrap(), file.metadata);
        assert_eq!(bytes_of(&back), bytes);
    }

    #[test]
    fn the_reference_implementation_reads_what_is_written() {
        let bytes = bytes_of(&example());
        let reference = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let view = reference.tensor("z/f16").unwrap();
        assert_eq!((view.dtype(), view.shape()), (Dtype::F16, &[3, 1][..]));
        assert_eq!(view.data()[..2], f16::from_f32(1.5).to_le_bytes());
        assert_eq!(view.data().as_ptr() as usize % 2, 0);
    }

    #[test]
    fn a_file_cut_anywhere_or_with_bytes_left_over_is_refused() {
        let bytes = bytes_of(&example());
        for len in 0..bytes.len() {
            let error = from_bytes(&bytes[..len]).unwrap_err();
            assert!(matches!(error, FormatError::FileLength { .. }), "{len} bytes: {error}");
            assert!(read_metadata(&bytes[..len], len as u64).is_err(), "{len} bytes");
        }
        let longer = [&bytes[..], &[0]].concat();
        let want = format!("the safetensors file has {} bytes, expected {}", longer.len(), bytes.len());
        assert_eq!(from_bytes(&longer).unwrap_err().to_string(), want);
    }

    #[test]
    fn a_changed_byte_of_the_header_never_panics() {
        let bytes = bytes_of(&example());
        let header_end = bytes.len() - 18;
        for place in 0..header_end {
            for flip in [0x01, 0x20, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[place] ^= flip;
                if let Ok(file) = from_bytes(&changed) {
                    assert!(file.tensors.len() <= 4, "byte {place} ^ {flip}");
                }
            }
        }
    }

    #[test]
    fn lies_in_the_header_are_named() {
        let tensor = |dtype: &str, shape: &str, offsets: &str| {
            format!(r#"{{"w":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
        };
        let huge = "[4294967296,4294967296,4294967296]";
        for (header, data_len, want) in [
            (tensor("I64", "[1]", "[0,8]"), 8, "tensor `w` has the element type I64, expected F32 or F16"),
            (tensor("BF16", "[1]", "[0,2]"), 2, "tensor `w` has the element type BF16, expected F32 or F16"),
            (tensor("F24", "[1]", "[0,3]"), 3, "unknown variant `F24`"),
            (tensor("F32", "[1]", "[0,8]"), 8, "invalid shape, data type, or offset for tensor"),
            (tensor("F32", "[1]", "[4,8]"), 8, "invalid offset for tensor `w`"),
            (tensor("F32", "[1]", "[4,0]"), 8, "invalid offset for tensor `w`"),
            (tensor("F32", huge, "[0,8]"), 8, "overflow"),
            (tensor("F32", "[-1]", "[0,8]"), 8, "the safetensors header is broken: "),
            ("{}{}".to_owned(), 0, "trailing characters"),
            ("[1]".to_owned(), 0, "found a header that starts with \"[1]\", expected a JSON object"),
            (String::new(), 0, "expected a JSON object"),
            (r#"{"__metadata__":{"a":1}}"#.to_owned(), 0, "expected a string"),
            ("[".repeat(100_000), 0, "expected a JSON object"),
            (format!(r#"{{"w":{}"#, "[".repeat(100_000)), 0, "recursion limit"),
        ] {
            let error = from_bytes(&framed(&header, data_len)).unwrap_err().to_string();
            let shown = &header[..header.len().min(80)];
            assert!(error.contains(want), "{shown}: {error}");
        }
    }

    #[test]
    fn a_declared_header_length_is_not_trusted() {
        let error = from_bytes(&u64::MAX.to_le_bytes()).unwrap_err().to_string();
        assert_eq!(
            error,
            "the safetensors header has 18446744073709551615 bytes, expected at most 100000000"
        );
        let error = from_bytes(&99_999_999u64.to_le_bytes()).unwrap_err().to_string();
        assert_eq!(error, "the safetensors file has 8 bytes, expected at least 100000007");
    }

    #[test]
    fn the_reserved_name_is_not_written() {
        let mut tensors = NamedTensors::new();
        tensors.insert(METADATA, Tensor::from_f32(vec![], vec![0.0]).unwrap()).unwrap();
        let error = to_bytes(&tensors, &BTreeMap::new()).unwrap_err().to_string();
        assert!(error.contains("a tensor is called `__metadata__`"), "{error}");
    }
}
