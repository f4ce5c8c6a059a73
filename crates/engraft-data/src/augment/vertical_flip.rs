//! Mirroring upside down: Keras' `vertical_flip`.

use serde::{Deserialize, Serialize};

use super::{Affine, Augment, Draft, Setting, draws::Chance};
use crate::rng::Rng;

/// Mirrors the image upside down, with this probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerticalFlip(pub Chance);

impl Setting for VerticalFlip {
    const EXPECTED: &str = Chance::EXPECTED;

    fn is_valid(&self) -> bool {
        self.0.is_valid()
    }
}

impl Augment for VerticalFlip {
    fn apply(&self, draft: &mut Draft, rng: &mut Rng) {
        if rng.chance(self.0.0) {
            draft.transform(flip_rows());
        }
    }
}

/// The order of the rows is turned round; alone this is exact.
pub fn flip_rows() -> Affine {
    Affine::linear([[-1.0, 0.0], [0.0, 1.0]])
}
