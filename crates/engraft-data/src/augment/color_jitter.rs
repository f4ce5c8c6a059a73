//! Colour jitter: random brightness, contrast, saturation and hue, in random order.

use serde::{Deserialize, Serialize};

use super::{
    Augment, Draft, FloatImage, Setting,
    color::{adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation},
    draws::{around_zero, between},
};
use crate::rng::Rng;

/// `[brightness, contrast, saturation, hue]`: the first three `x` draw a factor from `max(0, 1 - x)..1 + x`, the hue `x` a
/// turn from `-x..x` of the colour circle.
///
/// Source: `torchvision.transforms.ColorJitter`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColorJitter(pub [f64; 4]);

impl Setting for ColorJitter {
    const EXPECTED: &str = "BRIGHTNESS:CONTRAST:SATURATION:HUE, the first three from 0 to 10, hue from 0 to 0.5";

    fn is_valid(&self) -> bool {
        let [strengths @ .., hue] = &self.0;
        strengths.iter().all(|strength| (0.0..=10.0).contains(strength)) && (0.0..=0.5).contains(hue)
    }
}

type Adjust = fn(&mut FloatImage, f32);

impl Augment for ColorJitter {
    fn apply(&self, draft: &mut Draft, rng: &mut Rng) {
        for (adjust, amount) in self.draw(rng) {
            adjust(draft.image(), amount);
        }
    }
}

impl ColorJitter {
    /// The four changes, each with its drawn amount, in drawn order.
    fn draw(&self, rng: &mut Rng) -> [(Adjust, f32); 4] {
        let [brightness, contrast, saturation, hue] = self.0;
        let mut factor = |reach: f64| between(rng, (1.0 - reach).max(0.0), 1.0 + reach) as f32;
        let mut changes: [(Adjust, f32); 4] = [
            (adjust_brightness, factor(brightness)),
            (adjust_contrast, factor(contrast)),
            (adjust_saturation, factor(saturation)),
            (adjust_hue, 0.0),
        ];
        changes[3].1 = around_zero(rng, hue) as f32;
        rng.shuffle(&mut changes);
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_to_their_ranges() {
        let mut rng = Rng::new(4);
        let amounts: Vec<f32> = (0..5000)
            .flat_map(|_| ColorJitter([0.4, 0.0, 0.0, 0.0]).draw(&mut rng).map(|(_, amount)| amount))
            .filter(|&amount| amount != 0.0 && amount != 1.0)
            .collect();
        let (low, high) = amounts.iter().fold((9.0f32, 0.0f32), |(l, h), &a| (l.min(a), h.max(a)));
        assert!((0.6..0.605).contains(&low) && (1.395..1.4).contains(&high), "{low} to {high}");
    }

    #[test]
    fn every_change_comes_first_sometimes() {
        let mut rng = Rng::new(5);
        let firsts: std::collections::BTreeSet<u32> = (0..200)
            .map(|_| ColorJitter([0.1, 1e-3, 1e-4, 0.0]).draw(&mut rng)[0].1)
            .map(|amount| if amount == 0.0 { 0 } else { ((amount - 1.0).abs().log10() as i32).unsigned_abs() })
            .collect();
        assert!(firsts.len() >= 4, "{firsts:?}");
    }
}
