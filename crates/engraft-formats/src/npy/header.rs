//! The header of a `.npy` file: signature, version, length and a Python dictionary of three entries.

use std::io::Read;

use crate::FormatError;

/// A checked header: the elements fit in memory addresses and fill the file exactly.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) element_type: ElementType,
    pub(super) shape: Vec<usize>,
    pub(super) count: usize,
}

/// The element types that are supported.
#[derive(Clone, Copy, Debug)]
pub(super) enum ElementType {
    U8,
    F32,
}

impl ElementType {
    /// Bytes of one element.
    pub(super) fn len(self) -> usize {
        match self {
            ElementType::U8 => 1,
            ElementType::F32 => 4,
        }
    }
}

impl Header {
    /// Reads the header from the start of a file of `file_len` bytes.
    pub(super) fn read(reader: &mut impl Read, file_len: u64) -> Result<Header, FormatError> {
        let mut reader = Bounded { reader, position: 0, file_len };
        let text_len = read_text_len(&mut reader)?;
        if text_len > MAX_TEXT_LEN {
            return Err(FormatError::HeaderLength { format: FORMAT, found: text_len, limit: MAX_TEXT_LEN });
        }
        let text = reader.take(text_len)?;
        let text = str::from_utf8(&text).map_err(|_| broken("it is not UTF-8 text"))?;
        let dictionary = Dictionary::parse(text)?;
        let header = dictionary.check()?;
        let data_len = header.count.checked_mul(header.element_type.len());
        match data_len.and_then(|len| reader.position.checked_add(len as u64)) {
            Some(expected) if expected == file_len => Ok(header),
            Some(expected) => Err(reader.file_length(expected.to_string())),
            None => Err(reader.file_length("more than this machine can address".to_owned())),
        }
    }
}

/// The header of an array of `[rows, dim]` little-endian f32, byte for byte as `numpy.save` writes it.
pub(super) fn to_bytes([rows, dim]: [usize; 2]) -> Vec<u8> {
    let dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    let prefix_len = SIGNATURE.len() + 4;
    // NumPy keeps room for the first length to grow to 21 digits, so that a file can be appended to in place.
    let growth = 21 - rows.to_string().len();
    let len = (prefix_len + dictionary.len() + growth + 1).next_multiple_of(ALIGNMENT);
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([1, 0]);
    bytes.extend(((len - prefix_len) as u16).to_le_bytes());
    bytes.extend(dictionary.bytes());
    bytes.resize(len - 1, b' ');
    bytes.push(b'\n');
    bytes
}

const FORMAT: &str = "npy";
const SIGNATURE: &[u8; 6] = b"\x93NUMPY";

/// The data start at a multiple of this many bytes.
const ALIGNMENT: usize = 64;

/// Longest dictionary that is accepted, in bytes; those of supported arrays are far shorter.
const MAX_TEXT_LEN: u64 = 1 << 16;

/// Most dimensions, as in NumPy.
const MAX_DIMENSIONS: usize = 64;

/// A reader that knows how long its file is, and refuses to go beyond that before setting memory aside.
struct Bounded<'a, R> {
    reader: &'a mut R,
    position: u64,
    file_len: u64,
}

impl<R: Read> Bounded<'_, R> {
    fn take(&mut self, len: u64) -> Result<Vec<u8>, FormatError> {
        let end = self.position + len;
        if end > self.file_len {
            return Err(self.file_length(format!("at least {end}")));
        }
        let mut bytes = vec![0; len as usize];
        self.reader.read_exact(&mut bytes)?;
        self.position = end;
        Ok(bytes)
    }

    fn file_length(&self, expected: String) -> FormatError {
        FormatError::FileLength { format: FORMAT, found: self.file_len, expected }
    }
}

