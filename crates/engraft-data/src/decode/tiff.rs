//! The grey TIFFs of measuring instruments, which the `image` crate does not read: floats, 32 bits, 2 and 4 bits, and
//! grey with alpha.

use std::io::Cursor;

use image::{ColorType as SampleType, metadata::Orientation};
use tiff::{
    ColorType, TiffError,
    decoder::{Decoder, DecodingResult, Limits as TiffLimits},
    tags::{SampleFormat, Tag},
};

use super::{
    DecodeError, Limits,
    samples::{rgb8_from_grey_floats, rgb8_from_samples},
};

/// A grey TIFF whose header has been read.
pub struct GreyTiff<'a> {
    decoder: Decoder<Cursor<&'a [u8]>>,
    channels: usize,
    bits_per_sample: u8,
    /// `(width, height)` as stored, before the orientation is applied.
    pub size: (usize, usize),
    /// How the stored pixels are to be turned.
    pub orientation: Orientation,
}

impl<'a> GreyTiff<'a> {
    /// Reads the header of the first page; `None` if it is not of the kind that is read here, or broken.
    pub fn open(bytes: &'a [u8], limits: &Limits) -> Option<GreyTiff<'a>> {
        let mut tiff_limits = TiffLimits::default();
        tiff_limits.decoding_buffer_size = limits.max_decode_bytes as usize;
        tiff_limits.intermediate_buffer_size = limits.max_decode_bytes as usize;
        let mut decoder = Decoder::new(Cursor::new(bytes)).ok()?.with_limits(tiff_limits);
        let format = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).ok()?.unwrap_or_default();
        let is_float = format.first() == Some(&SampleFormat::IEEEFP.to_u16());
        let (channels, bits) = match decoder.colortype().ok()? {
            ColorType::Gray(bits) if is_float || matches!(bits, 2 | 4 | 32) => (1, bits),
            ColorType::Multiband { bit_depth: bits @ (8 | 16), num_samples: 2 } if !is_float => (2, bits),
            _ => return None,
        };
        let (width, height) = decoder.dimensions().ok()?;
        let orientation = decoder.find_tag_unsigned::<u8>(Tag::Orientation).ok().flatten();
        Some(GreyTiff {
            decoder,
            channels,
            bits_per_sample: bits,
            size: (width as usize, height as usize),
            orientation: orientation.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms),
        })
    }

    /// Bytes needed beside the RGB pixels: the samples, and the same as f32.
    pub fn working_bytes(&self) -> u64 {
        let bytes_per_sample = u64::from(self.bits_per_sample).div_ceil(8);
        (self.size.0 * self.size.1 * self.channels) as u64 * (bytes_per_sample + 4)
    }

    /// Decodes to `[height, width, 3]`.
    pub fn read(mut self) -> Result<Vec<u8>, DecodeError> {
        let samples = self.decoder.read_image().map_err(|error| decode_error(&error))?;
        let rgb = match (self.channels, samples) {
            (2, DecodingResult::U8(samples)) => rgb8_from_samples(SampleType::La8, samples),
            (2, DecodingResult::U16(samples)) => rgb8_from_samples(SampleType::La16, bytes_of(&samples)),
            (1, DecodingResult::U8(rows)) => Ok(rgb8_from_packed(&rows, self.size.0, self.bits_per_sample)),
            (1, DecodingResult::U32(samples)) => {
                Ok(samples.iter().flat_map(|&value| [grey8(value); 3]).collect())
            }
            (1, DecodingResult::F16(samples)) => grey(samples.iter().map(|value| value.to_f32())),
            (1, DecodingResult::F32(samples)) => rgb8_from_grey_floats(&samples),
            (1, DecodingResult::F64(samples)) => grey(samples.iter().map(|&value| value as f32)),
            _ => Err("signed samples".to_string()),
        };
        let rgb = rgb.map_err(|what| DecodeError::unsupported("tiff", what))?;
        match rgb.len() == self.size.0 * self.size.1 * 3 {
            true => Ok(rgb),
            false => Err(DecodeError::unsupported("tiff", "channels stored apart")),
        }
    }
}

fn grey(values: impl Iterator<Item = f32>) -> Result<Vec<u8>, String> {
    rgb8_from_grey_floats(&values.collect::<Vec<_>>())
}

/// Rows of samples of 2 or 4 bits, the first in the highest bits; each row begins with a new byte.
fn rgb8_from_packed(rows: &[u8], width: usize, bits: u8) -> Vec<u8> {
    let (bits, max) = (usize::from(bits), (1u8 << bits) - 1);
    let grey8 = |row: &[u8], x: usize| {
        let shift = 8 - bits - x * bits % 8;
        (row[x * bits / 8] >> shift & max) * (255 / max)
    };
    let whole_rows = rows.chunks_exact((width * bits).div_ceil(8));
    whole_rows.flat_map(|row| (0..width).flat_map(move |x| [grey8(row, x); 3])).collect()
}

/// Nearest of 256 levels: 2^32 - 1 is 255 * 16843009.
fn grey8(value: u32) -> u8 {
    ((u64::from(value) + 16_843_009 / 2) / 16_843_009) as u8
}

fn bytes_of(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn decode_error(error: &TiffError) -> DecodeError {
    match error {
        TiffError::UnsupportedError(what) => DecodeError::unsupported("tiff", what),
        TiffError::IoError(_) => DecodeError::Truncated { format: "tiff" },
        error => DecodeError::corrupt("tiff", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grey TIFF of one strip that is not compressed.
    fn packed_tiff(width: u16, height: u16, bits: u16, strip: &[u8]) -> Vec<u8> {
        let mut bytes = [b"II*\0", &(8 + strip.len() as u32).to_le_bytes()[..], strip].concat();
        let entries: [(u16, u32); 8] = [
            (256, width.into()),
            (257, height.into()),
            (258, bits.into()),
            (259, 1),
            (262, 1),
            (273, 8),
            (278, height.into()),
            (279, strip.len() as u32),
        ];
        bytes.extend((entries.len() as u16).to_le_bytes());
        for (tag, value) in entries {
            bytes.extend([&tag.to_le_bytes()[..], &[4, 0, 1, 0, 0, 0], &value.to_le_bytes()].concat());
        }
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn samples_of_two_and_four_bits_fill_the_range() {
        let cases: [(u16, &[u8], [u8; 6]); 2] = [
            (2, &[0b00_01_10_00, 0b11_00_01_00], [0, 85, 170, 255, 0, 85]),
            (4, &[0x0f, 0x10, 0xa0, 0x50], [0, 255, 17, 170, 0, 85]),
        ];
        for (bits, strip, want) in cases {
            let image = crate::decode(&packed_tiff(3, 2, bits, strip), &Limits::default()).unwrap();
            assert_eq!((image.width, image.height), (3, 2));
            assert_eq!(image.pixels, want.map(|grey| [grey; 3]).concat(), "{bits} bits");
        }
    }

    #[test]
    fn thirty_two_bits_go_to_the_nearest_of_256_levels() {
        for (value, want) in [(0, 0), (u32::MAX, 255), (16_843_009, 1), (8_421_504, 0), (8_421_505, 1)] {
            assert_eq!(grey8(value), want, "{value}");
        }
    }
}
