//! Gaussian blur of a random strength.

use serde::{Deserialize, Serialize};

use super::{
    Augment, Draft, FloatImage, Setting,
    draws::{between, is_range},
};
use crate::rng::Rng;

/// Blurs by a Gaussian whose standard deviation, in pixels, is drawn from `[smallest, largest]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blur(pub [f64; 2]);

impl Setting for Blur {
    const EXPECTED: &str = "two standard deviations SMALLEST:LARGEST in pixels, from 0.01 to 50";

    fn is_valid(&self) -> bool {
        is_range(self.0, 0.01) && self.0[1] <= 50.0
    }
}

impl Augment for Blur {
    fn apply(&self, draft: &mut Draft, rng: &mut Rng) {
        gaussian_blur(draft.image(), between(rng, self.0[0], self.0[1]));
    }
}

/// Blurs by a Gaussian of `sigma_px`, cut off at three standard deviations; the image is mirrored at its border pixels.
///
/// Source: `torchvision.transforms.functional.gaussian_blur` with a kernel of `2 * ceil(3 * sigma) + 1` pixels.
pub fn gaussian_blur(image: &mut FloatImage, sigma_px: f64) {
    let kernel = gaussian(sigma_px);
    let (height, width) = (image.height, image.width);
    let rows = smooth(image.pixels(), (height, width), &kernel, Axis::Columns);
    let both = smooth(&rows, (height, width), &kernel, Axis::Rows);
    image.pixels_mut().copy_from_slice(&both);
}

/// An odd number of weights that sum to 1.
fn gaussian(sigma_px: f64) -> Vec<f32> {
    let reach = (3.0 * sigma_px).ceil() as i32;
    let density: Vec<f64> =
        (-reach..=reach).map(|x| (-0.5 * (f64::from(x) / sigma_px).powi(2)).exp()).collect();
    let sum: f64 = density.iter().sum();
    density.iter().map(|weight| (weight / sum) as f32).collect()
}

#[derive(Clone, Copy)]
enum Axis {
    Rows,
    Columns,
}

fn smooth(pixels: &[[f32; 3]], (height, width): (usize, usize), kernel: &[f32], axis: Axis) -> Vec<[f32; 3]> {
    let len = match axis {
        Axis::Rows => height,
        Axis::Columns => width,
    };
    let taps = mirrored_taps(len, kernel.len());
    let mut out = Vec::with_capacity(pixels.len());
    for row in 0..height {
        for column in 0..width {
            let taps = match axis {
                Axis::Rows => &taps[row],
                Axis::Columns => &taps[column],
            };
            let mut sum = [0.0; 3];
            for (&tap, &weight) in taps.iter().zip(kernel) {
                let pixel = match axis {
                    Axis::Rows => &pixels[tap * width + column],
                    Axis::Columns => &pixels[row * width + tap],
                };
                (0..3).for_each(|i| sum[i] += weight * pixel[i]);
            }
            out.push(sum);
        }
    }
    out
}

/// For each place on an axis the places under the kernel; beyond an end they go back, the end itself seen once.
fn mirrored_taps(len: usize, kernel_len: usize) -> Vec<Vec<usize>> {
    let (reach, period) = ((kernel_len / 2) as i64, (2 * (len as i64 - 1)).max(1));
    let mirrored = |at: i64| {
        let along = at.rem_euclid(period);
        along.min(period - along).min(len as i64 - 1) as usize
    };
    (0..len as i64).map(|centre| (centre - reach..=centre + reach).map(mirrored).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_ends_the_image_goes_back() {
        assert_eq!(mirrored_taps(4, 5)[0], [2, 1, 0, 1, 2]);
        assert_eq!(mirrored_taps(4, 5)[3], [1, 2, 3, 2, 1]);
        assert_eq!(mirrored_taps(2, 7)[0], [1, 0, 1, 0, 1, 0, 1]);
        assert_eq!(mirrored_taps(1, 3)[0], [0, 0, 0]);
    }

    #[test]
    fn an_even_image_stays_even() {
        let mut image = FloatImage::new(3, 5, vec![80.0; 45]).unwrap();
        gaussian_blur(&mut image, 4.0);
        assert!(image.values.iter().all(|value| (value - 80.0).abs() < 1e-3));
    }
}
