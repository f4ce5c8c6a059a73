//! Optimizers: how parameters follow their gradients. Each has a file with its rule; this one runs them.
//!
//! Defaults, names and the place of epsilon are those of Keras 3.15. Weight decay is decoupled from the gradient: before the
//! update every trainable parameter loses the fraction `weight_decay * learning_rate`.

mod adam;
mod adamw;
mod rmsprop;
mod sgd;

use std::{fmt, str::FromStr};

use engraft_engine::Update;
use engraft_kernels::{InstructionSet, decay_weights};
use serde::{Deserialize, Serialize};

use crate::setting::{SettingError, parse, require};
pub use adam::Adam;
pub use adamw::AdamW;
pub use rmsprop::RmsProp;
pub use sgd::Sgd;

/// An optimizer with its settings.
///
/// ```
/// use engraft_train::{Optimizer, Sgd};
///
/// let optimizer: Optimizer = "sgd,momentum=0.9".parse().unwrap();
/// assert_eq!(optimizer, Optimizer::Sgd(Sgd { momentum: 0.9, ..Sgd::default() }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum Optimizer {
    /// Stochastic gradient descent, with or without momentum.
    Sgd(Sgd),
    /// Gradients divided by a running root mean square.
    RmsProp(RmsProp),
    /// Running moments of the gradients.
    Adam(Adam),
    /// [`Optimizer::Adam`] with weight decay by default.
    AdamW(AdamW),
}

impl Optimizer {
    /// What each is called.
    pub const NAMES: [&str; 4] = ["sgd", "rmsprop", "adam", "adamw"];

    /// The learning rate that Keras takes where none is given.
    pub fn default_learning_rate(&self) -> f64 {
        if matches!(self, Optimizer::Sgd(_)) { 0.01 } else { 0.001 }
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`SettingError`] for the first that lies outside its range.
    pub fn check(&self) -> Result<(), SettingError> {
        let decay = self.rule().weight_decay();
        let fits = decay >= 0.0 && decay.is_finite();
        require(fits, "weight_decay", decay, "a number that is not negative")?;
        self.rule().check()
    }

    /// Its values per parameter, in their order: what they are called.
    pub(crate) fn slots(&self) -> &'static [&'static str] {
        self.rule().slots()
    }

    fn rule(&self) -> &dyn UpdateRule {
        match self {
            Optimizer::Sgd(rule) => rule,
            Optimizer::RmsProp(rule) => rule,
            Optimizer::Adam(rule) => rule,
            Optimizer::AdamW(rule) => rule,
        }
    }
}

impl FromStr for Optimizer {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Optimizer, SettingError> {
        parse("optimizer", &Optimizer::NAMES, text)
    }
}

impl fmt::Display for Optimizer {
    /// Its name alone.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Optimizer::Sgd(_) => "sgd",
            Optimizer::RmsProp(_) => "rmsprop",
            Optimizer::Adam(_) => "adam",
            Optimizer::AdamW(_) => "adamw",
        })
    }
}

/// How one optimizer updates one parameter, or a part of it.
trait UpdateRule: Sync {
    /// What it keeps of each parameter from one update to the next, each as long as the parameter and zero at first.
    fn slots(&self) -> &'static [&'static str];

    fn weight_decay(&self) -> f64;

    fn check(&self) -> Result<(), SettingError>;

    /// All slices have the same length; `slots` are those that `slots()` names.
    fn update(
        &self,
        isa: InstructionSet,
        step: Step,
        parameter: &mut [f32],
        gradient: &[f32],
        slots: &mut [&mut [f32]],
    );
}

/// Which update it is.
#[derive(Clone, Copy)]
struct Step {
    /// Counted from 1.
    number: u64,
    learning_rate: f32,
}

/// What an optimizer remembers between updates.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OptimizerState {
    /// Updates so far.
    pub updates: u64,
    /// Per parameter its slots; `None` where it is not trained.
    pub slots: Vec<Option<Vec<Vec<f32>>>>,
}

impl OptimizerState {
    /// The state before the first update of parameters of these lengths; `None` stands for one that is not trained.
    pub(crate) fn new(optimizer: &Optimizer, lens: impl Iterator<Item = Option<usize>>) -> OptimizerState {
        let slots = |len: usize| optimizer.slots().iter().map(|_| vec![0.0; len]).collect();
        OptimizerState { updates: 0, slots: lens.map(|len| len.map(slots)).collect() }
    }

    /// What the next update, with this learning rate, does.
    pub(crate) fn next<'a>(&self, optimizer: &'a Optimizer, learning_rate: f32) -> NextUpdate<'a> {
        NextUpdate { rule: optimizer.rule(), step: Step { number: self.updates + 1, learning_rate } }
    }
}

/// An optimizer at one update.
pub(crate) struct NextUpdate<'a> {
    rule: &'a dyn UpdateRule,
    step: Step,
}

