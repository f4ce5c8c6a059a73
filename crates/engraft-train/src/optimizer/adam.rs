//! Adam: running moments of the gradients.

use engraft_kernels::{AdamSlots, AdamUpdate, InstructionSet};
use serde::{Deserialize, Serialize};

use super::{Step, UpdateRule};
use crate::setting::{SettingError, require};

/// Settings of Adam, as `keras.optimizers.Adam`: epsilon is the paper's "epsilon hat", added to the root of the second moment
/// before its bias is corrected.
///
/// Source: D. Kingma and J. Ba, "Adam: a method for stochastic optimization" (2015), the form before section 2.1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    /// Share of the first moment that stays at each update, in 0..1.
    pub beta_1: f64,
    /// Share of the second moment that stays at each update, in 0..1.
    pub beta_2: f64,
    /// Added to the root of the second moment; positive.
    pub epsilon: f64,
    /// Whether the largest second moment so far counts.
    pub amsgrad: bool,
    /// Fraction of a parameter lost per update and unit of learning rate.
    pub weight_decay: f64,
}

impl Default for Adam {
    fn default() -> Adam {
        Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7, amsgrad: false, weight_decay: 0.0 }
    }
}

impl UpdateRule for Adam {
    fn slots(&self) -> &'static [&'static str] {
        if self.amsgrad { &["momentum", "velocity", "velocity_hat"] } else { &["momentum", "velocity"] }
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn check(&self) -> Result<(), SettingError> {
        for (name, beta) in [("beta_1", self.beta_1), ("beta_2", self.beta_2)] {
            require((0.0..1.0).contains(&beta), name, beta, "a number from 0 to below 1")?;
        }
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
        let rule = AdamUpdate {
            corrected_rate: self.corrected_rate(step),
            first_added: (1.0 - self.beta_1) as f32,
            second_added: (1.0 - self.beta_2) as f32,
            epsilon: self.epsilon as f32,
        };
        let [first, second, largest @ ..] = slots else { return };
        let largest = largest.first_mut().map(|largest| &mut **largest);
        rule.run(isa, parameter, gradient, AdamSlots { first, second, largest });
    }
}

impl Adam {
    /// The learning rate with the bias of both moments corrected, in single precision as Keras has it.
    fn corrected_rate(&self, step: Step) -> f32 {
        let [first, second] = [self.beta_1, self.beta_2].map(|beta| power(beta as f32, step.number));
        step.learning_rate * (1.0 - second).sqrt() / (1.0 - first)
    }
}

/// `base` to the power of `exponent`, rounded once.
fn power(base: f32, exponent: u64) -> f32 {
    f64::from(base).powi(exponent.try_into().unwrap_or(i32::MAX)) as f32
}
