//! MixUp: every image is blended with another one, and so are their labels.

use serde::{Deserialize, Serialize};

use super::{FloatImage, Setting, SoftBatch, beta::beta};
use crate::rng::Rng;

/// Blends in shares drawn from Beta(a, a) for this `a`.
///
/// Source: H. Zhang et al., "mixup: Beyond Empirical Risk Minimization" (2017), arXiv:1710.09412.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mixup(pub f64);

impl Setting for Mixup {
    const EXPECTED: &str = "a number above 0 and up to 100";

    fn is_valid(&self) -> bool {
        self.0 > 0.0 && self.0 <= 100.0
    }
}

impl Mixup {
    /// Draws one share and mixes the whole batch by it.
    pub fn apply(&self, batch: &mut SoftBatch, rng: &mut Rng) {
        mixup(batch, beta(self.0, rng) as f32);
    }
}

/// Each image keeps `share` of itself and gets the rest from the one before it.
///
/// Source: `torchvision.transforms.v2.MixUp`.
pub fn mixup(batch: &mut SoftBatch, share: f32) {
    batch.mix(share, |image: &mut FloatImage, other| {
        for (value, other) in image.values.iter_mut().zip(&other.values) {
            *value = share * *value + (1.0 - share) * other;
        }
    });
}
