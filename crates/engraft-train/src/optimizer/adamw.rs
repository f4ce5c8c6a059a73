//! AdamW: Adam with decoupled weight decay.

use engraft_kernels::InstructionSet;
use serde::{Deserialize, Serialize};

use super::{Adam, Step, UpdateRule};
use crate::setting::SettingError;

/// Settings of AdamW, as `keras.optimizers.AdamW`: those of [`Adam`] with another default for `weight_decay`.
///
/// Source: I. Loshchilov and F. Hutter, "Decoupled weight decay regularization" (2019).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    /// As [`Adam::beta_1`].
    pub beta_1: f64,
    /// As [`Adam::beta_2`].
    pub beta_2: f64,
    /// As [`Adam::epsilon`].
    pub epsilon: f64,
    /// As [`Adam::amsgrad`].
    pub amsgrad: bool,
    /// Fraction of a parameter lost per update and unit of learning rate.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> AdamW {
        let Adam { beta_1, beta_2, epsilon, amsgrad, .. } = Adam::default();
        AdamW { beta_1, beta_2, epsilon, amsgrad, weight_decay: 0.004 }
    }
}

impl AdamW {
    fn adam(&self) -> Adam {
        let AdamW { beta_1, beta_2, epsilon, amsgrad, weight_decay } = *self;
        Adam { beta_1, beta_2, epsilon, amsgrad, weight_decay }
    }
}

impl UpdateRule for AdamW {
    fn slots(&self) -> &'static [&'static str] {
        self.adam().slots()
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn check(&self) -> Result<(), SettingError> {
        self.adam().check()
    }

    fn update(
        &self,
        isa: InstructionSet,
        step: Step,
        parameter: &mut [f32],
        gradient: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        self.adam().update(isa, step, parameter, gradient, slots);
    }
}
