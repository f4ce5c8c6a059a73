//! The layer of every operation.

use engraft_graph::{Activation as Function, Graph, Margins, NodeId, Op, Padding, Shape};
use engraft_kernels::{Activation as Kernel, Clamp, Window};

use super::layer::{
    Activation, Add, AveragePool, BatchNorm, Concatenate, Conv2d, Dense, DepthwiseConv2d, Dropout, Frame,
    Layer, LayerNorm, LayerScale, MaxPool, Multiply, Normalization, Rescale, ReverseChannels,
};
use super::window::{map, window};
use crate::EngineError;

/// What becomes of a node.
pub(super) enum Chosen {
    /// The network's input.
    Image,
    /// The value of its input, unchanged.
    Same,
    /// A step, which a step before it that is read by nothing else may do as well.
    Layer(Box<dyn Layer>, Option<Fusible>),
}

/// What some layers can do to their output on the way.
#[derive(Clone, Copy)]
pub(super) enum Fusible {
    Clamp(Clamp),
    MaxPool(Window),
}

impl Fusible {
    /// Leaves it to `layer`, if that can do it.
    pub(super) fn fuse_into(self, layer: &mut dyn Layer) -> bool {
        match self {
            Fusible::Clamp(clamp) => layer.fuse_clamp(clamp),
            Fusible::MaxPool(windows) => layer.fuse_max_pool(windows),
        }
    }
}

/// The layer of a node; a frozen batch normalisation uses its stored statistics.
pub(super) fn choose(graph: &Graph, id: NodeId, is_frozen: bool) -> Result<Chosen, EngineError> {
    let (node, inputs) = (graph.node(id), graph.input_shapes(id));
    let Some(&input) = inputs.first() else { return Ok(Chosen::Image) };
    let refuse = |reason| Err(EngineError::NoGradient { node: node.name.clone(), reason });
    let channels = input.channels();
    let mut fusible = None;
    let layer: Box<dyn Layer> = match &node.op {
        Op::Flatten | Op::Reshape { .. } => return Ok(Chosen::Same),
        Op::Rescale { scale, offset } => {
            Box::new(Rescale { scale: per_channel(scale, channels), offset: per_channel(offset, channels) })
        }
        Op::ReverseChannels => Box::new(ReverseChannels { channels }),
        Op::Normalization => Box::new(Normalization),
        Op::Conv2d(conv) => {
            let window = window(input, conv.kernel, conv.strides, conv.padding);
            Box::new(Conv2d::new(window, conv.filters, conv.bias))
        }
        Op::DepthwiseConv2d(conv) => {
            let window = window(input, conv.kernel, conv.strides, conv.padding);
            Box::new(DepthwiseConv2d { window, bias: conv.bias })
        }
        Op::Dense(layer) => dense(input, layer),
        Op::BatchNorm(norm) => Box::new(BatchNorm { channels, norm: *norm, frozen: is_frozen }),
        Op::LayerNorm { epsilon } => Box::new(LayerNorm { channels, epsilon: *epsilon }),
        Op::LayerScale => Box::new(LayerScale),
        Op::Activation(function) => match activation(*function) {
            Some(activation) => {
                fusible = activation.clamp().map(Fusible::Clamp);
                Box::new(activation)
            }
            None => return refuse("softmax stands inside the network, expected at its end only"),
        },
        Op::ZeroPadding2d(margins) => frame(input, node.shape, margins, -1),
        Op::Cropping2d(margins) => frame(input, node.shape, margins, 1),
        Op::MaxPool2d(pool) if pool.window[0].saturating_mul(pool.window[1]) > MOST_WINDOW_PIXELS => {
            return refuse("its window has more than 65536 pixels");
        }
        Op::MaxPool2d(pool) => {
            let windows = window(input, pool.window, pool.strides, pool.padding);
            fusible = Some(Fusible::MaxPool(windows));
            Box::new(MaxPool(windows))
        }
        Op::AveragePool2d(pool) => {
            Box::new(AveragePool(window(input, pool.window, pool.strides, pool.padding)))
        }
        Op::GlobalAveragePool2d => Box::new(AveragePool(window(input, map(input).0, [1, 1], Padding::Valid))),
        Op::GlobalMaxPool2d if map(input).0[0].saturating_mul(map(input).0[1]) > MOST_WINDOW_PIXELS => {
            return refuse("its map has more than 65536 pixels");
        }
        Op::GlobalMaxPool2d => Box::new(MaxPool(window(input, map(input).0, [1, 1], Padding::Valid))),
        Op::Add => Box::new(Add),
        Op::Multiply => Box::new(Multiply),
        Op::Concatenate => {
            Box::new(Concatenate { channels: inputs.iter().map(|input| input.channels()).collect() })
        }
        Op::Dropout { rate } => Box::new(Dropout { rate: *rate, whole_images: false, node: id.index() }),
        Op::StochasticDepth { rate } => {
            Box::new(Dropout { rate: *rate, whole_images: true, node: id.index() })
        }
        _ => return refuse("its operation has no gradient"),
    };
    Ok(Chosen::Layer(layer, fusible))
}

/// Places of the maximum are kept in 16 bits.
const MOST_WINDOW_PIXELS: usize = 1 << 16;

/// Over a map, a dense layer is a convolution of single pixels.
fn dense(input: Shape, dense: &engraft_graph::Dense) -> Box<dyn Layer> {
    let engraft_graph::Dense { units, bias } = *dense;
    match input {
        Shape::Vector { features } => Box::new(Dense::new(features, units, bias)),
        Shape::Map { .. } => {
            let window = window(input, [1, 1], [1, 1], Padding::Valid);
            Box::new(Conv2d::new(window, units, bias))
        }
    }
}

fn frame(input: Shape, output: Shape, margins: &Margins, sign: isize) -> Box<dyn Layer> {
    let ((input_size, channels), (output_size, _)) = (map(input), map(output));
    let offset = [margins.top, margins.left].map(|margin| sign * margin as isize);
    Box::new(Frame { input_size, output_size, channels, offset })
}

fn per_channel(values: &[f32], channels: usize) -> Vec<f32> {
    values.iter().copied().cycle().take(channels).collect()
}

fn activation(function: Function) -> Option<Activation> {
    Some(match function {
        Function::Relu => Activation::Clamp(Clamp::RELU),
        Function::Relu6 => Activation::Clamp(Clamp::RELU6),
        Function::Sigmoid => Activation::Function(Kernel::Sigmoid),
        Function::Silu => Activation::Function(Kernel::Silu),
        Function::HardSigmoid => Activation::Function(Kernel::HardSigmoid),
        Function::HardSilu => Activation::Function(Kernel::HardSilu),
        Function::Gelu => Activation::Function(Kernel::Gelu),
        Function::Tanh => Activation::Function(Kernel::Tanh),
        _ => return None,
    })
}
