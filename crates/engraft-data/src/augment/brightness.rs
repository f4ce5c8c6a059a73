//! A random factor of brightness: Keras' `brightness_range`.

use serde::{Deserialize, Serialize};

use super::{
    Augment, Draft, FloatImage, Setting,
    draws::{between, is_range},
    float_image::scaled_whole_level,
};
use crate::rng::Rng;

/// Multiplies every value by a random factor, `[lowest, highest]`, in 8 bits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Brightness(pub [f64; 2]);

impl Setting for Brightness {
    const EXPECTED: &str = "two factors LOWEST:HIGHEST from 0 to 100";

    fn is_valid(&self) -> bool {
        is_range(self.0, 0.0) && self.0[1] <= 100.0
    }
}

impl Augment for Brightness {
    fn apply(&self, draft: &mut Draft, rng: &mut Rng) {
        scale_bytes(draft.image(), between(rng, self.0[0], self.0[1]) as f32);
    }
}

/// Multiplies by `factor` in 8 bits: values are cut to whole numbers before and after.
///
/// Source: Keras' `apply_brightness_shift`, which goes through Pillow's `ImageEnhance.Brightness`.
pub fn scale_bytes(image: &mut FloatImage, factor: f32) {
    for value in &mut image.values {
        *value = scaled_whole_level(*value, factor);
    }
}
