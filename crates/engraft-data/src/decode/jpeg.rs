//! JPEG, through zune-jpeg itself: its strictness decides whether a cut file is an error or a half-grey image.

use image::metadata::Orientation;
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::{JpegDecoder, errors::DecodeErrors};

use super::{DecodeError, error::is_truncation_message};

/// A JPEG whose headers have been read.
pub struct Jpeg<'a> {
    decoder: JpegDecoder<ZCursor<&'a [u8]>>,
    bytes: &'a [u8],
    structure: Structure,
    /// `(width, height)` as stored, before the orientation is applied.
    pub size: (usize, usize),
    /// How the stored pixels are to be turned.
    pub orientation: Orientation,
}

/// What the markers of a file say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Structure {
    /// The file goes on to its end-of-image marker.
    complete: bool,
    /// Bytes of coefficients per pixel kept until the last scan; 0 where rows are finished one after another.
    coefficient_bytes_per_pixel: u64,
}

impl<'a> Jpeg<'a> {
    /// Reads the headers.
    pub fn open(bytes: &'a [u8]) -> Result<Jpeg<'a>, DecodeError> {
        let structure = Structure::read(bytes);
        let mut decoder = decoder(bytes, structure);
        decoder.decode_headers().map_err(|error| structure.error(&error))?;
        let info = decoder.info().ok_or_else(|| DecodeError::corrupt("jpeg", "no frame header"))?;
        if info.components == 2 {
            return Err(DecodeError::unsupported("jpeg", "two components"));
        }
        let exif = decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif));
        Ok(Jpeg {
            size: (usize::from(info.width), usize::from(info.height)),
            orientation: exif.unwrap_or(Orientation::NoTransforms),
            decoder,
            bytes,
            structure,
        })
    }

    /// Bytes needed beside the RGB pixels.
    pub fn working_bytes(&self) -> u64 {
        let pixel_count = (self.size.0 * self.size.1) as u64;
        let second_reading_bytes =
            if self.structure.complete { 0 } else { self.bytes.len() as u64 + 3 * pixel_count };
        pixel_count * self.structure.coefficient_bytes_per_pixel + second_reading_bytes
    }

    /// Decodes to `[height, width, 3]`.
    pub fn read(mut self) -> Result<Vec<u8>, DecodeError> {
        let mut pixels = vec![0; self.size.0 * self.size.1 * 3];
        self.decoder.decode_into(&mut pixels).map_err(|error| self.structure.error(&error))?;
        if !self.structure.complete && self.needs_more_bytes(&pixels) {
            return Err(DecodeError::Truncated { format: "jpeg" });
        }
        Ok(pixels)
    }

    /// Whether other bytes behind the end would change the pixels.
    ///
    /// Even in strict mode the decoder takes the last few missing bytes as zero.
    fn needs_more_bytes(&self, pixels: &[u8]) -> bool {
        let longer = [self.bytes, &[0x7f; 64], &[0xff, 0xd9]].concat();
        let mut other_pixels = vec![0; pixels.len()];
        let read = decoder(&longer, self.structure).decode_into(&mut other_pixels);
        read.is_err() || other_pixels != pixels
    }
}

/// A complete file is read as leniently as libjpeg does. Without its end marker it is used only if every
/// coefficient is there, which is what strict mode insists on.
fn decoder(bytes: &[u8], structure: Structure) -> JpegDecoder<ZCursor<&[u8]>> {
    let options = DecoderOptions::default()
        .set_strict_mode(!structure.complete)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    JpegDecoder::new_with_options(ZCursor::new(bytes), options)
}

impl Structure {
    /// Walks over the markers without decoding anything.
    fn read(bytes: &[u8]) -> Structure {
        let mut structure = Structure::default();
        let mut frame: &[u8] = &[];
        let mut at = 2;
        while let Some((marker, body_at)) = next_marker(bytes, at) {
            if marker == 0xd9 {
                return Structure { complete: true, ..structure };
            }
            let Some(body) = segment(bytes, body_at) else { break };
            match marker {
                0xc0..=0xc3 => frame = body,
                0xda => structure.note_scan(frame, body),
                _ => {}
            }
            at = body_at + 2 + body.len();
        }
        structure
    }

    /// A progressive frame, or a scan of some components only, has its coefficients kept until the end.
    fn note_scan(&mut self, frame: &[u8], scan: &[u8]) {
        let (Some(&components), Some(&scanned)) = (frame.get(5), scan.first()) else { return };
        let factors = frame
            .get(6..)
            .unwrap_or(&[])
            .chunks_exact(3)
            .map(|c| (u64::from(c[1] >> 4), u64::from(c[1] & 15)));
        let (mut blocks, mut max_h, mut max_v) = (0, 1, 1);
        for (h, v) in factors.take(usize::from(components)) {
            (blocks, max_h, max_v) = (blocks + h * v, max_h.max(h), max_v.max(v));
        }
        if scanned < components || is_progressive_scan(scan) {
            self.coefficient_bytes_per_pixel = (2 * blocks).div_ceil(max_h * max_v);
        }
    }

    fn error(self, error: &DecodeErrors) -> DecodeError {
        match error {
            DecodeErrors::Unsupported(what) => DecodeError::unsupported("jpeg", format!("{what:?}")),
            _ if !self.complete || is_truncation_message(error) => DecodeError::Truncated { format: "jpeg" },
            error => DecodeError::corrupt("jpeg", format!("{error:?}")),
        }
    }
}

/// Every scan of a sequential frame covers the coefficients 0 to 63 at once.
fn is_progressive_scan(scan: &[u8]) -> bool {
    let spectral = usize::from(scan[0]) * 2 + 1;
    scan.get(spectral..spectral + 3) != Some(&[0, 63, 0])
}

/// The next marker that is neither a restart nor a stuffed byte, and the offset behind it.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        at += bytes[at..].iter().position(|&byte| byte != 0xff)?;
        if !matches!(bytes[at], 0x00 | 0xd0..=0xd7) {
            return Some((bytes[at], at + 1));
        }
    }
}

/// The body of the segment whose length stands at `at`.
fn segment(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let len = u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]);
    bytes.get(at + 2..at + usize::from(len.max(2)))
}
