//! Weight decay: every weight loses a fraction of itself.
//!
//! Source: Keras optimizers' `weight_decay`.

use crate::InstructionSet;
use crate::arch::{Isa, SimdOp};

/// `weights -= weights * fraction * learning_rate`, rounded after each product.
pub fn decay_weights(isa: InstructionSet, fraction: f32, learning_rate: f32, weights: &mut [f32]) {
    isa.run(Decay { fraction, learning_rate, weights });
}

struct Decay<'a> {
    fraction: f32,
    learning_rate: f32,
    weights: &'a mut [f32],
}

impl SimdOp for Decay<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        for weight in self.weights {
            *weight -= *weight * self.fraction * self.learning_rate;
        }
    }
}

#[cfg(test)]
mod tests {
    use engraft_testing::noise;

    use super::*;

    #[test]
    fn every_instruction_set_rounds_as_the_formula() {
        let weights = noise(1, 71);
        let want: Vec<f32> = weights.iter().map(|x| x - x * 0.004 * 0.03).collect();
        for isa in InstructionSet::available() {
            let mut found = weights.clone();
            decay_weights(isa, 0.004, 0.03, &mut found);
            assert!(found == want, "{}", isa.name());
        }
    }
}
