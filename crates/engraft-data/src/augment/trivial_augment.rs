//! TrivialAugment: one random operation of random strength, with nothing to tune.

use serde::{Deserialize, Serialize};

use super::{
    Augment, Draft, Setting,
    policy::{PolicyOp, Strengths},
};
use crate::rng::Rng;

/// Whether one operation is applied to every image.
///
/// Source: S. Müller and F. Hutter, "TrivialAugment" (2021), arXiv:2103.10158, with the wide strengths of
/// `torchvision.transforms.TrivialAugmentWide`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrivialAugment(pub bool);

/// Number of magnitudes, the lowest of which changes nothing.
const MAGNITUDES: usize = 31;

const STRENGTHS: Strengths = Strengths {
    shear: 0.99,
    translate_px: [32.0, 32.0],
    rotate_deg: 135.0,
    factor: 0.99,
    posterize_bits: 6.0,
};

impl Setting for TrivialAugment {
    const EXPECTED: &str = "true or false";

    fn is_valid(&self) -> bool {
        true
    }
}

impl Augment for TrivialAugment {
    fn apply(&self, draft: &mut Draft, rng: &mut Rng) {
        if self.0 {
            draw(rng).apply(draft);
        }
    }
}

fn draw(rng: &mut Rng) -> PolicyOp {
    let magnitude = rng.below(MAGNITUDES) as f64 / (MAGNITUDES - 1) as f64;
    PolicyOp::draw(magnitude, &STRENGTHS, rng)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strengths_equal_torchvision() {
        crate::augment::policy::tests::assert_equals_torchvision("TrivialAugmentWide", &STRENGTHS);
    }

    #[test]
    fn strengths_fill_their_ranges() {
        let mut rng = Rng::new(9);
        let ops: Vec<PolicyOp> = (0..30_000).map(|_| draw(&mut rng)).collect();
        let drawn = |pick: fn(&PolicyOp) -> Option<f64>| {
            let values: Vec<f64> = ops.iter().filter_map(pick).collect();
            values.iter().fold((f64::MAX, f64::MIN), |(low, high), &v| (low.min(v), high.max(v)))
        };
        type Pick = fn(&PolicyOp) -> Option<f64>;
        let rows: [(&str, Pick, (f64, f64)); 5] = [
            ("shear", |op| if let PolicyOp::ShearY(v) = op { Some(*v) } else { None }, (-0.99, 0.99)),
            ("translate", |op| if let PolicyOp::TranslateX(v) = op { Some(*v) } else { None }, (-32.0, 32.0)),
            ("rotate", |op| if let PolicyOp::Rotate(v) = op { Some(*v) } else { None }, (-135.0, 135.0)),
            ("posterize", |op| if let PolicyOp::Posterize(v) = op { Some(f64::from(*v)) } else { None }, (2.0, 8.0)),
            ("solarize", |op| if let PolicyOp::Solarize(v) = op { Some(f64::from(*v)) } else { None }, (0.0, 255.0)),
        ];
        for (name, pick, want) in rows {
            assert_eq!(drawn(pick), want, "{name}");
        }
    }
}