/// Reads signature and version, and returns the length of the dictionary behind them.
fn read_text_len(reader: &mut Bounded<impl Read>) -> Result<u64, FormatError> {
    let signature = reader.take(SIGNATURE.len() as u64)?;
    if signature != SIGNATURE {
        let found = format!("\"{}\"", signature.escape_ascii());
        return Err(FormatError::Signature { format: FORMAT, found, expected: "\"\\x93NUMPY\"" });
    }
    let version = reader.take(2)?;
    let width = match version[..] {
        [1, 0] => 2,
        [2 | 3, 0] => 4,
        _ => {
            let found = format!("version {}.{}", version[0], version[1]);
            return Err(FormatError::Signature {
                format: FORMAT,
                found,
                expected: "version 1.0, 2.0 or 3.0",
            });
        }
    };
    let len = reader.take(width)?;
    Ok(len.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

/// The three entries as they stand in the file.
struct Dictionary<'a> {
    descr: &'a str,
    fortran_order: &'a str,
    shape: &'a str,
}

impl<'a> Dictionary<'a> {
    fn parse(text: &'a str) -> Result<Dictionary<'a>, FormatError> {
        let body = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let mut rest = body.ok_or_else(|| broken("it is not a Python dictionary"))?.trim();
        let mut entries = [None; 3];
        while !rest.is_empty() {
            let (key, tail) = split_value(rest, ':')?;
            let (value, tail) = split_value(tail, ',')?;
            let place = KEYS.iter().position(|&known| unquote(key) == Some(known));
            let place = place.ok_or_else(|| broken(format!("it has the unknown entry {key}")))?;
            if entries[place].replace(value).is_some() {
                return Err(broken(format!("it has the entry {key} twice")));
            }
            rest = tail;
        }
        let entry = |place: usize| {
            entries[place].ok_or_else(|| broken(format!("it lacks the entry '{}'", KEYS[place])))
        };
        Ok(Dictionary { descr: entry(0)?, fortran_order: entry(1)?, shape: entry(2)? })
    }

    fn check(&self) -> Result<Header, FormatError> {
        let element_type = match unquote(self.descr) {
            Some("|u1") => ElementType::U8,
            Some("<f4") => ElementType::F32,
            other => {
                return Err(FormatError::ElementType {
                    tensor: "the array".to_owned(),
                    found: other.unwrap_or(self.descr).to_owned(),
                    expected: "|u1 or <f4",
                });
            }
        };
        match self.fortran_order {
            "False" => {}
            "True" => return Err(broken("the array is in Fortran order, expected C order")),
            other => return Err(broken(format!("'fortran_order' is {other}, expected True or False"))),
        }
        let shape = parse_shape(self.shape)?;
        let count = shape.iter().try_fold(1usize, |product, &len| product.checked_mul(len));
        let count = count.ok_or_else(|| broken(format!("the shape {} is too large", self.shape)))?;
        Ok(Header { element_type, shape, count })
    }
}

const KEYS: [&str; 3] = ["descr", "fortran_order", "shape"];

/// Splits off the value before the next `end` that stands outside of quotes and brackets. Only the last value of the
/// dictionary may lack it.
fn split_value(text: &str, end: char) -> Result<(&str, &str), FormatError> {
    let (mut quote, mut depth) = (None, 0usize);
    for (place, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth = depth.saturating_sub(1),
            _ if letter == end && depth == 0 => return Ok((text[..place].trim(), text[place + 1..].trim())),
            _ => {}
        }
    }
    if end == ',' { Ok((text.trim(), "")) } else { Err(broken(format!("no `{end}` follows {text}"))) }
}

/// The text between a pair of quotes.
fn unquote(text: &str) -> Option<&str> {
    let inside = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('\'').or_else(|| inside('"'))
}

/// Parses a tuple of lengths: `()`, `(3,)`, `(3, 4)`.
fn parse_shape(text: &str) -> Result<Vec<usize>, FormatError> {
    let wrong = || broken(format!("'shape' is {text}, expected a tuple of at most {MAX_DIMENSIONS} lengths"));
    let inside = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).ok_or_else(wrong)?.trim();
    let inside = inside.strip_suffix(',').unwrap_or(inside);
    if inside.is_empty() {
        return Ok(Vec::new());
    }
    let lens: Result<Vec<usize>, _> = inside.split(',').map(|len| len.trim().parse()).collect();
    lens.ok().filter(|lens| lens.len() <= MAX_DIMENSIONS).ok_or_else(wrong)
}

fn broken(reason: impl Into<String>) -> FormatError {
    FormatError::Header { format: FORMAT, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: [u8; 2], text: &str, data_len: usize) -> Vec<u8> {
        let width = if version[0] == 1 { 2 } else { 4 };
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend(version);
        bytes.extend(&(text.len() as u64).to_le_bytes()[..width]);
        bytes.extend(text.bytes());
        bytes.resize(bytes.len() + data_len, 0);
        bytes
    }

    fn message(bytes: &[u8]) -> String {
        Header::read(&mut &bytes[..], bytes.len() as u64).unwrap_err().to_string()
    }

    #[test]
    fn entries_may_stand_in_any_order_and_quotes() {
        let text = r#" {"shape": (2 ,3), "fortran_order":False,'descr' : '|u1'}   "#;
        let bytes = file([3, 0], text, 6);
        let header = Header::read(&mut &bytes[..], bytes.len() as u64).unwrap();
        assert_eq!((header.shape, header.count), (vec![2, 3], 6));
    }

    #[test]
    fn lies_in_the_header_are_named() {
        let with_shape =
            |shape: &str| format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}");
        for (text, want) in [
            (with_shape("(2, 3)"), "bytes, expected "),
            (with_shape("(4294967296, 4294967296, 2)"), "the shape (4294967296, 4294967296, 2) is too large"),
            (with_shape("(18446744073709551615,)"), "expected more than this machine can address"),
            (with_shape("(99999999999999999999,)"), "'shape' is (99999999999999999999,), expected a tuple"),
            (with_shape("(-1,)"), "'shape' is (-1,), expected a tuple"),
            (with_shape("[1]"), "'shape' is [1], expected a tuple"),
            (with_shape("(1,,)"), "'shape' is (1,,), expected a tuple"),
            (with_shape("(1), 'shape': (1)"), "it has the entry 'shape' twice"),
            (with_shape("(1), 'more': (1)"), "it has the unknown entry 'more'"),
            (with_shape(&format!("({})", "1,".repeat(65))), "expected a tuple of at most 64 lengths"),
            ("{'descr': '|u1', 'shape': (1,)}".to_owned(), "it lacks the entry 'fortran_order'"),
            (
                "{'descr': '|u1', 'fortran_order': 0, 'shape': (1,)}".to_owned(),
                "'fortran_order' is 0, expected True",
            ),
            ("{'descr'}".to_owned(), "no `:` follows 'descr'"),
            ("nothing".to_owned(), "it is not a Python dictionary"),
        ] {
            let found = message(&file([1, 0], &text, 5));
            assert!(found.contains(want), "{text}: {found}");
        }
    }

    #[test]
    fn signature_version_and_length_are_not_trusted() {
        let good = file([1, 0], "{}", 0);
        let mut other = good.clone();
        other[1] = b'X';
        assert_eq!(message(&other), r#"not a npy file: found "\x93XUMPY", expected "\x93NUMPY""#);
        let found = message(&file([4, 0], "{}", 0));
        assert_eq!(found, "not a npy file: found version 4.0, expected version 1.0, 2.0 or 3.0");
        let mut long = file([2, 0], "{}", 0);
        long[8..12].fill(0xff);
        assert_eq!(message(&long), "the npy header has 4294967295 bytes, expected at most 65536");
    }
}
