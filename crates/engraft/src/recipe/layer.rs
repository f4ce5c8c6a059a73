//! One layer of a network file.

use engraft_graph::{
    Activation, BatchNorm, Conv2d, DepthwiseConv2d, GraphBuilder, GraphError, NodeId, Op, Padding, Pool2d,
};
use serde::{Deserialize, Serialize};

/// A layer, with the names and the defaults of Keras; sizes are square.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum RecipeLayer {
    /// Two-dimensional convolution with a bias.
    Conv2d {
        /// Output channels.
        filters: usize,
        /// Height and width of the kernel, in pixels.
        kernel: usize,
        /// Vertical and horizontal stride, in pixels.
        #[serde(default = "one")]
        stride: usize,
        /// What happens at the border.
        #[serde(default = "valid")]
        padding: Padding,
        /// What is applied to the result.
        activation: Option<Activation>,
    },
    /// Two-dimensional convolution of each channel with its own filter and a bias.
    DepthwiseConv2d {
        /// Height and width of the kernel, in pixels.
        kernel: usize,
        /// Vertical and horizontal stride, in pixels.
        #[serde(default = "one")]
        stride: usize,
        /// What happens at the border.
        #[serde(default = "valid")]
        padding: Padding,
        /// What is applied to the result.
        activation: Option<Activation>,
    },
    /// Matrix product with a bias.
    Dense {
        /// Output features.
        units: usize,
        /// What is applied to the result.
        activation: Option<Activation>,
    },
    /// Batch normalisation.
    BatchNorm {
        /// Added to the variance before the square root.
        #[serde(default = "epsilon")]
        epsilon: f32,
        /// Share of the moving statistics that stays in each step, from 0 to below 1.
        #[serde(default = "momentum")]
        momentum: f64,
    },
    /// An element-wise function.
    Activation {
        /// Which.
        function: Activation,
    },
    /// The largest value of each channel in windows side by side.
    MaxPool2d {
        /// Height and width of a window, in pixels.
        #[serde(default = "two")]
        window: usize,
    },
    /// The mean of each channel in windows side by side.
    AveragePool2d {
        /// Height and width of a window, in pixels.
        #[serde(default = "two")]
        window: usize,
    },
    /// The mean of each channel over all pixels.
    GlobalAveragePool2d,
    /// A map as a vector.
    Flatten,
    /// While training, zeroes a share of the elements.
    Dropout {
        /// The share, from 0 to below 1.
        rate: f32,
    },
}

/// Keras' `BatchNormalization`.
fn epsilon() -> f32 {
    1e-3
}

/// Likewise.
fn momentum() -> f64 {
    BatchNorm::MOMENTUM
}

fn one() -> usize {
    1
}

fn two() -> usize {
    2
}

fn valid() -> Padding {
    Padding::Valid
}

impl RecipeLayer {
    /// What its nodes are called before they are numbered.
    pub(super) fn kind(self) -> &'static str {
        match self {
            RecipeLayer::Conv2d { .. } => "conv2d",
            RecipeLayer::DepthwiseConv2d { .. } => "depthwise_conv2d",
            RecipeLayer::Dense { .. } => "dense",
            RecipeLayer::BatchNorm { .. } => "batch_norm",
            RecipeLayer::Activation { .. } => "activation",
            RecipeLayer::MaxPool2d { .. } => "max_pool2d",
            RecipeLayer::AveragePool2d { .. } => "average_pool2d",
            RecipeLayer::GlobalAveragePool2d => "global_average_pool2d",
            RecipeLayer::Flatten => "flatten",
            RecipeLayer::Dropout { .. } => "dropout",
        }
    }

    /// Adds the layer as `name`, and its activation as `name_activation`.
    pub(super) fn add(self, net: &mut GraphBuilder, name: &str, x: NodeId) -> Result<NodeId, GraphError> {
        let node = net.node(name, self.op(), &[x])?;
        match self.activation() {
            Some(function) => net.activation(&format!("{name}_activation"), node, function),
            None => Ok(node),
        }
    }

    fn op(self) -> Op {
        match self {
            RecipeLayer::Conv2d { filters, kernel, stride, padding, .. } => {
                let (kernel, strides) = ([kernel; 2], [stride; 2]);
                Op::Conv2d(Conv2d { filters, kernel, strides, padding, bias: true })
            }
            RecipeLayer::DepthwiseConv2d { kernel, stride, padding, .. } => {
                let (kernel, strides) = ([kernel; 2], [stride; 2]);
                Op::DepthwiseConv2d(DepthwiseConv2d { kernel, strides, padding, bias: true })
            }
            RecipeLayer::Dense { units, .. } => Op::Dense(engraft_graph::Dense { units, bias: true }),
            RecipeLayer::BatchNorm { epsilon, momentum } => {
                Op::BatchNorm(BatchNorm { epsilon, momentum, scale: true, center: true })
            }
            RecipeLayer::Activation { function } => Op::Activation(function),
            RecipeLayer::MaxPool2d { window } => Op::MaxPool2d(windows(window)),
            RecipeLayer::AveragePool2d { window } => Op::AveragePool2d(windows(window)),
            RecipeLayer::GlobalAveragePool2d => Op::GlobalAveragePool2d,
            RecipeLayer::Flatten => Op::Flatten,
            RecipeLayer::Dropout { rate } => Op::Dropout { rate },
        }
    }

    fn activation(self) -> Option<Activation> {
        match self {
            RecipeLayer::Conv2d { activation, .. }
            | RecipeLayer::DepthwiseConv2d { activation, .. }
            | RecipeLayer::Dense { activation, .. } => activation,
            _ => None,
        }
    }
}

fn windows(side: usize) -> Pool2d {
    Pool2d { window: [side; 2], strides: [side; 2], padding: Padding::Valid }
}
