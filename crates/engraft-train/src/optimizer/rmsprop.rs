//! RMSprop: gradients divided by a running root mean square.

use engraft_kernels::{InstructionSet, RmsPropSlots, RmsPropUpdate};
use serde::{Deserialize, Serialize};

use super::{Step, UpdateRule};
use crate::setting::{SettingError, require};

/// Settings of RMSprop, as `keras.optimizers.RMSprop`.
///
/// Source: G. Hinton, "Neural networks for machine learning", lecture 6e (2012).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RmsProp {
    /// Share of the running mean that stays at each update, in 0..1.
    pub rho: f64,
    /// Share of the last update that goes into the next, in 0..=1.
    pub momentum: f64,
    /// Added to the mean square before the root is taken; positive.
    pub epsilon: f64,
    /// Whether gradients are divided by their standard deviation instead.
    pub centered: bool,
    /// Fraction of a parameter lost per update and unit of learning rate.
    pub weight_decay: f64,
}

impl Default for RmsProp {
    fn default() -> RmsProp {
        RmsProp { rho: 0.9, momentum: 0.0, epsilon: 1e-7, centered: false, weight_decay: 0.0 }
    }
}

impl UpdateRule for RmsProp {
    fn slots(&self) -> &'static [&'static str] {
        match (self.centered, self.momentum > 0.0) {
            (false, false) => &["velocity"],
            (false, true) => &["velocity", "momentum"],
            (true, false) => &["velocity", "average_gradient"],
            (true, true) => &["velocity", "average_gradient", "momentum"],
        }
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn check(&self) -> Result<(), SettingError> {
        let momentum_fits = (0.0..=1.0).contains(&self.momentum);
        require(momentum_fits, "momentum", self.momentum, "a number from 0 to 1")?;
        require((0.0..1.0).contains(&self.rho), "rho", self.rho, "a number from 0 to below 1")?;
        let epsilon_fits = self.epsilon > 0.0 && self.epsilon.is_finite();
        require(epsilon_fits, "epsilon", self.epsilon, "a positive number")
    }

    fn update(
        &self,
        isa: InstructionSet,
        step: Step,
        parameter: &mut [f32],
        gradient: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let rule = RmsPropUpdate {
            learning_rate: step.learning_rate,
            kept: self.rho as f32,
            added: (1.0 - self.rho) as f32,
            momentum: self.momentum as f32,
            epsilon: self.epsilon as f32,
        };
        let [velocity, others @ ..] = slots else { return };
        let mut others = others.iter_mut().map(|slot| &mut **slot);
        let average = if self.centered { others.next() } else { None };
        rule.run(isa, parameter, gradient, RmsPropSlots { velocity, average, last: others.next() });
    }
}
