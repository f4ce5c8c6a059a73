//! One decoded image.

use crate::digest::Digest;

/// An RGB image of 8 bits a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// In pixels, at least 1.
    pub width: usize,
    /// In pixels, at least 1.
    pub height: usize,
    /// `[height, width, 3]`, row-major, red first.
    pub pixels: Vec<u8>,
}

/// Pixels whose number does not fit the stated size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an image of {width}x{height} holds {found} values, expected width x height x 3, neither of them 0")]
pub struct ImageSizeError {
    width: usize,
    height: usize,
    found: usize,
}

impl Image {
    /// Checks that `pixels` is `[height, width, 3]` and neither side is 0.
    ///
    /// # Errors
    /// If that is not so.
    pub fn new(width: usize, height: usize, pixels: Vec<u8>) -> Result<Image, ImageSizeError> {
        Image::check_size(width, height, pixels.len())?;
        Ok(Image { width, height, pixels })
    }

    /// Whether `found` values are three for each pixel of an image of that size.
    pub(crate) fn check_size(width: usize, height: usize, found: usize) -> Result<(), ImageSizeError> {
        let expected = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(3));
        if width == 0 || height == 0 || expected != Some(found) {
            return Err(ImageSizeError { width, height, found });
        }
        Ok(())
    }

    /// Identifies what is seen: the digest of size and pixels, equal for one picture in two lossless formats.
    pub fn pixel_hash(&self) -> Digest {
        let size = [self.width as u64, self.height as u64].map(u64::to_le_bytes);
        Digest::of_parts(&[&size[0], &size[1], &self.pixels])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_must_fill_the_size() {
        assert!(Image::new(2, 1, vec![0; 6]).is_ok());
        for (width, height, len) in [(2, 1, 5), (2, 1, 7), (0, 1, 0), (1, 0, 0), (usize::MAX, 2, 6)] {
            assert!(Image::new(width, height, vec![0; len]).is_err(), "{width}x{height} of {len}");
        }
    }

    #[test]
    fn pixel_hash_depends_on_pixels_and_on_shape() {
        let hash = |width, height, value| Image::new(width, height, vec![value; 12]).unwrap().pixel_hash();
        assert_eq!(hash(4, 1, 7), hash(4, 1, 7));
        assert_ne!(hash(4, 1, 7), hash(4, 1, 8));
        assert_ne!(hash(4, 1, 7), hash(1, 4, 7));
    }
}
