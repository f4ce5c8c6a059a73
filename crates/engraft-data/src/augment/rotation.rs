//! Rotation by a random angle: Keras' `rotation_range`.

use serde::{Deserialize, Serialize};

use super::{Affine, Augment, Draft, Setting, draws::around_zero};
use crate::rng::Rng;

/// Turns the image by up to this many degrees either way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rotation(pub f64);

impl Setting for Rotation {
    const EXPECTED: &str = "degrees from 0 to 180";

    fn is_valid(&self) -> bool {
        (0.0..=180.0).contains(&self.0)
    }
}

impl Augment for Rotation {
    fn apply(&self, draft: &mut Draft, rng: &mut Rng) {
        draft.transform(rotate(around_zero(rng, self.0)));
    }
}

/// A turn about the centre, positive counter-clockwise as seen on the screen.
///
/// Source: `theta` of Keras' `apply_affine_transform`.
pub fn rotate(angle_deg: f64) -> Affine {
    let (sin, cos) = angle_deg.to_radians().sin_cos();
    Affine::linear([[cos, sin], [-sin, cos]])
}
