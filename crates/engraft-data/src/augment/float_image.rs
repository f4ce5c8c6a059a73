//! The image that augmentations work on: floats, so that several in a row round only once.

use crate::image::{Image, ImageSizeError};

/// An RGB image of floats in 0..=255, as Keras hands them to its augmentations.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatImage {
    /// In pixels, at least 1.
    pub height: usize,
    /// In pixels, at least 1.
    pub width: usize,
    /// `[height, width, 3]`, row-major, red first.
    pub values: Vec<f32>,
}

impl FloatImage {
    /// Checks that `values` is `[height, width, 3]` and neither side is 0.
    ///
    /// # Errors
    /// If that is not so.
    pub fn new(height: usize, width: usize, values: Vec<f32>) -> Result<FloatImage, ImageSizeError> {
        Image::check_size(width, height, values.len())?;
        Ok(FloatImage { height, width, values })
    }

    /// The nearest image of 8 bits; what lies outside 0..=255 is clipped.
    pub fn to_image(&self) -> Image {
        let pixels = self.values.iter().map(|value| value.round() as u8).collect();
        Image { width: self.width, height: self.height, pixels }
    }

    /// Every pixel, row by row.
    pub fn pixels(&self) -> &[[f32; 3]] {
        self.values.as_chunks().0
    }

    /// Every pixel, row by row, to be changed.
    pub fn pixels_mut(&mut self) -> &mut [[f32; 3]] {
        self.values.as_chunks_mut().0
    }

    /// The smallest and the largest value of all channels.
    pub fn range(&self) -> (f32, f32) {
        let start = (f32::INFINITY, f32::NEG_INFINITY);
        self.values.iter().fold(start, |(low, high), &value| (low.min(value), high.max(value)))
    }
}

impl From<&Image> for FloatImage {
    fn from(image: &Image) -> FloatImage {
        let values = image.pixels.iter().map(|&value| f32::from(value)).collect();
        FloatImage { height: image.height, width: image.width, values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_way_there_and_back() {
        let image = Image::new(2, 1, vec![0, 1, 127, 128, 254, 255]).unwrap();
        assert_eq!(FloatImage::from(&image).to_image(), image);
    }

    #[test]
    fn values_are_rounded_and_clipped() {
        let image = FloatImage::new(1, 2, vec![-3.0, 0.49, 0.5, 254.6, 300.0, f32::NAN]).unwrap();
        assert_eq!(image.to_image().pixels, [0, 0, 1, 255, 255, 0]);
        assert_eq!(FloatImage::new(2, 2, vec![0.0; 11]).unwrap_err().to_string().matches("2x2").count(), 1);
    }
}
