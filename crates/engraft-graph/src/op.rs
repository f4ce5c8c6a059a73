//! The operations a node can be and their settings. What they weigh and what shape they produce stands in `op/`.
//!
//! Names and defaults follow Keras; convolution kernels are `[height, width, in_channels, out_channels]`.

mod cost;
mod output_shape;
mod weights;

use serde::{Deserialize, Serialize};

pub use weights::WeightSpec;

/// What a node does with its inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Op {
    /// The image, RGB in 0..255 unless the network says otherwise.
    Input {
        /// Rows, in pixels.
        height: usize,
        /// Columns, in pixels.
        width: usize,
        /// Values per pixel.
        channels: usize,
    },
    /// `x * scale + offset`, channel by channel.
    Rescale {
        /// One factor per channel, or one for all.
        scale: Vec<f32>,
        /// One summand per channel, or one for all.
        offset: Vec<f32>,
    },
    /// The channels in the opposite order: RGB becomes BGR.
    ReverseChannels,
    /// `(x - mean) / max(sqrt(variance), 1e-7)`, channel by channel, with stored moments.
    Normalization,
    /// Two-dimensional convolution.
    Conv2d(Conv2d),
    /// Two-dimensional convolution of each channel with its own filter.
    DepthwiseConv2d(DepthwiseConv2d),
    /// Matrix product over the innermost dimension: of a vector, or of every pixel of a map.
    Dense(Dense),
    /// Batch normalisation with the stored moving statistics.
    BatchNorm(BatchNorm),
    /// Normalisation of each pixel, or of a vector, over its channels.
    LayerNorm {
        /// Added to the variance before the square root.
        epsilon: f32,
    },
    /// A learnt factor per channel.
    LayerScale,
    /// An element-wise function, or softmax over a vector.
    Activation(Activation),
    /// Rows and columns of zeros around a map.
    ZeroPadding2d(Margins),
    /// A map without its outermost rows and columns.
    Cropping2d(Margins),
    /// The largest value of each channel in a sliding window; what lies outside the map never wins.
    MaxPool2d(Pool2d),
    /// The mean of each channel in a sliding window over the pixels that lie inside the map.
    AveragePool2d(Pool2d),
    /// The mean of each channel over all pixels.
    GlobalAveragePool2d,
    /// The largest value of each channel over all pixels.
    GlobalMaxPool2d,
    /// The sum of two inputs of equal shape.
    Add,
    /// The product of two inputs of equal shape, or of a map and a map of one pixel with as many channels.
    Multiply,
    /// The channels of all inputs, one input after the other.
    Concatenate,
    /// A map as a vector, row by row with the channels innermost.
    Flatten,
    /// A vector as a map of as many elements, row by row with the channels innermost.
    Reshape {
        /// Rows, in pixels.
        height: usize,
        /// Columns, in pixels.
        width: usize,
        /// Values per pixel.
        channels: usize,
    },
    /// Nothing when a network is frozen; zeroes a fraction of the elements while training.
    Dropout {
        /// The fraction dropped, in 0..1.
        rate: f32,
    },
    /// Nothing when a network is frozen; zeroes all of an image's elements with a probability while training.
    StochasticDepth {
        /// The probability, in 0..1.
        rate: f32,
    },
}

/// Settings of [`Op::Conv2d`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    /// Output channels.
    pub filters: usize,
    /// Kernel height and width, in pixels.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride, in pixels.
    pub strides: [usize; 2],
    /// What happens at the border.
    pub padding: Padding,
    /// Whether a bias is added to each output channel.
    pub bias: bool,
}

/// Settings of [`Op::DepthwiseConv2d`]; the depth multiplier is 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthwiseConv2d {
    /// Kernel height and width, in pixels.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride, in pixels.
    pub strides: [usize; 2],
    /// What happens at the border.
    pub padding: Padding,
    /// Whether a bias is added to each channel.
    pub bias: bool,
}

/// Settings of [`Op::Dense`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Output features.
    pub units: usize,
    /// Whether a bias is added to each output feature.
    pub bias: bool,
}

/// Settings of [`Op::BatchNorm`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// Added to the variance before the square root.
    pub epsilon: f32,
    /// Share of the moving statistics that stays in each step of training, from 0 to below 1; the rest is the batch's.
    #[serde(default = "default_momentum", skip_serializing_if = "is_default_momentum")]
    pub momentum: f64,
    /// Whether there is a learnt factor, `gamma`.
    pub scale: bool,
    /// Whether there is a learnt summand, `beta`.
    pub center: bool,
}

impl BatchNorm {
    /// Keras' default momentum.
    pub const MOMENTUM: f64 = 0.99;
}

fn default_momentum() -> f64 {
    BatchNorm::MOMENTUM
}

/// Graphs without another momentum are written as they were before there was one, so that what is known by their digest stays known.
fn is_default_momentum(momentum: &f64) -> bool {
    *momentum == BatchNorm::MOMENTUM
}

/// Settings of [`Op::MaxPool2d`] and [`Op::AveragePool2d`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool2d {
    /// Window height and width, in pixels.
    pub window: [usize; 2],
    /// Vertical and horizontal stride, in pixels.
    pub strides: [usize; 2],
    /// What happens at the border.
    pub padding: Padding,
}

/// Rows and columns at the edges of a map, in pixels: added by [`Op::ZeroPadding2d`], removed by [`Op::Cropping2d`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Margins {
    /// Rows at the top.
    pub top: usize,
    /// Rows at the bottom.
    pub bottom: usize,
    /// Columns on the left.
    pub left: usize,
    /// Columns on the right.
    pub right: usize,
}

/// Border handling of a sliding window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// Only positions where the window lies inside the map.
    Valid,
    /// As many positions as [`crate::same_padding`] has it; a convolution sees zeros outside the map.
    Same,
}

/// Functions of [`Op::Activation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Activation {
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `x * sigmoid(x)`, also called swish.
    Silu,
    /// `min(max(x + 3, 0), 6) / 6`
    HardSigmoid,
    /// `x * hard_sigmoid(x)`, also called hard swish.
    HardSilu,
    /// `x * (1 + erf(x / sqrt(2))) / 2`
    Gelu,
    /// The hyperbolic tangent.
    Tanh,
    /// `exp(x) / sum(exp(x))` over a vector.
    Softmax,
}
