//! Mirroring left to right: Keras' `horizontal_flip`.

use serde::{Deserialize, Serialize};

use super::{Affine, Augment, Draft, Setting, draws::Chance};
use crate::rng::Rng;

/// Mirrors the image left to right, with this probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HorizontalFlip(pub Chance);

impl Setting for HorizontalFlip {
    const EXPECTED: &str = Chance::EXPECTED;

    fn is_valid(&self) -> bool {
        self.0.is_valid()
    }
}

impl Augment for HorizontalFlip {
    fn apply(&self, draft: &mut Draft, rng: &mut Rng) {
        if rng.chance(self.0.0) {
            draft.transform(flip_columns());
        }
    }
}

/// The order of the columns is turned round; alone this is exact.
pub fn flip_columns() -> Affine {
    Affine::linear([[1.0, 0.0], [0.0, -1.0]])
}
