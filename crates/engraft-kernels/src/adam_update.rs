//! Adam: how weights follow the running moments of their gradient.
//!
//! Source: Keras `Adam`, whose roundings it keeps: products and sums are rounded one by one.

use crate::InstructionSet;
use crate::arch::{Isa, SimdOp};
use crate::vector_math::flush_subnormal;

/// `weights -= first * corrected_rate / (sqrt(second) + epsilon)`
#[derive(Clone, Copy, Debug)]
pub struct AdamUpdate {
    /// The learning rate with the bias of both moments corrected.
    pub corrected_rate: f32,
    /// Share of the gradient in the first moment.
    pub first_added: f32,
    /// Share of its square in the second.
    pub second_added: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
}

/// What is kept of each weight, each as long as the weights.
#[derive(Debug)]
pub struct AdamSlots<'a> {
    /// The running mean.
    pub first: &'a mut [f32],
    /// The running mean of squares.
    pub second: &'a mut [f32],
    /// The largest second moment so far, where that one counts.
    pub largest: Option<&'a mut [f32]>,
}

impl AdamUpdate {
    /// Changes `weights` and `slots`.
    ///
    /// # Panics
    /// If lengths differ.
    pub fn run(self, isa: InstructionSet, weights: &mut [f32], gradient: &[f32], slots: AdamSlots) {
        let lens = [gradient.len(), slots.first.len(), slots.second.len()];
        assert_eq!(lens, [weights.len(); 3], "gradient and moments");
        assert!(slots.largest.as_ref().is_none_or(|largest| largest.len() == weights.len()), "largest");
        isa.run(Run { rule: self, weights, gradient, slots });
    }

    #[inline(always)]
    fn moments(self, gradient: f32, first: &mut f32, second: &mut f32) -> (f32, f32) {
        *first = flush_subnormal(*first + (gradient - *first) * self.first_added);
        *second = flush_subnormal(*second + (gradient * gradient - *second) * self.second_added);
        (*first, *second)
    }

    #[inline(always)]
    fn step(self, first: f32, second: f32) -> f32 {
        first * self.corrected_rate / (second.sqrt() + self.epsilon)
    }
}

struct Run<'a> {
    rule: AdamUpdate,
    weights: &'a mut [f32],
    gradient: &'a [f32],
    slots: AdamSlots<'a>,
}

impl SimdOp for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let Run { rule, weights, gradient, slots: AdamSlots { first, second, largest } } = self;
        let elements = weights.iter_mut().zip(gradient).zip(first.iter_mut().zip(second));
        if let Some(largest) = largest {
            for (((weight, &gradient), (first, second)), largest) in elements.zip(largest) {
                let (first, second) = rule.moments(gradient, first, second);
                *largest = largest.max(second);
                *weight -= rule.step(first, *largest);
            }
        } else {
            for ((weight, &gradient), (first, second)) in elements {
                let (first, second) = rule.moments(gradient, first, second);
                *weight -= rule.step(first, second);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use engraft_testing::noise;

    use super::*;

    #[test]
    fn every_instruction_set_rounds_as_the_formula() {
        let rule = AdamUpdate { corrected_rate: 0.02, first_added: 0.1, second_added: 0.001, epsilon: 1e-7 };
        for (len, amsgrad) in [(0, false), (5, true), (39, false), (39, true), (1000, false)] {
            let [start, gradient, first] = [1, 2, 3].map(|seed| noise(seed, len));
            let [second, largest] = [4, 5].map(|seed| noise(seed, len).iter().map(|x| x * x).collect());
            let begin: [Vec<f32>; 4] = [start, first, second, largest];
            let mut want = begin.clone();
            for i in 0..len {
                let g = gradient[i];
                want[1][i] = begin[1][i] + (g - begin[1][i]) * 0.1;
                want[2][i] = begin[2][i] + (g * g - begin[2][i]) * 0.001;
                if amsgrad && want[2][i] > want[3][i] {
                    want[3][i] = want[2][i];
                }
                let second = if amsgrad { want[3][i] } else { want[2][i] };
                want[0][i] -= want[1][i] * 0.02 / (second.sqrt() + 1e-7);
            }
            for isa in InstructionSet::available() {
                let mut found = begin.clone();
                let [weights, first, second, largest] = &mut found;
                let largest = amsgrad.then_some(largest.as_mut_slice());
                rule.run(isa, weights, &gradient, AdamSlots { first, second, largest });
                assert!(found == want, "{} {len} {amsgrad}", isa.name());
            }
        }
    }
}
