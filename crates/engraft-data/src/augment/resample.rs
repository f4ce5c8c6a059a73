//! Resampling an image along an affine map, bilinearly, with SciPy's ways to go on beyond the edge.

use serde::{Deserialize, Serialize};

use super::{affine::Affine, float_image::FloatImage, setting::Setting};
use crate::named::named_enum;

named_enum! {
    /// What is seen beyond the edge of an image `a b c d`.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum FillMode {
        /// `a a a | a b c d | d d d`
        Nearest = "nearest",
        /// One value, from the centre of the outermost pixel on: nothing is blended with it.
        Constant = "constant",
        /// `c b a | a b c d | d c b`
        Reflect = "reflect",
        /// `b c d | a b c d | a b c` in steps of one pixel less than the image has: `a` and `d` fall on one place.
        Wrap = "wrap",
    }
}

impl Setting for FillMode {
    const EXPECTED: &str = "nearest, constant, reflect or wrap";

    fn is_valid(&self) -> bool {
        true
    }
}

/// The value that [`FillMode::Constant`] puts beyond the edge, Keras' `cval`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FillValue(pub f32);

impl Setting for FillValue {
    const EXPECTED: &str = "a number from 0 to 255";

    fn is_valid(&self) -> bool {
        (0.0..=255.0).contains(&self.0)
    }
}

/// What stands where the input has nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fill {
    /// How the image goes on.
    pub mode: FillMode,
    /// The value of [`FillMode::Constant`], in 0..=255.
    pub value: f32,
}

/// The image whose every pixel comes from the place in `image` that `map` names.
///
/// Source: `scipy.ndimage.affine_transform(order=1)` as Keras' `apply_affine_transform` calls it for each channel.
pub fn resample(image: &FloatImage, map: &Affine, fill: Fill) -> FloatImage {
    let (height, width) = (image.height, image.width);
    let [[row_row, row_column], [column_row, column_column]] = map.matrix;
    let [row_shift, column_shift] = map.shift_from_corner(height, width);
    let mut values = vec![0.0; image.values.len()];
    for (row, out_row) in values.chunks_exact_mut(width * 3).enumerate() {
        let row = row as f64;
        let (row_start, column_start) = (row_shift + row * row_row, column_shift + row * column_row);
        for (column, out) in out_row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let column = column as f64;
            let at = (row_start + column * row_column, column_start + column * column_column);
            *out = sample(image, at, fill);
        }
    }
    FloatImage { height, width, values }
}

/// Two neighbours along one axis and the share of the second.
struct Tap {
    low: usize,
    high: usize,
    share: f32,
}

#[inline]
fn sample(image: &FloatImage, (row, column): (f64, f64), fill: Fill) -> [f32; 3] {
    let taps = (tap(row, image.height, fill.mode), tap(column, image.width, fill.mode));
    let (Some(rows), Some(columns)) = taps else { return [fill.value; 3] };
    let pixels = image.pixels();
    let (upper, lower) = (&pixels[rows.low * image.width..], &pixels[rows.high * image.width..]);
    let (a, b) = (&upper[columns.low], &upper[columns.high]);
    let (c, d) = (&lower[columns.low], &lower[columns.high]);
    std::array::from_fn(|i| {
        let (above, below) = (blend(a[i], b[i], columns.share), blend(c[i], d[i], columns.share));
        blend(above, below, rows.share)
    })
}

#[inline]
fn blend(first: f32, second: f32, share: f32) -> f32 {
    first + (second - first) * share
}

/// The neighbours of a coordinate on an axis of `len` pixels, `None` where the fill value stands.
#[inline]
fn tap(coordinate: f64, len: usize, mode: FillMode) -> Option<Tap> {
    let last = (len - 1) as f64;
    let inside =
        if coordinate >= 0.0 && coordinate <= last { coordinate } else { continued(coordinate, len, mode)? };
    let low = inside as usize;
    Some(Tap { low, high: (low + 1).min(len - 1), share: (inside - low as f64) as f32 })
}

/// The coordinate in `0..=len - 1` that shows what `mode` puts at one outside.
#[cold]
fn continued(coordinate: f64, len: usize, mode: FillMode) -> Option<f64> {
    let last = (len - 1) as f64;
    match mode {
        FillMode::Constant => None,
        FillMode::Nearest => Some(coordinate.clamp(0.0, last)),
        FillMode::Reflect => {
            // Measured from the outer border of the first pixel; within half a pixel of a border nothing changes.
            let period = 2.0 * len as f64;
            let along = (coordinate + 0.5).rem_euclid(period);
            Some((along.min(period - along) - 0.5).clamp(0.0, last))
        }
        FillMode::Wrap if len == 1 => Some(0.0),
        FillMode::Wrap if coordinate < 0.0 => {
            Some((coordinate + last * ((-coordinate / last).trunc() + 1.0)).clamp(0.0, last))
        }
        FillMode::Wrap => Some((coordinate - last * (coordinate / last).trunc()).clamp(0.0, last)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row_of(values: &[f32]) -> FloatImage {
        FloatImage::new(1, values.len(), values.iter().flat_map(|&value| [value; 3]).collect()).unwrap()
    }

    fn shifted(columns: f64, mode: FillMode) -> Vec<f32> {
        let image = row_of(&[10.0, 20.0, 30.0, 40.0]);
        let moved = resample(&image, &Affine::shift(0.0, columns), Fill { mode, value: 7.0 });
        moved.pixels().iter().map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn each_mode_goes_on_in_its_way() {
        for (mode, left, right) in [
            (FillMode::Nearest, [10.0, 10.0, 10.0, 20.0], [30.0, 40.0, 40.0, 40.0]),
            (FillMode::Constant, [7.0, 7.0, 10.0, 20.0], [30.0, 40.0, 7.0, 7.0]),
            (FillMode::Reflect, [20.0, 10.0, 10.0, 20.0], [30.0, 40.0, 40.0, 30.0]),
            (FillMode::Wrap, [20.0, 30.0, 10.0, 20.0], [30.0, 40.0, 20.0, 30.0]),
        ] {
            assert_eq!(shifted(-2.0, mode), left, "{mode} to the right");
            assert_eq!(shifted(2.0, mode), right, "{mode} to the left");
        }
    }

    #[test]
    fn far_away_and_in_a_single_pixel_there_is_still_a_value() {
        for &mode in FillMode::ALL {
            let fill = Fill { mode, value: 7.0 };
            for columns in [-1e12, 1e12] {
                assert!(shifted(columns, mode).iter().all(|value| (7.0..=40.0).contains(value)), "{mode}");
                let moved = resample(&row_of(&[9.0]), &Affine::shift(columns, columns), fill);
                assert!([7.0, 9.0].contains(&moved.values[0]), "{mode}");
            }
        }
    }
}
