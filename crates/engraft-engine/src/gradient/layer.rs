//! What a step of a network does in both directions. Each layer is a file of its own.

mod activation;
mod average_pool2d;
mod batch_norm;
mod channel_scale;
mod conv2d;
mod dense;
mod depthwise_conv2d;
mod dropout;
mod layer_norm;
mod max_pool2d;
mod movement;
mod pair;
mod rescale;

use engraft_kernels::{AlignedBuffer, Clamp, InstructionSet, PackedMatrix, Terms, Window};

use super::learning::{Part, Update};
pub(super) use activation::Activation;
pub(super) use average_pool2d::AveragePool;
pub(super) use batch_norm::BatchNorm;
pub(super) use channel_scale::{LayerScale, Normalization};
pub(super) use conv2d::Conv2d;
pub(super) use dense::Dense;
pub(super) use depthwise_conv2d::DepthwiseConv2d;
pub(super) use dropout::Dropout;
pub(super) use layer_norm::LayerNorm;
pub(super) use max_pool2d::MaxPool;
pub(super) use movement::{Concatenate, Frame, ReverseChannels};
pub(super) use pair::{Add, Multiply};
pub(super) use rescale::Rescale;

/// An operation for a whole batch; images follow each other in all arrays.
pub(super) trait Layer: Send + Sync {
    /// Computes the output.
    fn forward(&self, pass: Forward);

    /// Computes the gradients that are asked for. Runs after `forward` with the same memory.
    fn backward(&self, pass: Backward);

    /// Whether it updates its parameters itself, in [`Layer::learn`].
    fn learns_in_blocks(&self) -> bool {
        false
    }

    /// Updates the parameters from their gradients as those are computed. Runs after `backward` was not asked for them.
    fn learn(&self, _: Learn) {}

    /// Limits its output from now on, if it can; a limited output is not limited again.
    fn fuse_clamp(&mut self, _: Clamp) -> bool {
        false
    }

    /// Gives the maxima of these windows over its output from now on, if it can.
    fn fuse_max_pool(&mut self, _: Window) -> bool {
        false
    }
}

/// What is the same for all layers of a step.
#[derive(Clone, Copy)]
pub(super) struct Context {
    pub isa: InstructionSet,
    /// Number of images.
    pub images: usize,
    /// Decides what is dropped.
    pub seed: u64,
}

pub(super) struct Forward<'a> {
    pub context: Context,
    pub inputs: &'a [&'a [f32]],
    /// Those of this node, in Keras' order.
    pub parameters: &'a mut [Vec<f32>],
    pub output: &'a mut [f32],
    pub memory: &'a mut Memory,
}

pub(super) struct Backward<'a> {
    pub context: Context,
    pub inputs: &'a [&'a [f32]],
    /// Those of this node, in Keras' order.
    pub parameters: &'a [Vec<f32>],
    pub output: &'a [f32],
    pub output_gradient: &'a [f32],
    /// For each input, where its gradient goes if it is asked for; what is there is overwritten.
    pub input_gradients: &'a mut [Option<&'a mut [f32]>],
    /// Where the gradients of the parameters go, unless they stay as they are.
    pub parameter_gradients: Option<&'a mut [Vec<f32>]>,
    pub memory: &'a mut Memory,
}

pub(super) struct Learn<'a> {
    pub context: Context,
    pub inputs: &'a [&'a [f32]],
    pub rule: &'a dyn Update,
    /// Those of this node, in Keras' order; what stays as it is, is `None`.
    pub parameters: Vec<Option<Part<'a>>>,
    pub memory: &'a mut Memory,
}

/// What a layer keeps between its directions and from step to step. A layer resizes what it uses.
#[derive(Default)]
pub(super) struct Memory {
    pub values: Vec<f32>,
    pub places: Vec<u16>,
    pub packed: Vec<PackedMatrix>,
    pub groups: Vec<Group>,
}

/// What one group of images needs for itself.
pub(super) struct Group {
    /// The gradient of an image's output, packed.
    pub packed: PackedMatrix,
    /// An image with a border.
    pub bordered: Vec<f32>,
    /// Some rows of an image's output before they are pooled.
    pub band: Vec<f32>,
    /// The gradient of some rows of an image's output.
    pub gradient: Vec<f32>,
    /// The same, spread by the strides.
    pub spread: Vec<f32>,
    /// What the group adds to the gradients of the parameters.
    pub sums: Vec<f32>,
    /// What is not zero in the gradient of some rows of an image's output.
    pub terms: Terms,
    /// Some channels of some rows of an image.
    pub block: AlignedBuffer,
    /// Their gradient.
    pub block_gradient: AlignedBuffer,
}

impl Memory {
    /// That many packed matrices.
    pub(super) fn packed(
        packed: &mut Vec<PackedMatrix>,
        isa: InstructionSet,
        count: usize,
    ) -> &mut [PackedMatrix] {
        packed.resize_with(count.max(packed.len()), || PackedMatrix::empty(isa));
        &mut packed[..count]
    }

    /// That many groups.
    pub(super) fn groups(groups: &mut Vec<Group>, isa: InstructionSet, count: usize) -> &mut [Group] {
        let new = || Group {
            packed: PackedMatrix::empty(isa),
            bordered: Vec::new(),
            band: Vec::new(),
            gradient: Vec::new(),
            spread: Vec::new(),
            sums: Vec::new(),
            terms: Terms::default(),
            block: AlignedBuffer::default(),
            block_gradient: AlignedBuffer::default(),
        };
        groups.resize_with(count.max(groups.len()), new);
        &mut groups[..count]
    }
}
