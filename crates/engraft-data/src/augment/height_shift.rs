//! Shift along the height: Keras' `height_shift_range`.

use serde::{Deserialize, Serialize};

use super::{Affine, Augment, Draft, Setting, shift::ShiftRange};
use crate::rng::Rng;

/// Moves the image along its height by a random distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HeightShift(pub ShiftRange);

impl Setting for HeightShift {
    const EXPECTED: &str = ShiftRange::EXPECTED;

    fn is_valid(&self) -> bool {
        self.0.is_valid()
    }
}

impl Augment for HeightShift {
    fn apply(&self, draft: &mut Draft, rng: &mut Rng) {
        let distance_px = self.0.draw_px(draft.size().0, rng);
        draft.transform(shift_rows(distance_px));
    }
}

/// Each output pixel comes from `distance_px` rows further on.
pub fn shift_rows(distance_px: f64) -> Affine {
    Affine::shift(distance_px, 0.0)
}
