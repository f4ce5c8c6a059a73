//! Training a network: epochs of batches, each with a gradient and an update.
//!
//! As `Model.fit` of Keras has it: what an epoch's loss and accuracy are, how a short last batch counts, when callbacks act.
//! Everything random follows from the seed and the number of the epoch, so that training can go on where it was interrupted.

mod batch;
mod course;
mod epoch;
mod error;
mod evaluate;
mod memory;
mod options;
mod samples;
mod state;

use std::time::Instant;

use engraft_graph::{Graph, NamedTensors};
use engraft_kernels::InstructionSet;

use crate::{
    checkpoint::{CheckpointFile, CheckpointKey},
    history::{EpochRecord, History},
    progress::Progress,
};
use course::Course;
pub use course::Stop;
use epoch::Trainer;
pub use error::FitError;
use evaluate::Evaluator;
pub use memory::least_fit_bytes;
pub use options::FitOptions;
pub use samples::{SampleError, Samples};
pub(crate) use state::{Layout, TrainingState};

/// The images of a training.
#[derive(Clone, Copy)]
pub struct FitData<'a> {
    /// Images to learn from.
    pub training: &'a dyn Samples,
    /// Images to judge every epoch by; the same in each.
    pub validation: Option<&'a dyn Samples>,
}

/// Where and how a training runs; except for the instruction set nothing here changes the result.
#[derive(Clone, Copy)]
pub struct FitRun<'a> {
    /// Instruction set of all kernels.
    pub isa: InstructionSet,
    /// Where everything needed to go on is kept after epochs.
    pub checkpoint: Option<CheckpointFile<'a>>,
    /// Told of every batch and every epoch, and asked whether to stop.
    pub progress: &'a dyn Progress,
}

/// A trained network.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedNetwork {
    /// Every weight of the network, in the graph's order.
    pub parameters: NamedTensors,
    /// What every epoch was like.
    pub history: History,
    /// The epoch that the parameters come from, counted from 1.
    pub epoch: usize,
    /// Why there were no more epochs.
    pub stop: Stop,
    /// Images of a full batch: as many as asked for, or all if there are fewer.
    pub batch_size: usize,
}

/// Trains `graph`, whose result is a softmax over the classes, from the parameters `initial`.
///
/// Runs on the current rayon pool; the result is the same for any number of threads. With [`FitOptions::patience`] the
/// parameters are those of the epoch with the least loss, else those of the last.
///
/// # Errors
/// [`FitError`] if options, samples and network do not fit each other, if the loss does not stay finite, if a checkpoint
/// cannot be written or belongs to another training, or if the caller asks to stop.
pub fn fit_network(
    graph: &Graph,
    initial: &NamedTensors,
    data: FitData,
    options: &FitOptions,
    run: FitRun,
) -> Result<FittedNetwork, FitError> {
    options.check(graph, data)?;
    graph.check_weights(initial)?;
    let mut trainer = Trainer::new(graph, data.training, options, run)?;
    let evaluator =
        data.validation.map(|samples| Evaluator::new(graph, samples, options, run.isa)).transpose()?;
    let layout = Layout::new(trainer.parameters(), options);
    let key = CheckpointKey::new(graph, initial, data, options, run.isa);
    let resumed = match run.checkpoint {
        Some(file) => file.resume(&key, &layout, options.epochs, run.progress)?,
        None => None,
    };
    let mut state = resumed.unwrap_or_else(|| layout.start(initial));
    let mut course = Course::of(options, &state.history);
    let epochs_left = options.epochs - state.history.epochs.len();
    run.progress.begin("training", epochs_left * trainer.steps_per_epoch());
    let mut written: Option<Instant> = None;
    while course.stop.is_none() {
        let began = Instant::now();
        let (training, learning_rate) = trainer.epoch(&mut state, course.learning_rate)?;
        let epoch = state.history.epochs.len() + 1;
        let judge = |evaluator: &Evaluator| evaluator.score(&layout.named(&state.parameters)?, epoch);
        let validation = evaluator.as_ref().map(judge).transpose()?;
        let record = EpochRecord { epoch, training, validation, learning_rate };
        check_judged_loss(&record, options, trainer.steps_per_epoch(), state.optimizer.updates)?;
        if course.after_epoch(options, &record) {
            state.keep_as_best();
        }
        state.history.epochs.push(record);
        if let Some(file) = run.checkpoint
            && (course.stop.is_some() || written.is_none_or(|at| at.elapsed() >= file.interval))
        {
            file.write(&key, &layout, &state)?;
            written = Some(Instant::now());
        }
        run.progress.epoch(&record, began.elapsed());
    }
    Ok(FittedNetwork {
        parameters: layout.named(state.best.as_ref().unwrap_or(&state.parameters))?,
        epoch: course.epoch(&state.history),
        stop: course.stop.unwrap_or(Stop::Epochs),
        history: state.history,
        batch_size: trainer.batch_size(),
    })
}

/// Finite parameters can still be so large that the loss of other images is not finite.
fn check_judged_loss(
    record: &EpochRecord,
    options: &FitOptions,
    batch: usize,
    updates: u64,
) -> Result<(), FitError> {
    let (found, EpochRecord { epoch, learning_rate, .. }) = (record.judged_loss(), *record);
    if found.is_finite() {
        return Ok(());
    }
    let (what, default_learning_rate) =
        ("the validation loss", options.optimizer.default_learning_rate() as f32);
    Err(FitError::Diverged { what, found, epoch, batch, learning_rate, default_learning_rate, updates })
}
