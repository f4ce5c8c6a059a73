//! Random resized crop: a random part of the image, brought back to its size.

use serde::{Deserialize, Serialize};

use super::{
    Affine, Augment, Draft, Setting,
    draws::{between, is_range},
};
use crate::rng::Rng;

/// Shows a random part of the image at its full size: `[smallest, largest]` share of its area, 3:4 to 4:3 of its shape.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crop(pub [f64; 2]);

/// A rectangle of an image, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CropBox {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows, at least 1.
    pub height: usize,
    /// Columns, at least 1.
    pub width: usize,
}

/// Width over height of the part, both ends as likely as their inverse.
const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

impl Setting for Crop {
    const EXPECTED: &str = "two shares of the area SMALLEST:LARGEST, above 0 and up to 1";

    fn is_valid(&self) -> bool {
        is_range(self.0, f64::MIN_POSITIVE) && self.0[1] <= 1.0
    }
}

impl Augment for Crop {
    fn apply(&self, draft: &mut Draft, rng: &mut Rng) {
        let (height, width) = draft.size();
        let part = draw_box(self.0, RATIO, (height, width), rng).unwrap_or(CropBox { top: 0, left: 0, height, width });
        draft.transform(resized_crop(part, (height, width)));
    }
}

/// A box of a random share of the area and a random shape, anywhere within the image; `None` after ten that do not fit.
///
/// Source: `torchvision.transforms.RandomResizedCrop.get_params`, which `RandomErasing` resembles.
pub(super) fn draw_box(
    share: [f64; 2],
    ratio: [f64; 2],
    (height, width): (usize, usize),
    rng: &mut Rng,
) -> Option<CropBox> {
    (0..10).find_map(|_| {
        let area = (height * width) as f64 * between(rng, share[0], share[1]);
        let ratio = between(rng, ratio[0].ln(), ratio[1].ln()).exp();
        let (box_width, box_height) = ((area * ratio).sqrt().round(), (area / ratio).sqrt().round());
        let fits = (1.0..=width as f64).contains(&box_width) && (1.0..=height as f64).contains(&box_height);
        fits.then(|| {
            let (box_height, box_width) = (box_height as usize, box_width as usize);
            let (top, left) = (rng.below(height - box_height + 1), rng.below(width - box_width + 1));
            CropBox { top, left, height: box_height, width: box_width }
        })
    })
}

/// The part of an image of `(height, width)` that `part` cuts out, stretched to the size of the whole.
///
/// Source: `torchvision.transforms.functional.resized_crop`, bilinear. That repeats the pixels at the border of the part,
/// where this goes on in the image.
pub fn resized_crop(part: CropBox, (height, width): (usize, usize)) -> Affine {
    let axis = |start: usize, part_len: usize, len: usize| {
        (part_len as f64 / len as f64, start as f64 + part_len as f64 / 2.0 - len as f64 / 2.0)
    };
    let (rows, row_shift) = axis(part.top, part.height, height);
    let (columns, column_shift) = axis(part.left, part.width, width);
    Affine { matrix: [[rows, 0.0], [0.0, columns]], shift: [row_shift, column_shift] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_to_their_shares_shapes_and_the_image() {
        let mut rng = Rng::new(3);
        let (height, width) = (60, 90);
        let mut shares = Vec::new();
        for _ in 0..5000 {
            let part = draw_box([0.1, 0.5], RATIO, (height, width), &mut rng).unwrap();
            assert!(part.top + part.height <= height && part.left + part.width <= width, "{part:?}");
            let ratio = part.width as f64 / part.height as f64;
            assert!((0.71..1.4).contains(&ratio), "{part:?}");
            shares.push((part.width * part.height) as f64 / (height * width) as f64);
        }
        let (low, high) = shares.iter().fold((1.0f64, 0.0f64), |(l, h), &s| (l.min(s), h.max(s)));
        assert!((0.09..0.11).contains(&low) && (0.49..0.51).contains(&high), "{low} to {high}");
        assert_eq!(draw_box([1.0, 1.0], RATIO, (1, 1000), &mut rng), None);
    }

    #[test]
    fn the_whole_image_stays_as_it_is() {
        let whole = CropBox { top: 0, left: 0, height: 5, width: 8 };
        assert_eq!(resized_crop(whole, (5, 8)), Affine::IDENTITY);
    }
}
