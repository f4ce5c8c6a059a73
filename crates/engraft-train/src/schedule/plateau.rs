//! A learning rate that is reduced when the loss stops falling.

use serde::{Deserialize, Serialize};

use super::check_factor;
use crate::setting::{SettingError, require};

/// Settings and defaults of Keras' `ReduceLROnPlateau`.
///
/// What is watched is the loss of validation, or that of training if there is no validation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plateau {
    /// What the learning rate is multiplied with, in 0..1.
    pub factor: f64,
    /// Epochs without improvement until then.
    pub patience: usize,
    /// A loss less than this below the best is no improvement.
    pub min_delta: f64,
    /// Epochs after a reduction in which none counts as without improvement.
    pub cooldown: usize,
    /// The learning rate does not fall below it.
    pub min_learning_rate: f64,
}

impl Default for Plateau {
    fn default() -> Plateau {
        Plateau { factor: 0.1, patience: 10, min_delta: 1e-4, cooldown: 0, min_learning_rate: 0.0 }
    }
}

impl Plateau {
    pub(super) fn check(&self) -> Result<(), SettingError> {
        check_factor(self.factor)?;
        for (name, found) in [("min_delta", self.min_delta), ("min_learning_rate", self.min_learning_rate)] {
            require(found >= 0.0 && found.is_finite(), name, found, "a number that is not negative")?;
        }
        Ok(())
    }
}

/// What has been seen of the loss so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct PlateauState {
    best: Option<f64>,
    waited: usize,
    cooling: usize,
}

impl PlateauState {
    /// The learning rate after an epoch with this loss, where `rate` is the one before.
    pub(crate) fn after_epoch(&mut self, plateau: &Plateau, loss: f64, rate: f32) -> f32 {
        if self.cooling > 0 {
            self.cooling -= 1;
            self.waited = 0;
        }
        if self.best.is_none_or(|best| loss + plateau.min_delta < best) {
            self.best = Some(loss);
            self.waited = 0;
            return rate;
        }
        if self.cooling > 0 {
            return rate;
        }
        self.waited += 1;
        if self.waited < plateau.patience || rate <= plateau.min_learning_rate as f32 {
            return rate;
        }
        (self.cooling, self.waited) = (plateau.cooldown, 0);
        (f64::from(rate) * plateau.factor).max(plateau.min_learning_rate) as f32
    }
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Golden, Tolerance, assert_close};

    use super::*;
    use crate::Schedule;

    #[test]
    fn reductions_are_those_of_keras() {
        let golden = Golden::open("optimizers/callbacks");
        let losses = golden.f64("losses");
        let cases: Vec<String> =
            golden.names().into_iter().filter(|name| name.starts_with("plateau")).collect();
        assert_eq!(cases.len(), 4);
        for name in cases {
            let [kind, base, settings] = name.split('/').collect::<Vec<_>>()[..] else { panic!("{name}") };
            let schedule: Schedule = format!("{kind},{settings}").parse().unwrap();
            let Schedule::Plateau(plateau) = schedule else { panic!("{name}") };
            let (mut state, mut rate) = (PlateauState::default(), base.parse().unwrap());
            let step = |&loss: &f64| {
                rate = state.after_epoch(&plateau, loss, rate);
                rate
            };
            let got: Vec<f32> = losses.iter().map(step).collect();
            assert_close(&got, &golden.f32(&name), Tolerance::EXACT);
        }
    }
}
