//! Writing images.

use std::io;

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use crate::image::Image;

/// The bytes of a PNG file that holds `image`, without loss.
///
/// # Errors
/// If a side is longer than PNG allows, which is 2^31 - 1 pixels.
pub fn encode_png(image: &Image) -> io::Result<Vec<u8>> {
    let side = |len: usize| u32::try_from(len).map_err(io::Error::other);
    let (width, height) = (side(image.width)?, side(image.height)?);
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(&image.pixels, width, height, ExtendedColorType::Rgb8)
        .map_err(io::Error::other)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, decode};

    #[test]
    fn what_is_written_is_read_back() {
        let image = Image::new(5, 3, (0..45).map(|i| i * 5).collect()).unwrap();
        assert_eq!(decode(&encode_png(&image).unwrap(), &Limits::default()), Ok(image));
    }
}
