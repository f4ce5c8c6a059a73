//! Schedules: how the learning rate changes while training goes on.

mod plateau;

use std::{f64::consts::PI, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::setting::{SettingError, parse, require};
pub use plateau::Plateau;
pub(crate) use plateau::PlateauState;

/// How the learning rate follows from the one that training starts with.
///
/// ```
/// use engraft_train::Schedule;
///
/// let schedule: Schedule = "step,every=10,factor=0.5".parse().unwrap();
/// assert_eq!(schedule, Schedule::Step { every: 10, factor: 0.5 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum Schedule {
    /// It stays.
    #[default]
    Constant,
    /// Multiplied by a factor again and again, as Keras' `ExponentialDecay` with `staircase`.
    Step {
        /// Epochs between two steps.
        every: usize,
        /// The factor, in 0..1.
        factor: f64,
    },
    /// Rises in a line from 0, then falls along half a cosine until the last epoch ends; as Keras' `CosineDecay`.
    Cosine {
        /// Epochs in which it rises.
        #[serde(default)]
        warmup: usize,
        /// Share of the learning rate that is left in the end, in 0..=1; Keras' `alpha`.
        #[serde(default)]
        least: f64,
    },
    /// Multiplied by a factor when the loss stops falling.
    Plateau(Plateau),
}

/// How long training is planned to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Length {
    pub epochs: usize,
    pub steps_per_epoch: usize,
}

impl Schedule {
    /// What each is called.
    pub const NAMES: [&str; 4] = ["constant", "step", "cosine", "plateau"];

    /// Checks the settings for a training of so many epochs.
    ///
    /// # Errors
    /// [`SettingError`] for the first that lies outside its range.
    pub fn check(&self, epochs: usize) -> Result<(), SettingError> {
        match *self {
            Schedule::Constant => Ok(()),
            Schedule::Step { every, factor } => {
                require(every > 0, "every", every, "at least 1 epoch")?;
                check_factor(factor)
            }
            Schedule::Cosine { warmup, least } => {
                let expected = format!("fewer than the {epochs} epochs of training");
                require(warmup < epochs, "warmup", warmup, &expected)?;
                require((0.0..=1.0).contains(&least), "least", least, "a number from 0 to 1")
            }
            Schedule::Plateau(plateau) => plateau.check(),
        }
    }

    /// Whether the learning rate of an epoch depends on how many there will be.
    pub(crate) fn depends_on_epochs(&self) -> bool {
        matches!(self, Schedule::Cosine { .. })
    }

    /// The learning rate of a step, counted from 0, where `base` is the one to start with or left by [`PlateauState`].
    pub(crate) fn learning_rate(&self, base: f32, step: usize, length: Length) -> f32 {
        let epochs = |epochs: usize| (epochs * length.steps_per_epoch) as f64;
        let (base, step) = (f64::from(base), step as f64);
        let rate = match *self {
            Schedule::Constant | Schedule::Plateau(_) => base,
            Schedule::Step { every, factor } => base * factor.powf((step / epochs(every)).floor()),
            Schedule::Cosine { warmup, .. } if step < epochs(warmup) => base * step / epochs(warmup),
            Schedule::Cosine { warmup, least } => {
                let fraction = ((step - epochs(warmup)) / epochs(length.epochs - warmup)).min(1.0);
                base * ((1.0 - least) * 0.5 * (1.0 + (PI * fraction).cos()) + least)
            }
        };
        rate as f32
    }
}

impl fmt::Display for Schedule {
    /// Its name alone.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Schedule::Constant => "constant",
            Schedule::Step { .. } => "step",
            Schedule::Cosine { .. } => "cosine",
            Schedule::Plateau(_) => "plateau",
        })
    }
}

impl FromStr for Schedule {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Schedule, SettingError> {
        parse("schedule", &Schedule::NAMES, text)
    }
}

fn check_factor(factor: f64) -> Result<(), SettingError> {
    let fits = factor > 0.0 && factor < 1.0;
    require(fits, "factor", factor, "a number between 0 and 1")
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Golden, Tolerance, assert_close};

    use super::*;

    #[test]
    fn learning_rates_are_those_of_keras() {
        let golden = Golden::open("optimizers/schedules");
        for name in golden.names() {
            let parts: Vec<&str> = name.split('/').collect();
            let base: f32 = parts[1].parse().unwrap();
            let length =
                Length { epochs: parts[2].parse().unwrap(), steps_per_epoch: parts[3].parse().unwrap() };
            let settings = match parts[0] {
                "step" => format!("step,every={},factor={}", parts[4], parts[5]),
                kind => format!("{kind},warmup={},least={}", parts[4], parts[5]),
            };
            let schedule: Schedule = settings.parse().unwrap();
            schedule.check(length.epochs).unwrap();
            let wanted = golden.f32(&name);
            let got: Vec<f32> =
                (0..wanted.len()).map(|step| schedule.learning_rate(base, step, length)).collect();
            // Keras takes 1 + cos in single precision, where it is near 0 at the end.
            assert_close(&got, &wanted, Tolerance { abs: 1e-7 * base, rel: 1e-6 });
        }
        assert_eq!(golden.names().len(), 7);
    }

    #[test]
    fn a_constant_stays_and_a_plateau_follows_its_base() {
        let length = Length { epochs: 3, steps_per_epoch: 2 };
        for name in ["constant", "plateau"] {
            let schedule: Schedule = name.parse().unwrap();
            assert_eq!([0, 5].map(|step| schedule.learning_rate(0.25, step, length)), [0.25; 2], "{name}");
        }
    }

    #[test]
    fn wrong_schedules_are_named() {
        for (text, want) in [
            (
                "linear",
                "schedule is `linear`: there is no `linear`, expected one of constant, step, cosine, plateau",
            ),
            ("step,every=2", "schedule is `step,every=2`: missing field `factor`"),
            (
                "step,every=2,factor=true",
                "schedule is `step,every=2,factor=true`: invalid type: boolean `true`, expected a number",
            ),
            (
                "cosine,alpha=0",
                "schedule is `cosine,alpha=0`: unknown field `alpha`, expected `warmup` or `least`",
            ),
        ] {
            assert_eq!(text.parse::<Schedule>().unwrap_err().to_string(), want);
        }
        for (text, want) in [
            ("step,every=0,factor=0.5", "every is `0`: expected at least 1 epoch"),
            ("step,every=1,factor=1", "factor is `1`: expected a number between 0 and 1"),
            ("cosine,warmup=5", "warmup is `5`: expected fewer than the 5 epochs of training"),
            ("cosine,least=2", "least is `2`: expected a number from 0 to 1"),
            ("plateau,factor=0", "factor is `0`: expected a number between 0 and 1"),
            ("plateau,min_delta=-1", "min_delta is `-1`: expected a number that is not negative"),
            (
                "plateau,min_learning_rate=-1",
                "min_learning_rate is `-1`: expected a number that is not negative",
            ),
        ] {
            assert_eq!(text.parse::<Schedule>().unwrap().check(5).unwrap_err().to_string(), want, "{text}");
        }
    }
}
