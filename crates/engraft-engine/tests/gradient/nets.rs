//! Small networks that between them have every operation, and batches for them.

use engraft_engine::{Batch, Gradient, GradientOptions};
use engraft_graph::{
    Activation, BatchNorm, Conv2d, Dense, DepthwiseConv2d, Graph, GraphBuilder, GraphError, Margins, NodeId,
    Op, Padding, Pool2d,
};
use engraft_kernels::InstructionSet;
use engraft_testing::noise;

/// Classes of every network here.
pub const CLASSES: usize = 3;

/// One operation, or two that need each other, after a map of `[7, 6, 4]` that depends on weights.
pub type Middle = fn(&mut GraphBuilder, NodeId) -> Result<NodeId, GraphError>;

/// Each with a name for messages.
pub const MIDDLES: &[(&str, Middle)] = &[
    ("rescale", |net, x| net.rescale("op", x, &[0.5, 2.0, -1.0, 1.5], &[0.1])),
    ("reverse channels", |net, x| net.node("op", Op::ReverseChannels, &[x])),
    ("normalization", |net, x| net.node("op", Op::Normalization, &[x])),
    ("conv 3x3 same", |net, x| conv(net, x, 5, [3, 3], [1, 1], Padding::Same)),
    ("conv 3x3 valid", |net, x| conv(net, x, 17, [3, 3], [1, 1], Padding::Valid)),
    ("conv 3x2 same, strides 2 and 3", |net, x| conv(net, x, 5, [3, 2], [2, 3], Padding::Same)),
    ("conv 2x3 valid, strides 3 and 2", |net, x| conv(net, x, 5, [2, 3], [3, 2], Padding::Valid)),
    ("conv 1x1, stride 2", |net, x| conv(net, x, 5, [1, 1], [2, 2], Padding::Same)),
    ("conv 5x5 same", |net, x| conv(net, x, 3, [5, 5], [1, 1], Padding::Same)),
    ("depthwise 3x3 same", |net, x| depthwise(net, x, [3, 3], [1, 1], Padding::Same)),
    ("depthwise 3x2 same, strides 2 and 1", |net, x| depthwise(net, x, [3, 2], [2, 1], Padding::Same)),
    ("depthwise 2x3 valid, stride 2", |net, x| depthwise(net, x, [2, 3], [2, 2], Padding::Valid)),
    ("dense over a map", |net, x| net.dense("op", x, 6)),
    ("dense without bias", |net, x| {
        let x = net.flatten("flat", x)?;
        net.node("op", Op::Dense(Dense { units: 100, bias: false }), &[x])
    }),
    ("batch norm", |net, x| net.batch_norm("op", x, 1e-3)),
    ("batch norm without gamma", |net, x| {
        net.node(
            "op",
            Op::BatchNorm(BatchNorm {
                epsilon: 1e-2,
                momentum: BatchNorm::MOMENTUM,
                scale: false,
                center: true,
            }),
            &[x],
        )
    }),
    ("batch norm without beta", |net, x| {
        net.node(
            "op",
            Op::BatchNorm(BatchNorm {
                epsilon: 1e-2,
                momentum: BatchNorm::MOMENTUM,
                scale: true,
                center: false,
            }),
            &[x],
        )
    }),
    ("layer norm", |net, x| net.node("op", Op::LayerNorm { epsilon: 1e-3 }, &[x])),
    ("layer scale", |net, x| net.node("op", Op::LayerScale, &[x])),
    ("relu", |net, x| net.activation("op", x, Activation::Relu)),
    ("relu6", |net, x| net.activation("op", x, Activation::Relu6)),
    ("sigmoid", |net, x| net.activation("op", x, Activation::Sigmoid)),
    ("silu", |net, x| net.activation("op", x, Activation::Silu)),
    ("hard sigmoid", |net, x| net.activation("op", x, Activation::HardSigmoid)),
    ("hard silu", |net, x| net.activation("op", x, Activation::HardSilu)),
    ("gelu", |net, x| net.activation("op", x, Activation::Gelu)),
    ("tanh", |net, x| net.activation("op", x, Activation::Tanh)),
    ("zero padding", |net, x| net.zero_padding2d("op", x, Margins { top: 1, bottom: 2, left: 0, right: 3 })),
    ("cropping", |net, x| {
        net.node("op", Op::Cropping2d(Margins { top: 1, bottom: 2, left: 0, right: 3 }), &[x])
    }),
    ("max pool 2x2", |net, x| net.max_pool2d("op", x, 2, 2, Padding::Valid)),
    ("max pool 3x3 same, stride 2", |net, x| net.max_pool2d("op", x, 3, 2, Padding::Same)),
    ("average pool 3x3 same, stride 2", |net, x| net.average_pool2d("op", x, 3, 2, Padding::Same)),
    ("average pool 2x3 valid", |net, x| {
        let pool = Pool2d { window: [2, 3], strides: [2, 1], padding: Padding::Valid };
        net.node("op", Op::AveragePool2d(pool), &[x])
    }),
    ("global average pool", |net, x| net.global_average_pool2d("op", x)),
    ("global max pool", |net, x| net.node("op", Op::GlobalMaxPool2d, &[x])),
    ("add", |net, x| {
        let other = net.activation("other", x, Activation::Tanh)?;
        net.add("op", x, other)
    }),
    ("add to itself", |net, x| net.add("op", x, x)),
    ("multiply", |net, x| {
        let other = net.activation("other", x, Activation::Tanh)?;
        net.multiply("op", x, other)
    }),
    ("squeeze and excite", |net, x| {
        let squeezed = net.global_average_pool2d("squeeze", x)?;
        let factor = net.dense("excite", squeezed, 4)?;
        let factor = net.activation("gate", factor, Activation::Sigmoid)?;
        let factor = net.node("reshape", Op::Reshape { height: 1, width: 1, channels: 4 }, &[factor])?;
        net.multiply("op", x, factor)
    }),
    ("concatenate", |net, x| {
        let other = net.conv2d("other", x, 3, 3, 1, Padding::Same)?;
        net.concatenate("op", &[x, other, x])
    }),
    ("dropout", |net, x| net.dropout("op", x, 0.4)),
    ("stochastic depth", |net, x| net.node("op", Op::StochasticDepth { rate: 0.5 }, &[x])),
];

