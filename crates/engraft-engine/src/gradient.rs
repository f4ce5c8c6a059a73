//! A trainable network: loss and gradients of a batch by reverse-mode differentiation.

mod buffers;
mod check;
mod choose;
mod execute;
mod groups;
mod layer;
mod learning;
mod loss;
mod lower;
mod window;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use engraft_graph::Graph;
use engraft_kernels::InstructionSet;

use crate::EngineError;
use execute::{Sink, Workspace};
pub use learning::{Learning, Update};
use lower::{Program, Step};

/// Choices that do not follow from the network.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientOptions {
    /// Instruction set of all kernels.
    pub isa: InstructionSet,
    /// Fraction of each target that is spread evenly over all classes, in 0..=1.
    pub label_smoothing: f32,
    /// Names of the nodes whose weights stay as they are; a batch normalisation among them uses its stored statistics.
    pub frozen: BTreeSet<String>,
}

impl GradientOptions {
    /// No label smoothing and nothing frozen.
    pub fn new(isa: InstructionSet) -> GradientOptions {
        GradientOptions { isa, label_smoothing: 0.0, frozen: BTreeSet::new() }
    }
}

/// An array of weights of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    /// `NODE/ROLE`, for example `conv/kernel`, as in [`Graph::weights`].
    pub name: String,
    /// Its shape; none of a single number.
    pub shape: Vec<usize>,
    /// Whether it has a gradient. Statistics have none: those of a batch normalisation are updated by each step, unless it
    /// is frozen.
    pub trainable: bool,
}

impl ParameterSpec {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no values. Never true of a parameter of a [`Gradient`].
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Images with what they show.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// `[n, height, width, channels]`, in the range that the network's input expects.
    pub images: &'a [f32],
    /// `[n, classes]`: probabilities, so that each row sums to 1.
    pub targets: &'a [f32],
    /// A factor for the loss of each image; 1 where there are none.
    pub weights: Option<&'a [f32]>,
}

/// How well a batch was recognised, before the step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchLoss {
    /// The weighted losses, summed and divided by the number of images. Not finite if the network has diverged.
    pub loss: f64,
    /// Images whose most probable class is that of their target.
    pub correct: usize,
}

/// A network compiled for one instruction set: parameters and images in, loss and gradients out.
///
/// The network ends in a softmax over a vector; the loss is the cross-entropy of its probabilities and the targets, as Keras'
/// `CategoricalCrossentropy`. Work is split over the current rayon pool; results have the same bytes for any number of
/// threads.
pub struct Gradient {
    program: Program,
    label_smoothing: f32,
    isa: InstructionSet,
    /// Buffers of earlier runs, to be used again.
    idle: Mutex<Vec<Workspace>>,
}

impl Gradient {
    /// Compiles `graph`.
    ///
    /// # Errors
    /// [`EngineError`] if the network does not end in a softmax over a vector, does not have exactly one input, or has an
    /// operation without a gradient; if a frozen node does not exist; or if the label smoothing is not in 0..=1.
    pub fn compile(graph: &Graph, options: &GradientOptions) -> Result<Gradient, EngineError> {
        check::options(graph, options)?;
        Ok(Gradient {
            program: lower::lower(graph, &options.frozen)?,
            label_smoothing: options.label_smoothing,
            isa: options.isa,
            idle: Mutex::default(),
        })
    }

    /// All parameters, node by node, each node's in Keras' order: the order of the arrays that [`Gradient::run`] takes.
    pub fn parameters(&self) -> &[ParameterSpec] {
        &self.program.parameters
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.program.classes
    }

    /// Bytes that a run on a batch of `images` images holds at the same time, at least: what every step computes, and the
    /// gradients of what one of them reads and computes.
    pub fn least_run_bytes(&self, images: usize) -> u64 {
        let Program { value_lens, steps, .. } = &self.program;
        let gradients = |step: &Step| {
            let learning = step.inputs.iter().zip(&step.input_learns).filter(|(_, learns)| **learns);
            learning.map(|(&input, _)| value_lens[input]).sum::<usize>() + value_lens[step.output]
        };
        let most = steps.iter().filter(|step| step.has_gradient()).map(gradients).max();
        // The image itself is read where it lies.
        let computed = value_lens.iter().skip(1).chain(&most);
        let values = computed.fold(0, |sum: u64, &len| sum.saturating_add(len as u64));
        values.saturating_mul(images as u64).saturating_mul(size_of::<f32>() as u64)
    }

    /// Computes the loss of `batch` and writes its gradients; those of parameters that are not trainable are left as they
    /// are. `seed` decides what is dropped. Moving statistics in `parameters` are updated, nothing else.
    ///
    /// # Errors
    /// [`EngineError`] if a length does not fit. A loss that is not finite is not an error.
    pub fn run(
        &self,
        parameters: &mut [Vec<f32>],
        batch: &Batch,
        seed: u64,
        gradients: &mut [Vec<f32>],
    ) -> Result<BatchLoss, EngineError> {
        check::arrays("parameters", &self.program.parameters, parameters)?;
        check::arrays("gradients", &self.program.parameters, gradients)?;
        self.step(parameters, batch, seed, Sink::Arrays(gradients))
    }

    /// Computes the loss of `batch` and lets the parameters follow its gradients; the same bytes as those of [`Gradient::run`] with
    /// updates afterwards, but large gradients are used piece by piece and never stored. A loss that is not finite changes
    /// nothing but moving statistics.
    ///
    /// # Errors
    /// As [`Gradient::run`].
    pub fn learn(
        &self,
        parameters: &mut [Vec<f32>],
        batch: &Batch,
        seed: u64,
        learning: Learning,
    ) -> Result<BatchLoss, EngineError> {
        check::arrays("parameters", &self.program.parameters, parameters)?;
        check::slots(&self.program.parameters, learning.slots)?;
        self.step(parameters, batch, seed, Sink::Rule(learning))
    }

    fn step(
        &self,
        parameters: &mut [Vec<f32>],
        batch: &Batch,
        seed: u64,
        sink: Sink,
    ) -> Result<BatchLoss, EngineError> {
        let images = check::batch(&self.program, batch)?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut workspace = idle.unwrap_or_else(|| Workspace::new(&self.program));
        let run = execute::Run { program: &self.program, isa: self.isa, images, seed };
        let loss = run.step(&mut workspace, parameters, batch, self.label_smoothing, sink);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
        Ok(loss)
    }
}
