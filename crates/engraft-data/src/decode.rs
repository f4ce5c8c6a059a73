//! From the bytes of a file to RGB pixels.

mod codec;
mod error;
mod guard;
mod jpeg;
mod samples;
mod sniff;
mod tiff;

use image::{DynamicImage, ImageFormat, RgbImage, metadata::Orientation};

use crate::image::Image;
use codec::{Codec, format_name};
pub use error::DecodeError;
use guard::guarded;
pub use guard::is_decoding;
use jpeg::Jpeg;
pub(crate) use samples::rounded8;
use sniff::{Sniffed, sniff};
use tiff::GreyTiff;

/// How large an image may be. All sizes are checked before anything of that size is allocated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most pixels of an image.
    pub max_pixels: u64,
    /// Most bytes of a file.
    pub max_file_bytes: u64,
    /// Most bytes in memory while one image is decoded: its file, what the decoder keeps, and the pixels.
    pub max_decode_bytes: u64,
}

impl Default for Limits {
    /// 100 megapixels, files of 400 MB, 1 GiB while decoding. The last two leave room for nearly every image of
    /// 100 megapixels; a photograph of that size needs about 350 MB.
    fn default() -> Limits {
        Limits { max_pixels: 100_000_000, max_file_bytes: 400_000_000, max_decode_bytes: 1 << 30 }
    }
}

impl Limits {
    fn check_pixels(&self, found: u64) -> Result<(), DecodeError> {
        within(found, self.max_pixels, "pixels")
    }
}

/// Decodes an image to RGB of 8 bits.
///
/// The bytes decide the format: JPEG, PNG, GIF, WebP, BMP, TIFF or PNM. Of several frames or pages the first is
/// taken. EXIF orientation is applied, an invalid one ignored. 16 bits are scaled by 1 / 257, float samples are
/// 0..=1 (or 0..=255 where one exceeds 1), alpha is composited on white, grey becomes RGB. Colour profiles are
/// not applied, as in Pillow.
///
/// # Errors
/// See [`DecodeError`]. A truncated file is an error; a JPEG that lacks nothing but its end marker is not. A codec
/// that panics gives an error too.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Image, DecodeError> {
    Decoder::open(bytes, limits)?.read()
}

/// An image whose header has been read and found to be within the limits.
pub(crate) struct Decoder<'a> {
    name: &'static str,
    format: Format<'a>,
    limits: &'a Limits,
    file_bytes: u64,
}

