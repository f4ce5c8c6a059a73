//! RMSprop: how weights follow their gradient, divided by its running root mean square.
//!
//! Source: Keras `RMSprop`, whose roundings it keeps: products and sums are rounded one by one.

use crate::InstructionSet;
use crate::arch::{Isa, SimdOp};
use crate::vector_math::flush_subnormal;

/// `weights -= learning_rate * gradient / sqrt(mean square + epsilon)`
#[derive(Clone, Copy, Debug)]
pub struct RmsPropUpdate {
    /// Step length.
    pub learning_rate: f32,
    /// Share of a running mean that stays.
    pub kept: f32,
    /// Share that the gradient adds.
    pub added: f32,
    /// Share of the last update that goes into the next.
    pub momentum: f32,
    /// Added to the mean square.
    pub epsilon: f32,
}

/// What is kept of each weight, each as long as the weights.
#[derive(Debug)]
pub struct RmsPropSlots<'a> {
    /// The running mean of squares.
    pub velocity: &'a mut [f32],
    /// The running mean, whose square is taken off the mean of squares.
    pub average: Option<&'a mut [f32]>,
    /// The last update, where there is momentum.
    pub last: Option<&'a mut [f32]>,
}

impl RmsPropUpdate {
    /// Changes `weights` and `slots`.
    ///
    /// # Panics
    /// If lengths differ.
    pub fn run(self, isa: InstructionSet, weights: &mut [f32], gradient: &[f32], slots: RmsPropSlots) {
        let len = weights.len();
        let fits = |slot: &Option<&mut [f32]>| slot.as_ref().is_none_or(|slot| slot.len() == len);
        assert_eq!([gradient.len(), slots.velocity.len()], [len; 2], "gradient and velocity");
        assert!(fits(&slots.average) && fits(&slots.last), "average and last update");
        isa.run(Run { rule: self, weights, gradient, slots });
    }
}

struct Run<'a> {
    rule: RmsPropUpdate,
    weights: &'a mut [f32],
    gradient: &'a [f32],
    slots: RmsPropSlots<'a>,
}

/// Weights that go through every part of the rule before the next do: they stay in the first-level cache.
const BLOCK: usize = 512;

impl SimdOp for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let Run { rule, weights, gradient, slots: RmsPropSlots { velocity, mut average, mut last } } = self;
        let mut buffer = [0.0; BLOCK];
        for start in (0..weights.len()).step_by(BLOCK) {
            let range = start..(start + BLOCK).min(weights.len());
            let gradient = &gradient[range.clone()];
            let steps = &mut buffer[..gradient.len()];
            rule.mean_squares(gradient, &mut velocity[range.clone()], steps);
            if let Some(average) = &mut average {
                rule.centre(gradient, &mut average[range.clone()], steps);
            }
            for (step, gradient) in steps.iter_mut().zip(gradient) {
                *step = rule.learning_rate * gradient / (*step + rule.epsilon).sqrt();
            }
            if let Some(last) = &mut last {
                rule.carry_on(&mut last[range.clone()], steps);
            }
            weights[range].iter_mut().zip(&*steps).for_each(|(weight, step)| *weight -= step);
        }
    }
}

impl RmsPropUpdate {
    #[inline(always)]
    fn mean_squares(self, gradient: &[f32], velocity: &mut [f32], variance: &mut [f32]) {
        for ((velocity, gradient), variance) in velocity.iter_mut().zip(gradient).zip(variance) {
            *velocity = flush_subnormal(self.kept * *velocity + self.added * (gradient * gradient));
            *variance = *velocity;
        }
    }

    #[inline(always)]
    fn centre(self, gradient: &[f32], average: &mut [f32], variance: &mut [f32]) {
        for ((average, gradient), variance) in average.iter_mut().zip(gradient).zip(variance) {
            *average = flush_subnormal(self.kept * *average + self.added * gradient);
            *variance -= *average * *average;
        }
    }

    #[inline(always)]
    fn carry_on(self, last: &mut [f32], steps: &mut [f32]) {
        for (last, step) in last.iter_mut().zip(steps) {
            *last = flush_subnormal(self.momentum * *last + *step);
            *step = *last;
        }
    }
}

#[cfg(test)]
mod tests {
    use engraft_testing::noise;

    use super::*;

    #[test]
    fn every_instruction_set_rounds_as_the_formula() {
        let rule = RmsPropUpdate { learning_rate: 0.01, kept: 0.9, added: 0.1, momentum: 0.5, epsilon: 1e-7 };
        for (len, centred, carried) in [
            (0, false, false),
            (7, true, true),
            (39, false, true),
            (39, true, false),
            (1300, false, false),
            (1300, true, true),
        ] {
            let [start, gradient, last] = [1, 2, 3].map(|seed| noise(seed, len));
            // A variance is never negative.
            let average: Vec<f32> = gradient.iter().map(|x| x / 4.0).collect();
            let velocity: Vec<f32> = gradient.iter().map(|x| x * x + 0.1).collect();
            let mut want = [start.clone(), velocity.clone(), average.clone(), last.clone()];
            for i in 0..len {
                let g = gradient[i];
                want[1][i] = 0.9 * velocity[i] + 0.1 * (g * g);
                want[2][i] = 0.9 * average[i] + 0.1 * g;
                let variance = want[1][i] - if centred { want[2][i] * want[2][i] } else { 0.0 };
                let step = 0.01 * g / (variance + 1e-7).sqrt();
                want[3][i] = 0.5 * last[i] + step;
                want[0][i] -= if carried { want[3][i] } else { step };
            }
            for isa in InstructionSet::available() {
                let mut found = [start.clone(), velocity.clone(), average.clone(), last.clone()];
                let [weights, velocity, average, last] = &mut found;
                let slots = RmsPropSlots {
                    velocity,
                    average: centred.then_some(average.as_mut_slice()),
                    last: carried.then_some(last.as_mut_slice()),
                };
                rule.run(isa, weights, &gradient, slots);
                let used = [true, true, centred, carried];
                for ((found, want), _) in found.iter().zip(&want).zip(used).filter(|(_, used)| *used) {
                    assert!(found == want, "{} {len} {centred} {carried}", isa.name());
                }
            }
        }
    }
}
