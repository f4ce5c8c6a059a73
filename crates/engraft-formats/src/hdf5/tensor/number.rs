//! Element types that the decoder does not know itself.

use half::f16;
use hdf5_reader::{
    ByteOrder, Datatype, H5Type,
    error::{Error, Result},
};

/// Half precision.
#[derive(Clone)]
pub(super) struct Half(pub(super) f16);

impl H5Type for Half {
    fn hdf5_type() -> Datatype {
        Datatype::FloatingPoint { size: 2, byte_order: ByteOrder::LittleEndian }
    }

    fn from_bytes(bytes: &[u8], datatype: &Datatype) -> Result<Half> {
        match datatype {
            Datatype::FloatingPoint { byte_order, .. } => {
                Ok(Half(f16::from_bits(bits(bytes, *byte_order) as u16)))
            }
            other => Err(mismatch(other)),
        }
    }

    fn element_size(datatype: &Datatype) -> usize {
        stored_len(datatype)
    }
}

/// Double precision or an integer, rounded to single precision.
#[derive(Clone)]
pub(super) struct Single(pub(super) f32);

impl H5Type for Single {
    fn hdf5_type() -> Datatype {
        Datatype::FloatingPoint { size: 8, byte_order: ByteOrder::LittleEndian }
    }

    fn from_bytes(bytes: &[u8], datatype: &Datatype) -> Result<Single> {
        Ok(Single(match *datatype {
            Datatype::FloatingPoint { byte_order, .. } => f64::from_bits(bits(bytes, byte_order)) as f32,
            Datatype::FixedPoint { signed: false, byte_order, .. } => bits(bytes, byte_order) as f32,
            Datatype::FixedPoint { signed: true, byte_order, .. } => {
                let unused = 64 - 8 * bytes.len().clamp(1, 8);
                ((bits(bytes, byte_order) << unused) as i64 >> unused) as f32
            }
            ref other => return Err(mismatch(other)),
        }))
    }

    fn element_size(datatype: &Datatype) -> usize {
        stored_len(datatype)
    }
}

/// Up to eight bytes as a number without sign.
fn bits(bytes: &[u8], byte_order: ByteOrder) -> u64 {
    let append = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
    match byte_order {
        ByteOrder::LittleEndian => bytes.iter().rev().fold(0, append),
        ByteOrder::BigEndian => bytes.iter().fold(0, append),
    }
}

fn stored_len(datatype: &Datatype) -> usize {
    match *datatype {
        Datatype::FloatingPoint { size, .. } | Datatype::FixedPoint { size, .. } => size.into(),
        _ => 0,
    }
}

fn mismatch(found: &Datatype) -> Error {
    Error::TypeMismatch { expected: "a number".to_owned(), actual: format!("{found:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_keep_sign_and_byte_order() {
        let integer = |size, signed, byte_order| Datatype::FixedPoint { size, signed, byte_order };
        let (little, big) = (ByteOrder::LittleEndian, ByteOrder::BigEndian);
        for (bytes, datatype, want) in [
            (&[0xfe][..], integer(1, true, little), -2.0),
            (&[0xfe], integer(1, false, little), 254.0),
            (&[0xfe, 0xff], integer(2, true, little), -2.0),
            (&[0xff, 0xfe], integer(2, true, big), -2.0),
            (&[0, 0, 1, 0], integer(4, false, big), 256.0),
            (&[0, 1, 0, 0, 0, 0, 0, 0], integer(8, true, little), 256.0),
            (&[0xff; 8], integer(8, true, big), -1.0),
        ] {
            assert_eq!(Single::from_bytes(bytes, &datatype).unwrap().0, want, "{bytes:?} as {datatype:?}");
        }
        let text = Datatype::Opaque { size: 2, tag: String::new() };
        assert!(Single::from_bytes(&[0, 0], &text).is_err());
        assert!(Half::from_bytes(&[0, 0], &text).is_err());
    }
}
