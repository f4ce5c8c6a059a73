//! One epoch of training.

use engraft_engine::{Batch, BatchLoss, Gradient, GradientOptions, Learning, ParameterSpec};
use engraft_graph::Graph;

use super::{
    FitError, FitOptions, FitRun, Samples, TrainingState,
    batch::{PreparedBatch, dropout_seed, order},
};
use crate::{history::EpochScore, progress::Progress, schedule::Length};

/// Changes parameters batch by batch; what it holds does not change from one epoch to the next.
pub(super) struct Trainer<'a> {
    gradient: Gradient,
    samples: &'a dyn Samples,
    options: &'a FitOptions,
    progress: &'a dyn Progress,
    batch_size: usize,
}

/// Where in a training a step is.
#[derive(Clone, Copy)]
struct Place {
    /// Counted from 1.
    epoch: usize,
    /// Counted from 1.
    batch: usize,
    learning_rate: f32,
    /// The default one of the optimizer.
    default_learning_rate: f32,
}

impl<'a> Trainer<'a> {
    pub fn new(
        graph: &Graph,
        samples: &'a dyn Samples,
        options: &'a FitOptions,
        run: FitRun<'a>,
    ) -> Result<Trainer<'a>, FitError> {
        let FitOptions { label_smoothing, ref frozen, .. } = *options;
        let gradient_options = GradientOptions { isa: run.isa, label_smoothing, frozen: frozen.clone() };
        let gradient = Gradient::compile(graph, &gradient_options)?;
        let batch_size = options.batch_size.min(samples.len());
        if batch_size < options.batch_size {
            let (asked, images) = (options.batch_size, samples.len());
            let message =
                format!("a batch of {asked} is more than there is: all {images} images make one batch");
            run.progress.warn(&message);
        }
        Ok(Trainer { gradient, samples, options, progress: run.progress, batch_size })
    }

    pub fn parameters(&self) -> &[ParameterSpec] {
        self.gradient.parameters()
    }

    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    pub fn steps_per_epoch(&self) -> usize {
        self.samples.len().div_ceil(self.batch_size)
    }

    /// Trains on every image once; returns the score and the learning rate of the last step.
    pub fn epoch(
        &mut self,
        state: &mut TrainingState,
        base_rate: f32,
    ) -> Result<(EpochScore, f32), FitError> {
        let epoch = state.history.epochs.len() + 1;
        let images = self.samples.len();
        let order = order(self.options.seed, epoch, images);
        let mut batches = order.chunks(self.batch_size);
        let (mut current, mut next) = (PreparedBatch::default(), PreparedBatch::default());
        let (samples, class_weights) = (self.samples, self.options.class_weights.as_deref());
        let prepare = |batch: &mut PreparedBatch, indices: Option<&[usize]>| {
            indices.map(|indices| batch.prepare(samples, class_weights, epoch, indices)).transpose()
        };
        prepare(&mut current, batches.next())?;
        let (mut loss, mut correct, mut learning_rate) = (0.0, 0, base_rate);
        for batch in 1..=self.steps_per_epoch() {
            if self.progress.is_cancelled() {
                return Err(FitError::Interrupted);
            }
            learning_rate = self.learning_rate(base_rate, state);
            let place = self.place(epoch, batch, learning_rate);
            let later = batches.next();
            let (stepped, prepared) =
                rayon::join(|| self.step(state, &current, place), || prepare(&mut next, later));
            let batch_loss = stepped?;
            prepared?;
            loss += batch_loss.loss * current.len as f64;
            correct += batch_loss.correct;
            std::mem::swap(&mut current, &mut next);
            self.progress.step();
        }
        check_parameters(state, self.place(epoch, self.steps_per_epoch(), learning_rate))?;
        let images = images as f64;
        Ok((EpochScore { loss: loss / images, accuracy: correct as f64 / images }, learning_rate))
    }

    fn learning_rate(&self, base_rate: f32, state: &TrainingState) -> f32 {
        let length = Length { epochs: self.options.epochs, steps_per_epoch: self.steps_per_epoch() };
        self.options.schedule.learning_rate(base_rate, state.optimizer.updates as usize, length)
    }

    fn place(&self, epoch: usize, batch: usize, learning_rate: f32) -> Place {
        let default_learning_rate = self.options.optimizer.default_learning_rate() as f32;
        Place { epoch, batch, learning_rate, default_learning_rate }
    }

    fn step(
        &mut self,
        state: &mut TrainingState,
        batch: &PreparedBatch,
        place: Place,
    ) -> Result<BatchLoss, FitError> {
        let seed = dropout_seed(self.options.seed, place.epoch, place.batch);
        let PreparedBatch { images, targets, weights, .. } = batch;
        let batch = Batch { images, targets, weights: weights.as_deref() };
        let rule = state.optimizer.next(&self.options.optimizer, place.learning_rate);
        let learning = Learning { rule: &rule, slots: &mut state.optimizer.slots };
        let loss = self.gradient.learn(&mut state.parameters, &batch, seed, learning)?;
        if !loss.loss.is_finite() {
            return Err(place.diverged("the loss", loss.loss, state));
        }
        state.optimizer.updates += 1;
        Ok(loss)
    }
}

impl Place {
    fn diverged(self, what: &'static str, found: f64, state: &TrainingState) -> FitError {
        let Place { epoch, batch, learning_rate, default_learning_rate } = self;
        let updates = state.optimizer.updates;
        FitError::Diverged { what, found, epoch, batch, learning_rate, default_learning_rate, updates }
    }
}

/// The last update of an epoch has no later loss that would show it.
fn check_parameters(state: &TrainingState, place: Place) -> Result<(), FitError> {
    match state.parameters.iter().find_map(|values| first_not_finite(values)) {
        Some(found) => Err(place.diverged("a weight", found.into(), state)),
        None => Ok(()),
    }
}

/// Looks at blocks as a whole, which takes fewer instructions than leaving at the first such value.
fn first_not_finite(values: &[f32]) -> Option<f32> {
    const BLOCK: usize = 1 << 10;
    let is_suspect = |block: &&[f32]| block.iter().fold(false, |any, value| any | !value.is_finite());
    let mut suspects = values.chunks(BLOCK).filter(is_suspect);
    suspects.find_map(|block| block.iter().copied().find(|value| !value.is_finite()))
}
