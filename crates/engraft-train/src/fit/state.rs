//! Everything that changes while a network is trained.

use engraft_engine::ParameterSpec;
use engraft_graph::{GraphError, NamedTensors, Tensor};

use super::FitOptions;
use crate::{
    history::History,
    optimizer::{Optimizer, OptimizerState},
};

/// Where a training stands after an epoch; together with the options it decides all that follows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TrainingState {
    /// In the order of the [`Layout`].
    pub parameters: Vec<Vec<f32>>,
    pub optimizer: OptimizerState,
    /// Parameters of the best epoch, where they are kept.
    pub best: Option<Vec<Vec<f32>>>,
    pub history: History,
}

impl TrainingState {
    pub fn keep_as_best(&mut self) {
        self.best = Some(self.parameters.clone());
    }

    /// All its tensors, in the order of [`Layout::entries`].
    pub fn values(&self) -> impl Iterator<Item = &[f32]> {
        let slots = self.optimizer.slots.iter().flatten().flatten();
        self.parameters.iter().chain(slots).chain(self.best.iter().flatten()).map(Vec::as_slice)
    }
}

/// What the tensors of a [`TrainingState`] are called and how they are shaped.
pub(crate) struct Layout {
    specs: Vec<ParameterSpec>,
    optimizer: Optimizer,
    /// Whether the best parameters are kept.
    keeps_best: bool,
}

impl Layout {
    pub fn new(specs: &[ParameterSpec], options: &FitOptions) -> Layout {
        Layout { specs: specs.to_vec(), optimizer: options.optimizer, keeps_best: options.patience.is_some() }
    }

    /// The state before the first epoch; `initial` holds every parameter.
    pub fn start(&self, initial: &NamedTensors) -> TrainingState {
        let values =
            |spec: &ParameterSpec| initial.get(&spec.name).map(|tensor| tensor.to_f32().into_owned());
        let parameters = self.specs.iter().map(|spec| values(spec).unwrap_or_default()).collect();
        let trained = self.specs.iter().map(|spec| spec.trainable.then(|| spec.len()));
        let optimizer = OptimizerState::new(&self.optimizer, trained);
        TrainingState { parameters, optimizer, best: None, history: History::default() }
    }

    /// The state after `history`, whose tensors are `values` in the order of [`Layout::entries`].
    pub fn state(
        &self,
        mut values: impl Iterator<Item = Vec<f32>>,
        updates: u64,
        history: History,
    ) -> TrainingState {
        let parameters = values.by_ref().take(self.specs.len()).collect();
        let slot_count = self.optimizer.slots().len();
        let trained = self.specs.iter().map(|spec| spec.trainable);
        let slots =
            trained.map(|trained| trained.then(|| values.by_ref().take(slot_count).collect())).collect();
        let best = self.keeps_best.then(|| values.collect());
        TrainingState { parameters, optimizer: OptimizerState { updates, slots }, best, history }
    }

    /// Name and shape of every tensor of a state after its first epoch.
    pub fn entries(&self) -> Vec<(String, &[usize])> {
        let all = |prefix: &'static str| {
            self.specs.iter().map(move |spec| (format!("{prefix}/{}", spec.name), spec.shape.as_slice()))
        };
        let trained = self.specs.iter().filter(|spec| spec.trainable);
        let slots = trained.flat_map(|spec| {
            let name = |slot| (format!("optimizer/{slot}/{}", spec.name), spec.shape.as_slice());
            self.optimizer.slots().iter().map(name)
        });
        let best = self.keeps_best.then(|| all("best")).into_iter().flatten();
        all("parameters").chain(slots).chain(best).collect()
    }

    /// Size of all tensors of a state, in bytes.
    pub fn byte_len(&self) -> u64 {
        let len =
            |(_, shape): (String, &[usize])| (shape.iter().product::<usize>() * size_of::<f32>()) as u64;
        self.entries().into_iter().map(len).fold(0, u64::saturating_add)
    }

    /// Parameters under their names.
    pub fn named(&self, parameters: &[Vec<f32>]) -> Result<NamedTensors, GraphError> {
        let mut named = NamedTensors::new();
        for (spec, values) in self.specs.iter().zip(parameters) {
            named.insert(&spec.name, Tensor::from_f32(spec.shape.clone(), values.clone())?)?;
        }
        Ok(named)
    }
}
