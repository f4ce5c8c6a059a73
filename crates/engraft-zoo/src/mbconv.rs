//! The blocks that EfficientNet and EfficientNetV2 are made of.

use engraft_graph::{Activation, GraphBuilder, GraphError, NodeId, Op, Padding};

use crate::layers::{conv2d_with_bias, pad_for_stride_2};

const BATCH_NORM_EPSILON: f32 = 1e-3;

/// What the probability to skip a block while training rises to.
const STOCHASTIC_DEPTH_RATE: f64 = 0.2;

/// An inverted residual block.
pub(crate) struct Block {
    /// Stands before the names of its layers.
    pub(crate) prefix: String,
    pub(crate) kind: BlockKind,
    /// Channels inside the block per channel of its input.
    pub(crate) expansion: usize,
    /// Output channels.
    pub(crate) channels: usize,
    pub(crate) stride: usize,
    pub(crate) kernel: usize,
    /// The probability, in 0..1, that it is skipped while training.
    pub(crate) stochastic_depth_rate: f32,
}

/// The probability to skip block number `index` of `count`: it rises evenly from zero.
pub(crate) fn stochastic_depth_rate(index: usize, count: usize) -> f32 {
    (STOCHASTIC_DEPTH_RATE * index as f64 / count as f64) as f32
}

/// What looks at the neighbourhood of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// A depthwise convolution behind a layer of padding, then squeeze-and-excite.
    PaddedDepthwise,
    /// A depthwise convolution, then squeeze-and-excite.
    Depthwise,
    /// A full convolution, which expands at the same time.
    Fused,
}

impl Block {
    /// Adds its layers, with the input added again where the shapes allow it.
    pub(crate) fn add_to(&self, net: &mut GraphBuilder, input: NodeId) -> Result<NodeId, GraphError> {
        let x = match self.kind {
            BlockKind::Fused => self.fused(net, input)?,
            _ => self.separate(net, input)?,
        };
        if self.stride > 1 || net.shape(input) != net.shape(x) {
            return Ok(x);
        }
        let x = self.stochastic_depth(net, x)?;
        net.add(&format!("{}_add", self.prefix), x, input)
    }

    fn separate(&self, net: &mut GraphBuilder, input: NodeId) -> Result<NodeId, GraphError> {
        let prefix = &self.prefix;
        let in_channels = net.shape(input).channels();
        let mut x = input;
        if self.expansion != 1 {
            let wide = in_channels * self.expansion;
            x = net.conv2d(&format!("{prefix}_expand_conv"), x, wide, 1, 1, Padding::Same)?;
            x = norm_and_silu(net, &format!("{prefix}_expand"), x)?;
        }
        let x = self.depthwise(net, x)?;
        let x = norm_and_silu(net, prefix, x)?;
        let x = squeeze_and_excite(net, prefix, x, (in_channels / 4).max(1))?;
        self.projection(net, x, 1, 1)
    }

    fn fused(&self, net: &mut GraphBuilder, input: NodeId) -> Result<NodeId, GraphError> {
        let prefix = &self.prefix;
        if self.expansion == 1 {
            let x = self.projection(net, input, self.kernel, self.stride)?;
            return net.activation(&format!("{prefix}_project_activation"), x, Activation::Silu);
        }
        let wide = net.shape(input).channels() * self.expansion;
        let name = format!("{prefix}_expand_conv");
        let x = net.conv2d(&name, input, wide, self.kernel, self.stride, Padding::Same)?;
        let x = norm_and_silu(net, &format!("{prefix}_expand"), x)?;
        self.projection(net, x, 1, 1)
    }

    fn depthwise(&self, net: &mut GraphBuilder, x: NodeId) -> Result<NodeId, GraphError> {
        let Block { prefix, kernel, stride, .. } = self;
        if self.kind == BlockKind::Depthwise {
            return net.depthwise_conv2d(&format!("{prefix}_dwconv2"), x, *kernel, *stride, Padding::Same);
        }
        let name = format!("{prefix}_dwconv");
        if *stride == 1 {
            return net.depthwise_conv2d(&name, x, *kernel, 1, Padding::Same);
        }
        let x = pad_for_stride_2(net, &format!("{name}_pad"), x, *kernel)?;
        net.depthwise_conv2d(&name, x, *kernel, *stride, Padding::Valid)
    }

    fn projection(
        &self,
        net: &mut GraphBuilder,
        x: NodeId,
        kernel: usize,
        stride: usize,
    ) -> Result<NodeId, GraphError> {
        let prefix = &self.prefix;
        let x =
            net.conv2d(&format!("{prefix}_project_conv"), x, self.channels, kernel, stride, Padding::Same)?;
        net.batch_norm(&format!("{prefix}_project_bn"), x, BATCH_NORM_EPSILON)
    }

    /// The first block of a network is never skipped and has no layer for it.
    fn stochastic_depth(&self, net: &mut GraphBuilder, x: NodeId) -> Result<NodeId, GraphError> {
        let rate = self.stochastic_depth_rate;
        if rate == 0.0 {
            return Ok(x);
        }
        net.node(&format!("{}_drop", self.prefix), Op::StochasticDepth { rate }, &[x])
    }
}

/// Weighs the channels by what a network with `squeezed` channels in between makes of their means.
fn squeeze_and_excite(
    net: &mut GraphBuilder,
    prefix: &str,
    input: NodeId,
    squeezed: usize,
) -> Result<NodeId, GraphError> {
    let channels = net.shape(input).channels();
    let [reduce, expand] = ["reduce", "expand"].map(|part| format!("{prefix}_se_{part}"));
    let x = net.global_average_pool2d(&format!("{prefix}_se_squeeze"), input)?;
    let x = net.node(&format!("{prefix}_se_reshape"), Op::Reshape { height: 1, width: 1, channels }, &[x])?;
    let x = conv2d_with_bias(net, &reduce, x, squeezed, 1)?;
    let x = net.activation(&format!("{reduce}/silu"), x, Activation::Silu)?;
    let x = conv2d_with_bias(net, &expand, x, channels, 1)?;
    let x = net.activation(&format!("{expand}/sigmoid"), x, Activation::Sigmoid)?;
    net.multiply(&format!("{prefix}_se_excite"), input, x)
}

/// Adds `PREFIX_bn` and `PREFIX_activation`.
pub(crate) fn norm_and_silu(net: &mut GraphBuilder, prefix: &str, x: NodeId) -> Result<NodeId, GraphError> {
    let x = net.batch_norm(&format!("{prefix}_bn"), x, BATCH_NORM_EPSILON)?;
    net.activation(&format!("{prefix}_activation"), x, Activation::Silu)
}
