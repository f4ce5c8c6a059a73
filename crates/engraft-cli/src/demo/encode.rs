//! The file formats that the images are kept in.

use image::{
    ExtendedColorType, ImageEncoder, ImageResult, RgbImage,
    codecs::{bmp::BmpEncoder, gif::GifEncoder, jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
};

use super::{Rng, draws::Draws};

/// A file format and how it is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Format {
    /// Quality in `1..=100`.
    Jpeg(u8),
    Png,
    Gif,
    /// Without loss.
    WebP,
    Bmp,
}

impl Format {
    /// The file name extensions of all formats.
    pub const EXTENSIONS: [&str; 5] = ["jpg", "png", "gif", "webp", "bmp"];

    /// As often as each is found on the web, roughly; the same for every class.
    pub fn draw(rng: &mut Rng) -> Format {
        let quality = rng.count(30, 95) as u8;
        *rng.pick_weighted(&[
            (42, Format::Jpeg(quality)),
            (36, Format::Png),
            (9, Format::Gif),
            (8, Format::WebP),
            (5, Format::Bmp),
        ])
    }

    pub fn extension(self) -> &'static str {
        let [jpg, png, gif, webp, bmp] = Format::EXTENSIONS;
        match self {
            Format::Jpeg(_) => jpg,
            Format::Png => png,
            Format::Gif => gif,
            Format::WebP => webp,
            Format::Bmp => bmp,
        }
    }

    /// The bytes of a file that holds `image`.
    ///
    /// # Errors
    /// If the encoder refuses the image, as for a side beyond the format's limit.
    pub fn encode(self, image: &RgbImage) -> ImageResult<Vec<u8>> {
        // The fastest of the encoder's palette searches.
        const GIF_SPEED: i32 = 30;
        let mut bytes = Vec::new();
        let (pixels, width, height) = (image.as_raw(), image.width(), image.height());
        let rgb = ExtendedColorType::Rgb8;
        match self {
            Format::Jpeg(quality) => {
                JpegEncoder::new_with_quality(&mut bytes, quality).write_image(pixels, width, height, rgb)?;
            }
            Format::Png => PngEncoder::new(&mut bytes).write_image(pixels, width, height, rgb)?,
            Format::Gif => {
                GifEncoder::new_with_speed(&mut bytes, GIF_SPEED).encode(pixels, width, height, rgb)?
            }
            Format::WebP => WebPEncoder::new_lossless(&mut bytes).write_image(pixels, width, height, rgb)?,
            Format::Bmp => BmpEncoder::new(&mut bytes).write_image(pixels, width, height, rgb)?,
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let image = RgbImage::from_fn(64, 48, |x, y| {
            image::Rgb(if (x / 16 + y / 16) % 2 == 0 { [250, 10, 30] } else { [255; 3] })
        });
        for (format, tolerance) in
            [(Format::Png, 0), (Format::WebP, 0), (Format::Bmp, 0), (Format::Gif, 8), (Format::Jpeg(90), 40)]
        {
            let bytes = format.encode(&image).unwrap();
            let guessed = image::guess_format(&bytes).unwrap();
            assert!(guessed.extensions_str().contains(&format.extension()), "{format:?}: {guessed:?}");
            let read = image::load_from_memory(&bytes).unwrap().into_rgb8();
            let worst = read.iter().zip(image.iter()).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(read.dimensions() == (64, 48) && worst <= Some(tolerance), "{format:?}: {worst:?}");
        }
    }
}
