//! Random erasing: a black box hides a part of the image.

use serde::{Deserialize, Serialize};

use super::{
    Augment, Draft, FloatImage, Setting,
    crop::{CropBox, draw_box},
    draws::Chance,
};
use crate::rng::Rng;

/// Blackens a random box, with this probability: 2 to 33 % of the area, its shape from 3:10 to 10:3.
///
/// Source: Z. Zhong et al., "Random Erasing Data Augmentation" (2017), arXiv:1708.04896, with the defaults of
/// `torchvision.transforms.RandomErasing`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Erasing(pub Chance);

const SHARE: [f64; 2] = [0.02, 0.33];
const RATIO: [f64; 2] = [0.3, 3.3];

impl Setting for Erasing {
    const EXPECTED: &str = Chance::EXPECTED;

    fn is_valid(&self) -> bool {
        self.0.is_valid()
    }
}

impl Augment for Erasing {
    fn apply(&self, draft: &mut Draft, rng: &mut Rng) {
        if rng.chance(self.0.0)
            && let Some(part) = draw_box(SHARE, RATIO, draft.size(), rng)
        {
            erase(draft.image(), part, 0.0);
        }
    }
}

/// Puts `value` into every channel of the pixels of `part`.
///
/// Source: `torchvision.transforms.functional.erase`.
///
/// # Panics
/// If `part` does not lie within the image.
pub fn erase(image: &mut FloatImage, part: CropBox, value: f32) {
    let width = image.width;
    for row in image.pixels_mut().chunks_exact_mut(width).skip(part.top).take(part.height) {
        row[part.left..part.left + part.width].fill([value; 3]);
    }
}