pub fn conv(
    net: &mut GraphBuilder,
    x: NodeId,
    filters: usize,
    kernel: [usize; 2],
    strides: [usize; 2],
    padding: Padding,
) -> Result<NodeId, GraphError> {
    net.node("op", Op::Conv2d(Conv2d { filters, kernel, strides, padding, bias: true }), &[x])
}

fn depthwise(
    net: &mut GraphBuilder,
    x: NodeId,
    kernel: [usize; 2],
    strides: [usize; 2],
    padding: Padding,
) -> Result<NodeId, GraphError> {
    net.node("op", Op::DepthwiseConv2d(DepthwiseConv2d { kernel, strides, padding, bias: true }), &[x])
}

/// A convolution, the operation, a dense layer and a softmax.
pub fn around(middle: Middle) -> Graph {
    let mut net = GraphBuilder::new();
    let build = |net: &mut GraphBuilder| {
        let x = net.input("image", [7, 6, 2])?;
        let x = net.node(
            "before",
            Op::Conv2d(Conv2d {
                filters: 4,
                kernel: [1, 1],
                strides: [1, 1],
                padding: Padding::Valid,
                bias: true,
            }),
            &[x],
        )?;
        let mut x = middle(net, x)?;
        if net.shape(x).lens().len() > 1 {
            x = net.flatten("vector", x)?;
        }
        let x = net.dense("after", x, CLASSES)?;
        net.activation("softmax", x, Activation::Softmax)
    };
    let output = build(&mut net).unwrap();
    net.finish(output).unwrap()
}

/// A network compiled, with parameters and a batch.
pub struct Setup {
    pub gradient: Gradient,
    pub parameters: Vec<Vec<f32>>,
    pub images: Vec<f32>,
    pub targets: Vec<f32>,
    pub weights: Vec<f32>,
}

impl Setup {
    pub fn new(graph: &Graph, isa: InstructionSet, count: usize, frozen: &[&str]) -> Setup {
        let options = GradientOptions {
            isa,
            label_smoothing: 0.1,
            frozen: frozen.iter().map(ToString::to_string).collect(),
        };
        let gradient = Gradient::compile(graph, &options).unwrap();
        let parameters = gradient.parameters().iter().zip(1..).map(|(spec, seed)| {
            let values = noise(seed, spec.len());
            // Factors and variances lie around 1, weights around 0.
            let centre =
                if ["gamma", "variance"].iter().any(|end| spec.name.ends_with(end)) { 1.2 } else { 0.0 };
            values.into_iter().map(|x| centre + 0.6 * x).collect()
        });
        let parameters = parameters.collect();
        let image_len = graph.nodes()[0].shape.len();
        let classes = gradient.classes();
        let targets =
            (0..count * classes).map(|at| f32::from(u8::from(at / classes % classes == at % classes)));
        Setup {
            parameters,
            images: noise(100, count * image_len),
            targets: targets.collect(),
            weights: (0..count).map(|image| 0.5 + 0.25 * image as f32).collect(),
            gradient,
        }
    }

    pub fn batch(&self) -> Batch<'_> {
        Batch { images: &self.images, targets: &self.targets, weights: Some(&self.weights) }
    }

    /// Arrays for the gradients, full of NaN.
    pub fn gradients(&self) -> Vec<Vec<f32>> {
        self.parameters.iter().map(|values| vec![f32::NAN; values.len()]).collect()
    }
}
