//! RandAugment: a few random operations, all of one strength.

use serde::{Deserialize, Serialize};

use super::{
    Augment, Draft, Setting,
    policy::{PolicyOp, Strengths},
};
use crate::rng::Rng;

/// `[operations, magnitude]`: how many operations in a row, and how strong, from 0 to 30.
///
/// Source: E. Cubuk et al., "RandAugment" (2019), arXiv:1909.13719, with the operations and strengths of
/// `torchvision.transforms.RandAugment`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RandAugment(pub [u32; 2]);

/// The highest magnitude.
const MAX_MAGNITUDE: u32 = 30;

impl Setting for RandAugment {
    const EXPECTED: &str = "OPERATIONS:MAGNITUDE, 1 to 10 operations, magnitude from 0 to 30";

    fn is_valid(&self) -> bool {
        (1..=10).contains(&self.0[0]) && self.0[1] <= MAX_MAGNITUDE
    }
}

impl Augment for RandAugment {
    fn apply(&self, draft: &mut Draft, rng: &mut Rng) {
        let [operations, magnitude] = self.0;
        let magnitude = f64::from(magnitude) / f64::from(MAX_MAGNITUDE);
        let strengths = strengths(draft.size());
        for _ in 0..operations {
            PolicyOp::draw(magnitude, &strengths, rng).apply(draft);
        }
    }
}

fn strengths((height, width): (usize, usize)) -> Strengths {
    Strengths {
        shear: 0.3,
        translate_px: [height, width].map(|len| 150.0 / 331.0 * len as f64),
        rotate_deg: 30.0,
        factor: 0.9,
        posterize_bits: 4.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strengths_equal_torchvision() {
        crate::augment::policy::tests::assert_equals_torchvision("RandAugment", &strengths((100, 331)));
    }

    #[test]
    fn every_operation_is_drawn_at_its_strength() {
        let mut rng = Rng::new(8);
        let mut seen = Vec::new();
        for _ in 0..2000 {
            let op = PolicyOp::draw(0.5, &strengths((100, 331)), &mut rng);
            if !seen.contains(&op) {
                seen.push(op);
            }
        }
        // Nine with a sign, five without.
        assert_eq!(seen.len(), 9 * 2 + 5, "{seen:?}");
        for op in [
            PolicyOp::ShearX(-0.15),
            PolicyOp::TranslateX(75.0),
            PolicyOp::TranslateY(-22.0),
            PolicyOp::Rotate(15.0),
            PolicyOp::Brightness(1.45),
            PolicyOp::Contrast(0.55),
            PolicyOp::Posterize(6),
            PolicyOp::Solarize(127.5),
        ] {
            assert!(seen.contains(&op), "{op:?} is not among {seen:?}");
        }
    }
}
