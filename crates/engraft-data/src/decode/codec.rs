//! The formats that the `image` crate decodes as a whole: PNG, GIF, WebP, BMP, PNM, and most TIFF.

use std::io::Cursor;

use image::{
    ImageDecoder, ImageError, ImageFormat,
    codecs::{
        bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, pnm::PnmDecoder, tiff::TiffDecoder,
        webp::WebPDecoder,
    },
    metadata::Orientation,
};

use super::{DecodeError, Limits, samples::rgb8_from_samples};

/// An image whose header has been read by one of the decoders of `image`.
pub struct Codec<'a> {
    decoder: Box<dyn ImageDecoder + 'a>,
    format: ImageFormat,
    is_cut: bool,
    /// `(width, height)` as stored, before the orientation is applied.
    pub size: (usize, usize),
    /// How the stored pixels are to be turned.
    pub orientation: Orientation,
}

impl<'a> Codec<'a> {
    /// Reads the header.
    pub fn open(format: ImageFormat, bytes: &'a [u8], limits: &Limits) -> Result<Codec<'a>, DecodeError> {
        let name = format_name(format);
        if let (ImageFormat::Png, Some(pixels)) = (format, png_pixel_count(bytes)) {
            // The PNG decoder refuses huge sizes too, but calls them a lack of memory.
            limits.check_pixels(pixels)?;
        }
        let is_cut = stated_len(format, bytes).is_some_and(|len| len > bytes.len());
        let decoder =
            open_decoder(format, bytes, limits).map_err(|error| decode_error(name, is_cut, &error))?;
        Ok(Codec { is_cut, ..Codec::new(decoder, format) })
    }

    /// An image whose header `decoder` has read from a file that is not cut.
    pub fn new(mut decoder: Box<dyn ImageDecoder + 'a>, format: ImageFormat) -> Codec<'a> {
        let (width, height) = decoder.dimensions();
        // Metadata that cannot be read says nothing about the pixels: viewers show such an image unturned.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        Codec { decoder, format, is_cut: false, size: (width as usize, height as usize), orientation }
    }

    /// Bytes needed beside the RGB pixels: the samples beyond three bytes a pixel, and what the decoder keeps.
    pub fn working_bytes(&self) -> u64 {
        let pixel_count = (self.size.0 * self.size.1) as u64;
        let sample_bytes = self.decoder.total_bytes();
        // Below three bytes a pixel the RGB image is new memory, else it takes the place of the samples.
        let conversion_bytes = match sample_bytes < 3 * pixel_count {
            true => sample_bytes,
            false => sample_bytes - 3 * pixel_count,
        };
        let kept_bytes = match self.format {
            ImageFormat::Gif => 4 * pixel_count,
            // A canvas and a frame where it is animated, else planes or one frame with alpha.
            ImageFormat::WebP => 8 * pixel_count,
            ImageFormat::Tiff => sample_bytes.max(4 * pixel_count),
            _ => 0,
        };
        conversion_bytes + kept_bytes
    }

    /// Decodes to `[height, width, 3]`.
    pub fn read(mut self, limits: &Limits) -> Result<Vec<u8>, DecodeError> {
        let name = format_name(self.format);
        let is_cut = self.is_cut;
        let fail = |error| decode_error(name, is_cut, &error);
        let (color, total_bytes) = (self.decoder.color_type(), self.decoder.total_bytes());
        self.decoder.set_limits(codec_limits(limits)).map_err(fail)?;
        let mut samples = vec![0; total_bytes as usize];
        self.decoder.read_image_boxed(&mut samples).map_err(fail)?;
        rgb8_from_samples(color, samples).map_err(|what| DecodeError::unsupported(name, what))
    }
}

/// The name of a format, as it stands in messages.
pub fn format_name(format: ImageFormat) -> &'static str {
    format.extensions_str().first().copied().unwrap_or("image")
}

fn open_decoder<'a>(
    format: ImageFormat,
    bytes: &'a [u8],
    limits: &Limits,
) -> image::ImageResult<Box<dyn ImageDecoder + 'a>> {
    let reader = Cursor::new(bytes);
    Ok(match format {
        ImageFormat::Png => Box::new(PngDecoder::with_limits(reader, codec_limits(limits))?),
        ImageFormat::Gif => Box::new(GifDecoder::new(reader)?),
        ImageFormat::WebP => Box::new(WebPDecoder::new(reader)?),
        ImageFormat::Bmp => Box::new(BmpDecoder::new(reader)?),
        ImageFormat::Tiff => Box::new(TiffDecoder::new(reader)?),
        _ => Box::new(PnmDecoder::new(reader)?),
    })
}

/// Some decoders call every failure corruption, so a file that states a greater length than it has is believed.
fn decode_error(name: &'static str, is_cut: bool, error: &ImageError) -> DecodeError {
    match DecodeError::from_image(name, error) {
        DecodeError::Corrupt { .. } if is_cut => DecodeError::Truncated { format: name },
        error => error,
    }
}

/// The length of the file that its header states.
fn stated_len(format: ImageFormat, bytes: &[u8]) -> Option<usize> {
    let len = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(|len| u32::from_le_bytes(len) as usize);
    match format {
        ImageFormat::WebP => len(4)?.checked_add(8),
        ImageFormat::Bmp => len(2),
        _ => None,
    }
}

/// Width times height of the first chunk, which is always the header.
fn png_pixel_count(bytes: &[u8]) -> Option<u64> {
    let side = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    Some(u64::from(side(16)?) * u64::from(side(20)?))
}

fn codec_limits(limits: &Limits) -> image::Limits {
    let mut codec_limits = image::Limits::no_limits();
    codec_limits.max_alloc = Some(limits.max_decode_bytes);
    codec_limits
}
