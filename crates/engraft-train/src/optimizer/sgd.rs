//! Stochastic gradient descent.

use engraft_kernels::{InstructionSet, SgdUpdate};
use serde::{Deserialize, Serialize};

use super::{Step, UpdateRule};
use crate::setting::{SettingError, require};

/// Settings of stochastic gradient descent, as `keras.optimizers.SGD`.
///
/// Source: I. Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// Share of the last update that goes into the next, in 0..=1.
    pub momentum: f64,
    /// Whether the gradient counts as one taken after the momentum's step.
    pub nesterov: bool,
    /// Fraction of a parameter lost per update and unit of learning rate.
    pub weight_decay: f64,
}

impl UpdateRule for Sgd {
    fn slots(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &[] } else { &["momentum"] }
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn check(&self) -> Result<(), SettingError> {
        let fits = (0.0..=1.0).contains(&self.momentum);
        require(fits, "momentum", self.momentum, "a number from 0 to 1")
    }

    fn update(
        &self,
        isa: InstructionSet,
        step: Step,
        parameter: &mut [f32],
        gradient: &[f32],
        slots: &mut [&mut [f32]],
    ) {
        let (momentum, nesterov) = (self.momentum as f32, self.nesterov);
        let rule = SgdUpdate { learning_rate: step.learning_rate, momentum, nesterov };
        rule.run(isa, parameter, gradient, slots.first_mut().map(|velocity| &mut **velocity));
    }
}