enum Format<'a> {
    Jpeg(Box<Jpeg<'a>>),
    GreyTiff(Box<GreyTiff<'a>>),
    Codec(Codec<'a>),
}

impl<'a> Decoder<'a> {
    pub(crate) fn open(bytes: &'a [u8], limits: &'a Limits) -> Result<Decoder<'a>, DecodeError> {
        if bytes.is_empty() {
            return Err(DecodeError::Empty);
        }
        let format = match sniff(bytes) {
            Sniffed::Image(format) => format,
            Sniffed::Unsupported(what) => return Err(DecodeError::Unsupported { what: what.to_string() }),
            Sniffed::Other(looks_like) => return Err(DecodeError::NotAnImage { looks_like }),
        };
        let name = format_name(format);
        guarded(name, || {
            let file_bytes = bytes.len() as u64;
            let decoder = Decoder { name, format: Format::open(format, bytes, limits)?, limits, file_bytes };
            decoder.check_size()?;
            Ok(decoder)
        })
    }

    /// Estimated peak of memory while decoding, the file itself included.
    pub(crate) fn peak_bytes(&self) -> u64 {
        // Turning by a quarter needs a second image, after the decoder has let go of its own memory.
        let turned_bytes = if swaps_sides(self.orientation()) { self.rgb_bytes() } else { 0 };
        self.file_bytes + self.rgb_bytes() + self.working_bytes().max(turned_bytes)
    }

    pub(crate) fn read(self) -> Result<Image, DecodeError> {
        let ((width, height), orientation) = (self.size(), self.orientation());
        let pixels = guarded(self.name, || match self.format {
            Format::Jpeg(jpeg) => jpeg.read(),
            Format::GreyTiff(tiff) => tiff.read(),
            Format::Codec(codec) => codec.read(self.limits),
        })?;
        Ok(turned(Image { width, height, pixels }, orientation))
    }

    fn check_size(&self) -> Result<(), DecodeError> {
        let (width, height) = self.size();
        if width == 0 || height == 0 {
            return Err(DecodeError::corrupt(self.name, format_args!("its size is {width}x{height}")));
        }
        self.limits.check_pixels((width as u64).saturating_mul(height as u64))?;
        let unit = "bytes of memory while decoding";
        within(self.peak_bytes(), self.limits.max_decode_bytes, unit)
    }

    fn size(&self) -> (usize, usize) {
        match &self.format {
            Format::Jpeg(jpeg) => jpeg.size,
            Format::GreyTiff(tiff) => tiff.size,
            Format::Codec(codec) => codec.size,
        }
    }

    fn orientation(&self) -> Orientation {
        match &self.format {
            Format::Jpeg(jpeg) => jpeg.orientation,
            Format::GreyTiff(tiff) => tiff.orientation,
            Format::Codec(codec) => codec.orientation,
        }
    }

    fn working_bytes(&self) -> u64 {
        match &self.format {
            Format::Jpeg(jpeg) => jpeg.working_bytes(),
            Format::GreyTiff(tiff) => tiff.working_bytes(),
            Format::Codec(codec) => codec.working_bytes(),
        }
    }

    fn rgb_bytes(&self) -> u64 {
        let (width, height) = self.size();
        3 * (width * height) as u64
    }
}

impl<'a> Format<'a> {
    fn open(format: ImageFormat, bytes: &'a [u8], limits: &Limits) -> Result<Format<'a>, DecodeError> {
        match format {
            ImageFormat::Jpeg => Ok(Format::Jpeg(Box::new(Jpeg::open(bytes)?))),
            ImageFormat::Tiff => match GreyTiff::open(bytes, limits) {
                Some(tiff) => Ok(Format::GreyTiff(Box::new(tiff))),
                None => Ok(Format::Codec(Codec::open(format, bytes, limits)?)),
            },
            format => Ok(Format::Codec(Codec::open(format, bytes, limits)?)),
        }
    }
}

fn within(found: u64, limit: u64, unit: &'static str) -> Result<(), DecodeError> {
    if found > limit { Err(DecodeError::TooLarge { found, limit, unit }) } else { Ok(()) }
}

fn swaps_sides(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// Turns the stored pixels the way the image is to be seen.
fn turned(image: Image, orientation: Orientation) -> Image {
    if orientation == Orientation::NoTransforms {
        return image;
    }
    let Image { width, height, pixels } = image;
    let image = RgbImage::from_raw(width as u32, height as u32, pixels).expect("the pixels fill the size");
    let mut image = DynamicImage::ImageRgb8(image);
    image.apply_orientation(orientation);
    let (width, height) = (image.width() as usize, image.height() as usize);
    Image { width, height, pixels: image.into_rgb8().into_raw() }
}

#[cfg(test)]
mod tests {
    use image::{ColorType, ImageDecoder, ImageResult};

    use super::*;

    /// A codec whose header is fine and whose pixels bring out a bug.
    struct Panicking;

    impl ImageDecoder for Panicking {
        fn dimensions(&self) -> (u32, u32) {
            (2, 1)
        }

        fn color_type(&self) -> ColorType {
            ColorType::Rgb8
        }

        fn read_image(self, _: &mut [u8]) -> ImageResult<()> {
            panic!("a bug of the codec")
        }

        fn read_image_boxed(self: Box<Self>, pixels: &mut [u8]) -> ImageResult<()> {
            (*self).read_image(pixels)
        }
    }

    #[test]
    fn a_codec_that_panics_costs_one_image() {
        let limits = Limits::default();
        let codec = Codec::new(Box::new(Panicking), ImageFormat::Png);
        let decoder = Decoder { name: "png", format: Format::Codec(codec), limits: &limits, file_bytes: 6 };
        let want = "the png decoder cannot cope with it: a bug of the codec";
        assert_eq!(decoder.read().unwrap_err().to_string(), want);
    }
}
