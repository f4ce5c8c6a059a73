//! One random number added to every value: Keras' `channel_shift_range`.

use serde::{Deserialize, Serialize};

use super::{Augment, Draft, FloatImage, Setting, draws::around_zero};
use crate::rng::Rng;

/// Adds up to this much, or takes it away, from every value of the image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelShift(pub f64);

impl Setting for ChannelShift {
    const EXPECTED: &str = "a number from 0 to 255";

    fn is_valid(&self) -> bool {
        (0.0..=255.0).contains(&self.0)
    }
}

impl Augment for ChannelShift {
    fn apply(&self, draft: &mut Draft, rng: &mut Rng) {
        shift_channels(draft.image(), around_zero(rng, self.0) as f32);
    }
}

/// Adds `intensity` to every value and clips to the range that the image had.
///
/// Source: Keras' `apply_channel_shift`.
pub fn shift_channels(image: &mut FloatImage, intensity: f32) {
    let (low, high) = image.range();
    image.values.iter_mut().for_each(|value| *value = (*value + intensity).clamp(low, high));
}
