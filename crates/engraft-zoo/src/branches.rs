//! Inception modules: several branches over one input whose channels are put together.

use engraft_graph::{Activation, BatchNorm, Conv2d, GraphBuilder, GraphError, NodeId, Op, Padding};

use crate::layers::LayerNames;

const BATCH_NORM_EPSILON: f32 = 1e-3;

/// The steps of a branch, one after the other.
pub(crate) type Branch = Vec<Step>;

/// A part of a branch.
pub(crate) enum Step {
    /// A convolution with batch normalisation and ReLU.
    Conv(Conv2d),
    /// The mean of 3 x 3 pixels around each.
    AveragePool,
    /// The largest of 3 x 3 pixels, in steps of two.
    MaxPool,
    /// Two convolutions side by side, put together by a layer of that name, or of Keras' choice.
    Fork([Conv2d; 2], Option<&'static str>),
}

/// A step that keeps the sides, with a kernel of `height` x `width` pixels.
pub(crate) const fn conv(filters: usize, height: usize, width: usize) -> Step {
    Step::Conv(same_conv2d(filters, height, width))
}

/// A convolution that keeps the sides.
pub(crate) const fn same_conv2d(filters: usize, height: usize, width: usize) -> Conv2d {
    Conv2d { filters, kernel: [height, width], strides: [1; 2], padding: Padding::Same, bias: false }
}

/// A step with a square kernel that sees no border.
pub(crate) const fn valid(filters: usize, side: usize, stride: usize) -> Step {
    Step::Conv(Conv2d {
        filters,
        kernel: [side; 2],
        strides: [stride; 2],
        padding: Padding::Valid,
        bias: false,
    })
}

/// What all networks of such modules begin with.
pub(crate) fn stem() -> Branch {
    vec![
        valid(32, 3, 2),
        valid(32, 3, 1),
        conv(64, 3, 3),
        Step::MaxPool,
        valid(80, 1, 1),
        valid(192, 3, 1),
        Step::MaxPool,
    ]
}

/// A network of such modules under construction.
pub(crate) struct BranchBuilder<'a> {
    pub(crate) net: &'a mut GraphBuilder,
    pub(crate) names: &'a mut LayerNames,
}

impl BranchBuilder<'_> {
    /// Adds all branches over `input`, and the layer that puts them together.
    pub(crate) fn module(
        &mut self,
        name: &str,
        branches: &[Branch],
        input: NodeId,
    ) -> Result<NodeId, GraphError> {
        let ends = branches.iter().map(|steps| self.branch(steps, input)).collect::<Result<Vec<_>, _>>()?;
        self.net.concatenate(name, &ends)
    }

    /// Adds the steps one after the other.
    pub(crate) fn branch(&mut self, steps: &[Step], input: NodeId) -> Result<NodeId, GraphError> {
        steps.iter().try_fold(input, |x, step| self.step(step, x))
    }

    fn step(&mut self, step: &Step, x: NodeId) -> Result<NodeId, GraphError> {
        match step {
            Step::Conv(conv) => self.conv(conv, x),
            Step::AveragePool => {
                self.net.average_pool2d(&self.names.next("average_pooling2d"), x, 3, 1, Padding::Same)
            }
            Step::MaxPool => self.net.max_pool2d(&self.names.next("max_pooling2d"), x, 3, 2, Padding::Valid),
            Step::Fork([first, second], name) => {
                let ends = [self.conv(first, x)?, self.conv(second, x)?];
                let name = name.map_or_else(|| self.names.next("concatenate"), str::to_owned);
                self.net.concatenate(&name, &ends)
            }
        }
    }

    fn conv(&mut self, conv: &Conv2d, x: NodeId) -> Result<NodeId, GraphError> {
        let names = ["conv2d", "batch_normalization", "activation"].map(|kind| self.names.next(kind));
        self.named_conv(names, conv, x)
    }

    /// Adds a convolution, its batch normalisation and its ReLU under these names.
    pub(crate) fn named_conv(
        &mut self,
        [conv_name, norm_name, relu_name]: [String; 3],
        conv: &Conv2d,
        x: NodeId,
    ) -> Result<NodeId, GraphError> {
        let norm = BatchNorm {
            epsilon: BATCH_NORM_EPSILON,
            momentum: BatchNorm::MOMENTUM,
            scale: false,
            center: true,
        };
        let x = self.net.node(&conv_name, Op::Conv2d(*conv), &[x])?;
        let x = self.net.node(&norm_name, Op::BatchNorm(norm), &[x])?;
        self.net.activation(&relu_name, x, Activation::Relu)
    }
}