impl Update for NextUpdate<'_> {
    fn update(&self, isa: InstructionSet, values: &mut [f32], gradient: &[f32], slots: &mut [&mut [f32]]) {
        let decay = self.rule.weight_decay() as f32;
        if decay != 0.0 {
            decay_weights(isa, decay, self.step.learning_rate, values);
        }
        self.rule.update(isa, self.step, values, gradient, slots);
    }
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Golden, Tolerance, assert_close};

    use super::*;

    #[test]
    fn ten_updates_are_those_of_keras() {
        let golden = Golden::open("optimizers/updates");
        let (rates, gradients) = (golden.f32("learning_rates"), golden.f32("gradients"));
        let initial = golden.f32("initial");
        let cases: Vec<String> = golden.names().into_iter().filter(|name| name.contains('/')).collect();
        assert_eq!(cases.len(), 15);
        for name in cases {
            let optimizer: Optimizer = name.trim_start_matches("trajectory/").parse().unwrap();
            optimizer.check().unwrap();
            let wanted = golden.f32(&name);
            for isa in InstructionSet::available() {
                let mut parameters = initial.clone();
                let mut state = OptimizerState::new(&optimizer, [Some(initial.len())].into_iter());
                let steps = gradients.chunks(initial.len()).zip(wanted.chunks(initial.len()));
                for ((gradient, wanted), &rate) in steps.zip(&rates) {
                    update(&mut state, &optimizer, isa, rate, &mut parameters, gradient);
                    assert_close(&parameters, wanted, Tolerance { abs: 0.0, rel: 1e-6 });
                }
            }
        }
    }

    fn update(
        state: &mut OptimizerState,
        optimizer: &Optimizer,
        isa: InstructionSet,
        rate: f32,
        parameter: &mut [f32],
        gradient: &[f32],
    ) {
        let next = state.next(optimizer, rate);
        let mut slots: Vec<&mut [f32]> = state.slots[0].iter_mut().flatten().map(Vec::as_mut_slice).collect();
        next.update(isa, parameter, gradient, &mut slots);
        state.updates += 1;
    }

    #[test]
    fn what_is_remembered_of_a_dead_unit_never_stays_subnormal() {
        for text in
            ["sgd,momentum=0.5", "rmsprop,rho=0.5,momentum=0.5,centered=true", "adam,beta_1=0.5,beta_2=0.5"]
        {
            let optimizer: Optimizer = text.parse().unwrap();
            let mut state = OptimizerState::new(&optimizer, [Some(1)].into_iter());
            let mut parameter = [1.0];
            for number in 0..300 {
                let gradient = if number == 0 { 1e-3 } else { 0.0 };
                let isa = InstructionSet::best();
                update(&mut state, &optimizer, isa, 0.1, &mut parameter, &[gradient]);
                for (slot, name) in state.slots[0].iter().flatten().zip(optimizer.slots()) {
                    assert!(!slot[0].is_subnormal(), "{text}: {name} is {} after update {number}", slot[0]);
                }
            }
        }
    }

    #[test]
    fn a_wrong_optimizer_is_named_with_what_is_expected() {
        for (text, want) in [
            ("adagrad", "there is no `adagrad`, expected one of sgd, rmsprop, adam, adamw"),
            ("", "there is no ``, expected one of sgd"),
            ("sgd,momentum", "`momentum`, expected KEY=VALUE with a number, true or false"),
            ("sgd,momentum=fast", "`momentum=fast`, expected KEY=VALUE"),
            ("sgd,momentum=0.1,momentum=0.2", "`momentum` is set twice, expected once"),
            ("sgd,name=1", "`name` is set twice"),
            ("adam,momentum=0.9", "unknown field `momentum`, expected one of `beta_1`, `beta_2`"),
            ("sgd,nesterov=1", "invalid type: integer `1`, expected a boolean"),
        ] {
            let error = text.parse::<Optimizer>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("optimizer is `{text}`: {want}")), "{text}: {error}");
        }
        for (text, want) in [
            ("sgd,momentum=1.5", "momentum is `1.5`: expected a number from 0 to 1"),
            ("rmsprop,rho=1", "rho is `1`: expected a number from 0 to below 1"),
            ("adam,beta_2=-0.5", "beta_2 is `-0.5`: expected a number from 0 to below 1"),
            ("adamw,epsilon=0", "epsilon is `0`: expected a positive number"),
            ("adamw,weight_decay=-1", "weight_decay is `-1`: expected a number that is not negative"),
        ] {
            let error = text.parse::<Optimizer>().unwrap().check().unwrap_err();
            assert_eq!(error.to_string(), want, "{text}");
        }
    }

    #[test]
    fn names_and_serialised_forms_belong_together() {
        for name in Optimizer::NAMES {
            let optimizer: Optimizer = name.parse().unwrap();
            assert_eq!(optimizer.to_string(), name);
            assert_eq!(serde_json::to_value(optimizer).unwrap()["name"], name);
        }
        assert_eq!("sgd".parse::<Optimizer>().unwrap().default_learning_rate(), 0.01);
        assert_eq!("adamw".parse::<Optimizer>().unwrap().default_learning_rate(), 0.001);
    }
}
