//! One step: forward, loss and backward, with the memory that is kept for the next one.

use std::ops::Range;

use engraft_kernels::InstructionSet;

use super::buffers::{Buffers, sized};
use super::layer::{Backward, Context, Forward, Learn, Memory};
use super::learning::{Learning, Part, Update};
use super::loss::loss;
use super::lower::{Program, Step};
use super::{Batch, BatchLoss};

/// The buffers of one run at a time.
pub(super) struct Workspace {
    /// What each node produced; empty for the image, which is read where it lies.
    values: Vec<Vec<f32>>,
    /// What each step keeps for itself.
    memories: Vec<Memory>,
    /// The gradient of each parameter, where it is followed at once and was computed as a whole.
    gradients: Vec<Vec<f32>>,
    buffers: Buffers,
}

/// Where gradients of parameters go.
pub(super) enum Sink<'a> {
    /// They are written here.
    Arrays(&'a mut [Vec<f32>]),
    /// Their parameters follow them at once.
    Rule(Learning<'a>),
}

impl Workspace {
    pub(super) fn new(program: &Program) -> Workspace {
        Workspace {
            values: program.value_lens.iter().map(|_| Vec::new()).collect(),
            memories: program.steps.iter().map(|_| Memory::default()).collect(),
            gradients: program.parameters.iter().map(|_| Vec::new()).collect(),
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
    /// Computes the loss of a batch that has been checked, and what the sink asks for.
    pub(super) fn step(
        &self,
        workspace: &mut Workspace,
        parameters: &mut [Vec<f32>],
        batch: &Batch,
        label_smoothing: f32,
        sink: Sink,
    ) -> BatchLoss {
        self.forward(workspace, parameters, batch.images);
        let Program { scores, classes, .. } = *self.program;
        let scores = if scores == 0 { batch.images } else { &workspace.values[scores] };
        let scores = &scores[..self.images * classes];
        let mut gradient = workspace.buffers.take(scores.len());
        let loss = loss(scores, batch, classes, label_smoothing, &mut gradient);
        if matches!(sink, Sink::Arrays(_)) || loss.loss.is_finite() {
            self.backward(workspace, parameters, batch.images, gradient, sink);
        }
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
        parameters: &mut [Vec<f32>],
        images: &[f32],
        gradient: Vec<f32>,
        sink: Sink,
    ) {
        let Workspace { values, memories, gradients, buffers } = workspace;
        let (all_gradients, mut learning) = match sink {
            Sink::Arrays(arrays) => (arrays, None),
            Sink::Rule(learning) => (gradients.as_mut_slice(), Some(learning)),
        };
        let mut value_gradients: Vec<Option<Vec<f32>>> = vec![None; values.len()];
        value_gradients[self.program.scores] = Some(gradient);
        for (step, memory) in self.program.steps.iter().zip(memories).rev() {
            let range = step.parameters.clone();
            let parameters = &mut parameters[range.clone()];
            let in_blocks = learning.is_some() && step.layer.learns_in_blocks();
            let gradients = &mut all_gradients[range.clone()];
            if !in_blocks {
                gradients.iter_mut().zip(&*parameters).for_each(|(to, values)| to.resize(values.len(), 0.0));
            }
            let Some(output_gradient) = value_gradients[step.output].take() else {
                // Nothing that leads to the scores reads it.
                for (gradient, values) in gradients.iter_mut().zip(&*parameters) {
                    gradient.clear();
                    gradient.resize(values.len(), 0.0);
                }
                if let Some(learning) = &mut learning {
                    self.follow(learning, range, parameters, gradients);
                }
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
                    parameters,
                    output: self.value(values, images, step.output),
                    output_gradient: &output_gradient,
                    input_gradients: &mut places,
                    parameter_gradients: (step.learns && !in_blocks).then_some(&mut *gradients),
                    memory,
                });
                match &mut learning {
                    Some(Learning { rule, slots }) if step.learns && in_blocks => {
                        let kept = slots[range].iter_mut().zip(parameters);
                        let parameters =
                            kept.map(|(slots, values)| Some(Part::new(values, slots.as_mut()?))).collect();
                        step.layer.learn(Learn {
                            context: self.context(),
                            inputs: &inputs,
                            rule: *rule,
                            parameters,
                            memory,
                        });
                    }
                    Some(learning) if step.learns => self.follow(learning, range, parameters, gradients),
                    _ => {}
                }
                for (&input, gradient) in step.inputs.iter().zip(found) {
                    collect(&mut value_gradients[input], gradient, buffers);
                }
            }
            buffers.give(output_gradient);
        }
        value_gradients.into_iter().flatten().for_each(|rest| buffers.give(rest));
    }

    /// Lets the parameters of one step follow their gradients.
    fn follow(
        &self,
        learning: &mut Learning,
        range: Range<usize>,
        parameters: &mut [Vec<f32>],
        gradients: &[Vec<f32>],
    ) {
        let rule: &dyn Update = learning.rule;
        for ((slots, values), gradient) in learning.slots[range].iter_mut().zip(parameters).zip(gradients) {
            if let Some(slots) = slots {
                Part::new(values, slots).follow_in_parallel(rule, self.isa, gradient);
            }
        }
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
