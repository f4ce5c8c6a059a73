//! Resampling an image along an affine map, bilinearly, with SciPy's ways to go on beyond the edge.

mod oblique;
mod tap;
mod upright;

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
    let [row_shift, column_shift] = map.shift_from_corner(image.height, image.width);
    let [[row_row, row_column], [column_row, column_column]] = map.matrix;
    let values = if row_column == 0.0 && column_row == 0.0 {
        upright::resample(image, (row_shift, row_row), (column_shift, column_column), fill)
    } else {
        oblique::resample(
            image,
            [row_shift, row_row, row_column],
            [column_shift, column_row, column_column],
            fill,
        )
    };
    FloatImage { height: image.height, width: image.width, values }
}

/// The value that lies `share` of the way from `first` to `second`.
#[inline]
fn blend(first: f32, second: f32, share: f32) -> f32 {
    first + (second - first) * share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

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

    /// Every pixel by itself, as the definition has it.
    fn pixel_by_pixel(image: &FloatImage, map: &Affine, fill: Fill) -> Vec<f32> {
        let ([row_shift, column_shift], matrix) =
            (map.shift_from_corner(image.height, image.width), map.matrix);
        let tap = |at, len| tap::tap(at, len, fill.mode);
        let pixel = |row: f64, column: f64| {
            let rows = tap(row_shift + row * matrix[0][0] + column * matrix[0][1], image.height);
            let columns = tap(column_shift + row * matrix[1][0] + column * matrix[1][1], image.width);
            let (Some(rows), Some(columns)) = (rows, columns) else { return [fill.value; 3] };
            let at = |row: usize, column: usize| image.pixels()[row * image.width + column];
            std::array::from_fn(|i| {
                let side = |column| blend(at(rows.low, column)[i], at(rows.high, column)[i], rows.share);
                blend(side(columns.low), side(columns.high), columns.share)
            })
        };
        let places = (0..image.height).flat_map(|row| (0..image.width).map(move |column| (row, column)));
        places.flat_map(|(row, column)| pixel(row as f64, column as f64)).collect()
    }

    #[test]
    fn the_fast_ways_give_what_every_pixel_by_itself_would() {
        let mut rng = Rng::new(7);
        for case in 0..400 {
            let (height, width) = (1 + rng.below(40), 1 + rng.below(40));
            let values = (0..height * width * 3).map(|_| (rng.below(256)) as f32).collect();
            let image = FloatImage::new(height, width, values).unwrap();
            let mut number = |reach: f64| (rng.uniform() * 2.0 - 1.0) * reach;
            let (sine, cosine) = number(3.2).sin_cos();
            let upright = case % 2 == 0;
            let slopes = if upright { [0.0, 0.0] } else { [-sine, sine] };
            let matrix = [[cosine + number(0.5), slopes[0]], [slopes[1], cosine + number(0.5)]];
            let map = Affine { matrix, shift: [number(9.0), number(9.0)] };
            for &mode in FillMode::ALL {
                let fill = Fill { mode, value: 7.0 };
                let (got, want) = (resample(&image, &map, fill).values, pixel_by_pixel(&image, &map, fill));
                let worst = got.iter().zip(&want).map(|(got, want)| (got - want).abs()).fold(0.0, f32::max);
                let most = if upright { 0.0 } else { 1e-4 };
                assert!(worst <= most, "case {case}, {height} x {width}, {mode}: {worst}");
            }
        }
    }
}
