//! Taking the colour away.

use serde::{Deserialize, Serialize};

use super::{
    Augment, Draft, FloatImage, Setting,
    color::luma,
    draws::Chance,
};
use crate::rng::Rng;

/// Makes the image grey, with this probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Greyscale(pub Chance);

impl Setting for Greyscale {
    const EXPECTED: &str = Chance::EXPECTED;

    fn is_valid(&self) -> bool {
        self.0.is_valid()
    }
}

impl Augment for Greyscale {
    fn apply(&self, draft: &mut Draft, rng: &mut Rng) {
        if rng.chance(self.0.0) {
            to_greyscale(draft.image());
        }
    }
}

/// Replaces each pixel by its luma in all three channels.
///
/// Source: `torchvision.transforms.functional.rgb_to_grayscale`.
pub fn to_greyscale(image: &mut FloatImage) {
    image.pixels_mut().iter_mut().for_each(|pixel| *pixel = [luma(*pixel); 3]);
}
