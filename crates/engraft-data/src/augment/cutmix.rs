//! CutMix: a box of every image is replaced by that of another one, and the labels are blended by area.

use serde::{Deserialize, Serialize};

use super::{CropBox, Setting, SoftBatch, beta::beta};
use crate::rng::Rng;

/// Cuts boxes whose share of the area is drawn from Beta(a, a) for this `a`.
///
/// Source: S. Yun et al., "CutMix" (2019), arXiv:1905.04899.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cutmix(pub f64);

impl Setting for Cutmix {
    const EXPECTED: &str = "a number above 0 and up to 100";

    fn is_valid(&self) -> bool {
        self.0 > 0.0 && self.0 <= 100.0
    }
}

impl Cutmix {
    /// Draws one box and cuts it out of the whole batch.
    pub fn apply(&self, batch: &mut SoftBatch, rng: &mut Rng) {
        if let Some((height, width)) = batch.size() {
            let share = beta(self.0, rng);
            let centre = (rng.below(height), rng.below(width));
            cutmix(batch, box_around(centre, share, (height, width)));
        }
    }
}

/// A box with `1 - kept` of the area of an image of `(height, width)`, less what lies outside of it.
///
/// Source: `torchvision.transforms.v2.CutMix`.
pub fn box_around(centre: (usize, usize), kept: f64, (height, width): (usize, usize)) -> CropBox {
    let half = 0.5 * (1.0 - kept).sqrt();
    let axis = |centre: usize, len: usize| {
        let reach = (half * len as f64) as usize;
        let start = centre.saturating_sub(reach);
        (start, (centre + reach).min(len) - start)
    };
    let ((top, height), (left, width)) = (axis(centre.0, height), axis(centre.1, width));
    CropBox { top, left, height, width }
}

/// Each image gets the pixels of `part` from the one before it, and that share of its label.
///
/// Source: `torchvision.transforms.v2.CutMix`.
///
/// # Panics
/// If `part` does not lie within the images.
pub fn cutmix(batch: &mut SoftBatch, part: CropBox) {
    let Some((height, width)) = batch.size() else { return };
    let kept = 1.0 - (part.height * part.width) as f64 / (height * width) as f64;
    batch.mix(kept as f32, |image, other| {
        for row in part.top..part.top + part.height {
            let places = row * width + part.left..row * width + part.left + part.width;
            image.pixels_mut()[places.clone()].copy_from_slice(&other.pixels()[places]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::FloatImage;

    #[test]
    fn boxes_stay_within_the_image_and_labels_sum_to_one() {
        let mut rng = Rng::new(11);
        let black = FloatImage::new(7, 9, vec![0.0; 189]).unwrap();
        let white = FloatImage::new(7, 9, vec![255.0; 189]).unwrap();
        for round in 0..500 {
            let images = vec![black.clone(), white.clone()];
            let mut batch = SoftBatch::new(images, vec![vec![1.0, 0.0], vec![0.0, 1.0]]).unwrap();
            Cutmix(1.0).apply(&mut batch, &mut rng);
            let white_share = batch.images()[0].values.iter().sum::<f32>() / (255.0 * 189.0);
            let label = &batch.labels()[0];
            assert!((label[1] - white_share).abs() < 1e-4 && (label[0] + label[1] - 1.0).abs() < 1e-6, "round {round}");
        }
    }
}
