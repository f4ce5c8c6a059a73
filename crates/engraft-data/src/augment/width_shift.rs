//! Shift along the width: Keras' `width_shift_range`.

use serde::{Deserialize, Serialize};

use super::{Affine, Augment, Draft, Setting, shift::ShiftRange};
use crate::rng::Rng;

/// Moves the image along its width by a random distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WidthShift(pub ShiftRange);

impl Setting for WidthShift {
    const EXPECTED: &str = ShiftRange::EXPECTED;

    fn is_valid(&self) -> bool {
        self.0.is_valid()
    }
}

impl Augment for WidthShift {
    fn apply(&self, draft: &mut Draft, rng: &mut Rng) {
        let distance_px = self.0.draw_px(draft.size().1, rng);
        draft.transform(shift_columns(distance_px));
    }
}

/// Each output pixel comes from `distance_px` columns further on.
pub fn shift_columns(distance_px: f64) -> Affine {
    Affine::shift(0.0, distance_px)
}
