//! Shear by a random angle: Keras' `shear_range`.

use serde::{Deserialize, Serialize};

use super::{Affine, Augment, Draft, Setting, draws::around_zero};
use crate::rng::Rng;

/// Slants the image by up to this many degrees either way.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shear(pub f64);

impl Setting for Shear {
    // At 90 degrees a single row is stretched over the whole image.
    const EXPECTED: &str = "degrees from 0 to 89";

    fn is_valid(&self) -> bool {
        (0.0..=89.0).contains(&self.0)
    }
}

impl Augment for Shear {
    fn apply(&self, draft: &mut Draft, rng: &mut Rng) {
        draft.transform(shear(around_zero(rng, self.0)));
    }
}

/// The columns lean by an angle and the rows are squeezed by its cosine.
///
/// Source: `shear` of Keras' `apply_affine_transform`.
pub fn shear(angle_deg: f64) -> Affine {
    let (sin, cos) = angle_deg.to_radians().sin_cos();
    Affine::linear([[cos, 0.0], [-sin, 1.0]])
}
