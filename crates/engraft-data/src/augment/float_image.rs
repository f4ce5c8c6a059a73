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
        let pixels = self.values.iter().map(|&value| nearest_level(value)).collect();
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

    /// Turns the order of the rows round.
    pub(super) fn mirror_rows(&mut self) {
        let (row_len, height) = (self.width * 3, self.height);
        let (upper, lower) = self.values.split_at_mut(height / 2 * row_len);
        let from_below = lower.chunks_exact_mut(row_len).rev();
        upper.chunks_exact_mut(row_len).zip(from_below).for_each(|(a, b)| a.swap_with_slice(b));
    }

    /// Turns the order of the columns round.
    pub(super) fn mirror_columns(&mut self) {
        let width = self.width;
        self.pixels_mut().chunks_exact_mut(width).for_each(<[_]>::reverse);
    }

    /// The smallest and the largest value of all channels.
    pub fn range(&self) -> (f32, f32) {
        // Several at a time: the compiler may not reorder comparisons of floats itself.
        const LANES: usize = 16;
        let (chunks, rest) = self.values.as_chunks::<LANES>();
        let (mut low, mut high) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
        let mut look = |lane: usize, value: f32| {
            low[lane] = if value < low[lane] { value } else { low[lane] };
            high[lane] = if value > high[lane] { value } else { high[lane] };
        };
        chunks.iter().for_each(|chunk| (0..LANES).for_each(|lane| look(lane, chunk[lane])));
        rest.iter().for_each(|&value| look(0, value));
        (low.into_iter().fold(f32::INFINITY, f32::min), high.into_iter().fold(f32::NEG_INFINITY, f32::max))
    }
}

/// From here on `f32` has no digits behind the point, and the lowest byte of its bits is that of the number.
const WHOLE_NUMBERS: f32 = (1 << 23) as f32;

/// From here to `WHOLE_NUMBERS`, `f32` counts in halves, and the lowest of its bits is the half.
const HALVES: f32 = (1 << 22) as f32;

/// The whole level at or below `value`, within 0..=255; 0 for what is no number.
#[inline]
pub(super) fn whole_level(value: f32) -> f32 {
    at_least_0(floor_or_below_0(at_most_255(value)))
}

/// [`whole_level`] of `factor` times the [`whole_level`] of `value`, with `factor` at least 0.
#[inline]
pub(super) fn scaled_whole_level(value: f32, factor: f32) -> f32 {
    // What is below 0 after the first cut is so after the second, where it is caught.
    let scaled = floor_or_below_0(at_most_255(value)) * factor;
    at_least_0(floor_or_below_0(at_most_255(scaled)))
}

/// What is no number stays so.
#[inline]
fn at_most_255(value: f32) -> f32 {
    if value > 255.0 { 255.0 } else { value }
}

/// 0 for what is no number.
#[inline]
fn at_least_0(value: f32) -> f32 {
    if value > 0.0 { value } else { 0.0 }
}

/// The whole number at or below `value`, at most 255; where `value` is below a quarter, some number that is not above 0.
///
/// Three instructions for several values at a time, which Rust's conversions are not. A quarter less, rounded to halves
/// with ties to the whole number, is `value`'s whole number or the half above it.
#[inline]
fn floor_or_below_0(value: f32) -> f32 {
    let in_halves = value + (HALVES - 0.25);
    f32::from_bits(in_halves.to_bits() & !1) - HALVES
}

/// The nearest level, halves upwards.
#[inline]
fn nearest_level(value: f32) -> u8 {
    let below = whole_level(value);
    let nearest = if value - below >= 0.5 && below < 255.0 { below + 1.0 } else { below };
    (nearest + WHOLE_NUMBERS).to_bits() as u8
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
    fn levels_are_those_of_the_conversions_of_rust() {
        let quarters = (-40..=4200).map(|quarter| quarter as f32 / 4.0 / 4.0);
        let values: Vec<f32> =
            quarters.flat_map(|value| [value.next_down(), value, value.next_up()]).collect();
        for &value in values.iter().chain(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30]) {
            assert_eq!(whole_level(value), f32::from(value as u8), "{value}");
            assert_eq!(nearest_level(value), value.round() as u8, "{value}");
            for factor in [0.0, 0.1, 0.99, 1.0, 1.7, 100.0] {
                let scaled = f32::from((f32::from(value as u8) * factor) as u8);
                assert_eq!(scaled_whole_level(value, factor), scaled, "{value} * {factor}");
            }
        }
    }

    #[test]
    fn the_range_is_over_all_values_whatever_their_number() {
        for pixels in [1, 5, 6, 16, 33] {
            let mut values: Vec<f32> = (0..pixels * 3).map(|i| 100.0 + i as f32).collect();
            let largest = 99.0 + (pixels * 3) as f32;
            assert_eq!(FloatImage::new(1, pixels, values.clone()).unwrap().range(), (100.0, largest));
            values.reverse();
            assert_eq!(FloatImage::new(1, pixels, values).unwrap().range(), (100.0, largest));
        }
    }

    #[test]
    fn values_are_rounded_and_clipped() {
        let image = FloatImage::new(1, 2, vec![-3.0, 0.49, 0.5, 254.6, 300.0, f32::NAN]).unwrap();
        assert_eq!(image.to_image().pixels, [0, 0, 1, 255, 255, 0]);
        assert_eq!(FloatImage::new(2, 2, vec![0.0; 11]).unwrap_err().to_string().matches("2x2").count(), 1);
    }
}
