//! One step: forward, loss and backward, with the memory that is kept for the next one.

use engraft_kernels::InstructionSet;

use super::buffers::{Buffers, sized};
use super::layer::{Backward, Context, Forward, Memory};
use super::loss::loss;
use super::lower::{Program, Step};
use super::{Batch, BatchLoss};

/// The buffers of one run at a time.
pub(super) struct Workspace {
    /// What each node produced; empty for the image, which is read where it lies.
    values: Vec<Vec<f32>>,
    /// What each step keeps for itself.
    memories: Vec<Memory>,
    buffers: Buffers,
}

impl Workspace {
    pub(super) fn new(program: &Program) -> Workspace {
        Workspace {
            values: program.value_lens.iter().map(|_| Vec::new()).collect(),
            memories: program.steps.iter().map(|_| Memory::default()).collect(),
            buffers: Buffers::default(),
        }
    }
}

/// A run of a program.
pub(super) struct Run<'a> {
    pub program: &'a Program,
    pub isa: InstructionSet,
    /// Number of images.
    pub images: usize,
    pub seed: u64,
}

impl Run<'_> {
    /// Computes the loss and the gradients of a batch that has been checked.
    pub(super) fn step(
        &self,
        workspace: &mut Workspace,
        parameters: &mut [Vec<f32>],
        batch: &Batch,
        label_smoothing: f32,
        gradients: &mut [Vec<f32>],
    ) -> BatchLoss {
        self.forward(workspace, parameters, batch.images);
        let Program { scores, classes, .. } = *self.program;
        let scores = if scores == 0 { batch.images } else { &workspace.values[scores] };
        let scores = &scores[..self.images * classes];
        let mut gradient = workspace.buffers.take(scores.len());
        let loss = loss(scores, batch, classes, label_smoothing, &mut gradient);
        self.backward(workspace, parameters, batch.images, gradient, gradients);
        loss
    }

    fn context(&self) -> Context {
        Context { isa: self.isa, images: self.images, seed: self.seed }
    }

    /// The value of a node for all images.
    fn value<'a>(&self, values: &'a [Vec<f32>], images: &'a [f32], value: usize) -> &'a [f32] {
        if value == 0 { images } else { &values[value][..self.images * self.program.value_lens[value]] }
    }

    fn forward(&self, workspace: &mut Workspace, parameters: &mut [Vec<f32>], images: &[f32]) {
        for (step, memory) in self.program.steps.iter().zip(&mut workspace.memories) {
            let mut output = std::mem::take(&mut workspace.values[step.output]);
            let inputs: Vec<&[f32]> =
                step.inputs.iter().map(|&input| self.value(&workspace.values, images, input)).collect();
            step.layer.forward(Forward {
                context: self.context(),
                inputs: &inputs,
                parameters: &mut parameters[step.parameters.clone()],
                output: sized(&mut output, self.images * self.program.value_lens[step.output]),
                memory,
            });
            workspace.values[step.output] = output;
        }
    }

    /// Goes through the steps from last to first; `gradient` is that of the scores.
    fn backward(
        &self,
        workspace: &mut Workspace,
        parameters: &[Vec<f32>],
        images: &[f32],
        gradient: Vec<f32>,
        gradients: &mut [Vec<f32>],
    ) {
        let Workspace { values, memories, buffers } = workspace;
        let mut value_gradients: Vec<Option<Vec<f32>>> = vec![None; values.len()];
        value_gradients[self.program.scores] = Some(gradient);
        for (step, memory) in self.program.steps.iter().zip(memories).rev() {
            let Some(output_gradient) = value_gradients[step.output].take() else {
                // Nothing that leads to the scores reads it.
                gradients[step.parameters.clone()].iter_mut().for_each(|gradient| gradient.fill(0.0));
                continue;
            };
            if step.has_gradient() {
                let inputs: Vec<&[f32]> =
                    step.inputs.iter().map(|&input| self.value(values, images, input)).collect();
                let mut found = self.input_gradients(step, buffers);
                let mut places: Vec<Option<&mut [f32]>> =
                    found.iter_mut().map(|buffer| buffer.as_deref_mut()).collect();
                step.layer.backward(Backward {
                    context: self.context(),
                    inputs: &inputs,
                    parameters: &parameters[step.parameters.clone()],
                    output: self.value(values, images, step.output),
                    output_gradient: &output_gradient,
                    input_gradients: &mut places,
                    parameter_gradients: step.learns.then(|| &mut gradients[step.parameters.clone()]),
                    memory,
                });
                for (&input, gradient) in step.inputs.iter().zip(found) {
                    collect(&mut value_gradients[input], gradient, buffers);
                }
            }
            buffers.give(output_gradient);
        }
        value_gradients.into_iter().flatten().for_each(|rest| buffers.give(rest));
    }

    /// A buffer for the gradient of each input that something learns from.
    fn input_gradients(&self, step: &Step, buffers: &mut Buffers) -> Vec<Option<Vec<f32>>> {
        let wanted = step.inputs.iter().zip(&step.input_learns);
        wanted
            .map(|(&input, learns)| {
                learns.then(|| buffers.take(self.images * self.program.value_lens[input]))
            })
            .collect()
    }
}

/// Adds what one reader of a value says about its gradient to what the others have said.
fn collect(total: &mut Option<Vec<f32>>, gradient: Option<Vec<f32>>, buffers: &mut Buffers) {
    match (total, gradient) {
        (Some(total), Some(gradient)) => {
            total.iter_mut().zip(&gradient).for_each(|(total, x)| *total += x);
            buffers.give(gradient);
        }
        (total @ None, gradient) => *total = gradient,
        (Some(_), None) => {}
    }
}
