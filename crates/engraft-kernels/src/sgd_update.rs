//! Stochastic gradient descent: how weights follow their gradient.
//!
//! Source: Keras `SGD`, whose roundings it keeps: products and sums are rounded one by one.

use crate::InstructionSet;
use crate::arch::{Isa, SimdOp};
use crate::vector_math::flush_subnormal;

/// `velocity = velocity * momentum - gradient * learning_rate`, which is added to the weights.
#[derive(Clone, Copy, Debug)]
pub struct SgdUpdate {
    /// Step length.
    pub learning_rate: f32,
    /// Share of the last update that goes into the next.
    pub momentum: f32,
    /// Whether the momentum's next step is taken ahead.
    pub nesterov: bool,
}

impl SgdUpdate {
    /// Changes `weights`; without a velocity there is no momentum.
    ///
    /// # Panics
    /// If lengths differ.
    pub fn run(
        self,
        isa: InstructionSet,
        weights: &mut [f32],
        gradient: &[f32],
        velocity: Option<&mut [f32]>,
    ) {
        assert_eq!(weights.len(), gradient.len(), "gradient");
        assert!(velocity.as_ref().is_none_or(|velocity| velocity.len() == weights.len()), "velocity");
        isa.run(Run { rule: self, weights, gradient, velocity });
    }
}

struct Run<'a> {
    rule: SgdUpdate,
    weights: &'a mut [f32],
    gradient: &'a [f32],
    velocity: Option<&'a mut [f32]>,
}

impl SimdOp for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let SgdUpdate { learning_rate: rate, momentum, nesterov } = self.rule;
        let pairs = self.weights.iter_mut().zip(self.gradient);
        let Some(velocity) = self.velocity else {
            return pairs.for_each(|(weight, gradient)| *weight -= gradient * rate);
        };
        if nesterov {
            for ((weight, gradient), velocity) in pairs.zip(velocity) {
                *velocity = flush_subnormal(*velocity * momentum - gradient * rate);
                *weight += *velocity * momentum - gradient * rate;
            }
        } else {
            for ((weight, gradient), velocity) in pairs.zip(velocity) {
                *velocity = flush_subnormal(*velocity * momentum - gradient * rate);
                *weight += *velocity;
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
        for (len, nesterov) in [(0, false), (1, true), (39, false), (39, true), (1000, true)] {
            let (rate, momentum) = (0.03, 0.9);
            let [weights, gradient, velocity] = [1, 2, 3].map(|seed| noise(seed, len));
            let next: Vec<f32> = (0..len).map(|i| velocity[i] * momentum - gradient[i] * rate).collect();
            let step = |i: usize| {
                if nesterov { next[i] * momentum - gradient[i] * rate } else { next[i] }
            };
            let want: Vec<f32> = (0..len).map(|i| weights[i] + step(i)).collect();
            let plain: Vec<f32> = (0..len).map(|i| weights[i] - gradient[i] * rate).collect();
            for isa in InstructionSet::available() {
                let rule = SgdUpdate { learning_rate: rate, momentum, nesterov };
                let (mut found, mut kept) = (weights.clone(), velocity.clone());
                rule.run(isa, &mut found, &gradient, Some(&mut kept));
                assert!(found == want && kept == next, "{} {len}", isa.name());
                let mut found = weights.clone();
                rule.run(isa, &mut found, &gradient, None);
                assert!(found == plain, "{} {len} without momentum", isa.name());
            }
        }
    }
}
