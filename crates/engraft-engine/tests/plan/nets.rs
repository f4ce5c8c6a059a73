//! Small networks that between them hold every operation and every fusion, at awkward sizes.

use engraft_graph::{
    Activation, BatchNorm, Conv2d, Dense, DepthwiseConv2d, Graph, GraphBuilder, GraphError, Margins,
    NamedTensors, NodeId, Op, Padding, Pool2d, Tensor,
};
use engraft_testing::noise;

type Net = Result<Graph, GraphError>;

/// A network to be tried, with the name of what is special about it.
pub type Case = (&'static str, fn() -> Net);

pub const ALL: &[Case] = &[
    ("inverted residuals on an odd image", || inverted_residuals([45, 39, 3])),
    ("inverted residuals on an even image", || inverted_residuals([32, 48, 3])),
    ("plain convolutions", plain_convolutions),
    ("rectangular kernels and strides", rectangular),
    ("a rescaled image before padding", rescaled_before_padding),
    ("an image that is also used raw", shared_image),
    ("sums in every order", sums),
    ("a node added to itself", doubled),
    ("a batch normalisation after a sum", norm_after_sum),
    ("zero padding that is read by a sum", materialised_padding),
    ("dropout between everything", dropouts),
    ("a classifier", classifier),
    ("a map as the result", map_result),
    ("a branch that nothing reads", dead_branch),
    ("an image in the opposite order", reversed),
    ("stored moments", stored_moments),
    ("every activation after a convolution, a depthwise one, a sum and alone", activations),
    ("squeeze and excite", squeeze_and_excite),
    ("every kind of pooling", pools),
    ("dense blocks", dense_block),
    ("shortcuts that are cut and padded", cut_and_padded),
    ("an attention-free transformer block", normalised_block),
    ("a flattened map", flattened),
    ("normalisation before activation and padding", pre_activation),
    ("one pixel", one_pixel),
    ("vectors that become maps with zeros around them", padded_vectors),
];

/// Weights of a sensible size for any network.
pub fn weights(graph: &Graph) -> NamedTensors {
    let mut tensors = NamedTensors::new();
    for (seed, spec) in graph.weights().into_iter().enumerate() {
        let len = spec.shape.iter().product();
        let noise = noise(seed as u64, len);
        let fan_in = spec.shape[..spec.shape.len().saturating_sub(1)].iter().product::<usize>() as f32;
        let values = match spec.name.rsplit('/').next() {
            Some("moving_variance" | "variance" | "gamma") => noise.iter().map(|x| 1.0 + 0.5 * x).collect(),
            Some("kernel") => noise.iter().map(|x| x * 2.0 / fan_in.sqrt()).collect(),
            _ => noise,
        };
        tensors.insert(spec.name, Tensor::from_f32(spec.shape, values).unwrap()).unwrap();
    }
    tensors
}

/// Like EfficientNet-Lite: stem, blocks with both kernels and strides, residuals, top.
pub fn inverted_residuals(size: [usize; 3]) -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", size)?;
    let x = net.rescale("rescale", image, &[1.0 / 127.0; 3], &[-1.0, -0.9, -1.1])?;
    let x = net.conv2d("stem", x, 24, 3, 2, Padding::Same)?;
    let mut x = activated(&mut net, "stem", x)?;
    for (name, expansion, channels, stride, kernel) in [
        ("a", 1, 16, 1, 3),
        ("b", 4, 24, 2, 3),
        ("c", 4, 24, 1, 3),
        ("d", 3, 40, 2, 5),
        ("e", 2, 40, 1, 5),
        ("f", 2, 20, 1, 5),
    ] {
        let input = x;
        if expansion > 1 {
            let expanded = net.shape(input).channels() * expansion;
            x = net.conv2d(&format!("{name}_expand"), x, expanded, 1, 1, Padding::Same)?;
            x = activated(&mut net, &format!("{name}_expand"), x)?;
        }
        x = net.depthwise_conv2d(&format!("{name}_depthwise"), x, kernel, stride, Padding::Same)?;
        x = activated(&mut net, &format!("{name}_depthwise"), x)?;
        x = net.conv2d(&format!("{name}_project"), x, channels, 1, 1, Padding::Same)?;
        x = net.batch_norm(&format!("{name}_project_bn"), x, 1e-3)?;
        if net.shape(x) == net.shape(input) {
            x = net.add(&format!("{name}_add"), x, input)?;
        }
    }
    let x = net.conv2d("top", x, 70, 1, 1, Padding::Same)?;
    let x = activated(&mut net, "top", x)?;
    let x = net.global_average_pool2d("pool", x)?;
    net.finish(x)
}

fn activated(net: &mut GraphBuilder, name: &str, x: NodeId) -> Result<NodeId, GraphError> {
    let x = net.batch_norm(&format!("{name}_bn"), x, 1e-3)?;
    net.activation(&format!("{name}_relu6"), x, Activation::Relu6)
}

fn plain_convolutions() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [23, 21, 3])?;
    let x = net.conv2d("valid", image, 5, 5, 2, Padding::Valid)?;
    let x = net.activation("relu", x, Activation::Relu)?;
    let x = net.conv2d("same", x, 17, 3, 1, Padding::Same)?;
    let x = net.zero_padding2d("pad", x, Margins { top: 0, bottom: 1, left: 2, right: 1 })?;
    let x = net.conv2d("strided", x, 6, 3, 2, Padding::Valid)?;
    let x = net.conv2d("sparse", x, 33, 1, 2, Padding::Same)?;
    let x = net.zero_padding2d("pad_twice", x, Margins { top: 1, bottom: 1, left: 1, right: 1 })?;
    let x = net.depthwise_conv2d("depthwise", x, 3, 1, Padding::Same)?;
    net.finish(x)
}

fn rectangular() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [19, 14, 4])?;
    let conv = Conv2d { filters: 9, kernel: [1, 4], strides: [1, 2], padding: Padding::Same, bias: true };
    let x = net.node("conv", Op::Conv2d(conv), &[image])?;
    let conv = DepthwiseConv2d { kernel: [4, 2], strides: [3, 1], padding: Padding::Same, bias: true };
    let x = net.node("depthwise", Op::DepthwiseConv2d(conv), &[x])?;
    let conv = DepthwiseConv2d { kernel: [7, 7], strides: [2, 2], padding: Padding::Same, bias: false };
    let x = net.node("depthwise_7", Op::DepthwiseConv2d(conv), &[x])?;
    net.finish(x)
}

fn rescaled_before_padding() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [9, 9, 3])?;
    let x = net.batch_norm("norm", image, 1e-3)?;
    let x = net.rescale("rescale", x, &[0.02, 0.01, 0.03], &[3.0, -2.0, 1.0])?;
    let x = net.depthwise_conv2d("depthwise", x, 3, 1, Padding::Same)?;
    let x = net.rescale("rescale_again", x, &[0.5; 3], &[1.0; 3])?;
    let x = net.activation("relu", x, Activation::Relu)?;
    let x = net.rescale("rescale_late", x, &[0.5; 3], &[1.0; 3])?;
    let x = net.conv2d("conv", x, 8, 3, 1, Padding::Same)?;
    net.finish(x)
}

fn shared_image() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [8, 10, 3])?;
    let x = net.rescale("rescale", image, &[0.01; 3], &[-1.0; 3])?;
    let padded = net.conv2d("conv", x, 3, 3, 1, Padding::Same)?;
    let x = net.add("add", image, padded)?;
    let x = net.conv2d("wide", x, 3, 5, 1, Padding::Same)?;
    let y = net.conv2d("narrow", image, 3, 1, 1, Padding::Same)?;
    let x = net.add("join", y, x)?;
    net.finish(x)
}

fn sums() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [6, 7, 3])?;
    let image = net.rescale("rescale", image, &[0.01; 3], &[-1.0; 3])?;
    let a = net.conv2d("a", image, 20, 1, 1, Padding::Same)?;
    let b = net.conv2d("b", image, 20, 3, 1, Padding::Same)?;
    let a = net.batch_norm("a_bn", a, 1e-3)?;
    let first = net.add("first", b, a)?;
    let c = net.depthwise_conv2d("c", first, 5, 1, Padding::Same)?;
    let second = net.add("second", first, c)?;
    let second = net.activation("relu", second, Activation::Relu)?;
    let d = net.conv2d("d", second, 20, 1, 1, Padding::Same)?;
    let d = net.activation("d_relu", d, Activation::Relu)?;
    let third = net.add("third", d, first)?;
    let e = net.conv2d("e", third, 20, 3, 1, Padding::Same)?;
    let e = net.dropout("drop", e, 0.5)?;
    let fourth = net.add("fourth", third, e)?;
    let x = net.activation("relu6", fourth, Activation::Relu6)?;
    net.finish(x)
}

fn doubled() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [5, 5, 3])?;
    let x = net.conv2d("conv", image, 18, 1, 1, Padding::Same)?;
    let x = net.add("double", x, x)?;
    let x = net.activation("relu", x, Activation::Relu)?;
    let x = net.activation("relu6", x, Activation::Relu6)?;
    net.finish(x)
}

fn norm_after_sum() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [7, 5, 3])?;
    let a = net.conv2d("a", image, 19, 3, 2, Padding::Same)?;
    let b = net.conv2d("b", image, 19, 3, 2, Padding::Same)?;
    let x = net.add("add", a, b)?;
    let norm = BatchNorm { epsilon: 0.01, momentum: BatchNorm::MOMENTUM, scale: false, center: true };
    let x = net.node("norm", Op::BatchNorm(norm), &[x])?;
    let x = net.activation("relu6", x, Activation::Relu6)?;
    let norm = BatchNorm { epsilon: 0.01, momentum: BatchNorm::MOMENTUM, scale: true, center: false };
    let x = net.node("norm_again", Op::BatchNorm(norm), &[x])?;
    let x = net.depthwise_conv2d("depthwise", x, 3, 2, Padding::Same)?;
    net.finish(x)
}

fn materialised_padding() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [6, 6, 3])?;
    let x = net.conv2d("conv", image, 7, 1, 1, Padding::Same)?;
    let padded = net.zero_padding2d("pad", x, Margins { top: 1, bottom: 2, left: 0, right: 3 })?;
    let filtered = net.conv2d("filter", padded, 7, 3, 1, Padding::Same)?;
    let x = net.add("add", padded, filtered)?;
    let x = net.zero_padding2d("result", x, Margins { top: 0, bottom: 1, left: 1, right: 0 })?;
    net.finish(x)
}

fn dropouts() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [6, 6, 3])?;
    let x = net.dropout("drop_image", image, 0.1)?;
    let x = net.conv2d("conv", x, 5, 3, 1, Padding::Same)?;
    let x = net.dropout("drop", x, 0.1)?;
    let x = net.batch_norm("norm", x, 1e-3)?;
    let y = net.dropout("drop_shared", x, 0.1)?;
    let x = net.add("add", x, y)?;
    let x = net.dropout("drop_result", x, 0.1)?;
    net.finish(x)
}

fn classifier() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [9, 8, 1])?;
    let x = net.conv2d("conv", image, 30, 3, 2, Padding::Same)?;
    let x = net.global_average_pool2d("pool", x)?;
    let x = net.dense("hidden", x, 65)?;
    let x = net.activation("relu", x, Activation::Relu)?;
    let x = net.batch_norm("norm", x, 1e-3)?;
    let x = net.dropout("dropout", x, 0.5)?;
    let x = net.node("logits", Op::Dense(Dense { units: 5, bias: false }), &[x])?;
    let x = net.activation("softmax", x, Activation::Softmax)?;
    net.finish(x)
}

fn map_result() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [11, 13, 3])?;
    let x = net.conv2d("conv", image, 21, 3, 1, Padding::Same)?;
    let _ = net.depthwise_conv2d("border", x, 3, 1, Padding::Same)?;
    net.finish(x)
}

fn dead_branch() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [11, 13, 3])?;
    let x = net.conv2d("conv", image, 21, 3, 1, Padding::Same)?;
    let dead = net.depthwise_conv2d("dead", x, 5, 1, Padding::Same)?;
    let _ = net.activation("dead_relu", dead, Activation::Relu)?;
    let x = net.batch_norm("norm", x, 1e-3)?;
    net.finish(x)
}

fn reversed() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [9, 7, 3])?;
    let x = net.rescale("first", image, &[0.01, 0.02, 0.03], &[0.0, 0.5, 1.0])?;
    let x = net.node("bgr", Op::ReverseChannels, &[x])?;
    let x = net.rescale("centred", x, &[1.0], &[-0.4, -0.5, -0.6])?;
    let x = net.conv2d("conv", x, 18, 3, 1, Padding::Same)?;
    let y = net.node("channels", Op::ReverseChannels, &[x])?;
    let x = net.add("add", x, y)?;
    net.finish(x)
}

fn stored_moments() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [9, 7, 3])?;
    let x = net.rescale("rescaling", image, &[1.0 / 255.0], &[0.0])?;
    let x = net.node("normalization", Op::Normalization, &[x])?;
    let x = net.conv2d("conv", x, 19, 3, 2, Padding::Same)?;
    let x = net.node("scale", Op::LayerScale, &[x])?;
    let x = net.activation("relu", x, Activation::Relu)?;
    let x = net.node("scale_again", Op::LayerScale, &[x])?;
    net.finish(x)
}

const FUNCTIONS: [Activation; 8] = [
    Activation::Relu,
    Activation::Relu6,
    Activation::Sigmoid,
    Activation::Silu,
    Activation::HardSigmoid,
    Activation::HardSilu,
    Activation::Gelu,
    Activation::Tanh,
];

fn activations() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [8, 9, 3])?;
    let image = net.rescale("rescale", image, &[1.0 / 64.0], &[-2.0])?;
    let mut parts = Vec::new();
    for (index, function) in FUNCTIONS.into_iter().enumerate() {
        let x = net.conv2d(&format!("conv{index}"), image, 18, 3, 1, Padding::Same)?;
        let a = net.activation(&format!("conv{index}_act"), x, function)?;
        let x = net.depthwise_conv2d(&format!("depthwise{index}"), a, 3, 1, Padding::Same)?;
        let b = net.activation(&format!("depthwise{index}_act"), x, function)?;
        let x = net.add(&format!("add{index}"), a, b)?;
        let x = net.activation(&format!("add{index}_act"), x, function)?;
        parts.push(net.activation(&format!("alone{index}"), x, function)?);
    }
    let x = net.concatenate("concatenate", &parts)?;
    net.finish(x)
}

fn squeeze_and_excite() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [10, 11, 3])?;
    let x = net.conv2d("conv", image, 22, 3, 2, Padding::Same)?;
    let x = activated(&mut net, "conv", x)?;
    let s = net.global_average_pool2d("squeeze", x)?;
    let s = net.node("reshape", Op::Reshape { height: 1, width: 1, channels: 22 }, &[s])?;
    let pointwise = |filters| {
        let (kernel, strides, padding) = ([1, 1], [1, 1], Padding::Same);
        Op::Conv2d(Conv2d { filters, kernel, strides, padding, bias: true })
    };
    let s = net.node("reduce", pointwise(5), &[s])?;
    let s = net.activation("reduce_act", s, Activation::Silu)?;
    let s = net.node("expand", pointwise(22), &[s])?;
    let s = net.activation("expand_act", s, Activation::Sigmoid)?;
    let x = net.multiply("excite", x, s)?;
    let x = net.multiply("square", x, x)?;
    let x = net.conv2d("project", x, 7, 1, 1, Padding::Same)?;
    net.finish(x)
}

fn pools() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [13, 11, 3])?;
    let x = net.conv2d("conv", image, 20, 3, 1, Padding::Same)?;
    let a = net.max_pool2d("max_same", x, 3, 2, Padding::Same)?;
    let b = net.average_pool2d("average_same", x, 3, 2, Padding::Same)?;
    let x = net.add("add", a, b)?;
    let x = net.average_pool2d("average_same_1", x, 3, 1, Padding::Same)?;
    let margins = Margins { top: 1, bottom: 1, left: 1, right: 1 };
    let x = net.zero_padding2d("pad", x, margins)?;
    let x = net.max_pool2d("max_valid", x, 3, 2, Padding::Valid)?;
    let pool = Pool2d { window: [2, 1], strides: [1, 2], padding: Padding::Valid };
    let x = net.node("average_valid", Op::AveragePool2d(pool), &[x])?;
    let a = net.node("most", Op::GlobalMaxPool2d, &[x])?;
    let b = net.global_average_pool2d("mean", x)?;
    let x = net.concatenate("both", &[a, b])?;
    net.finish(x)
}

fn dense_block() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [9, 9, 3])?;
    let mut x = net.conv2d("conv", image, 17, 3, 2, Padding::Same)?;
    for name in ["a", "b", "c"] {
        let y = net.batch_norm(&format!("{name}_bn"), x, 1e-5)?;
        let y = net.activation(&format!("{name}_relu"), y, Activation::Relu)?;
        let y = net.conv2d(&format!("{name}_conv"), y, 6, 3, 1, Padding::Same)?;
        x = net.concatenate(&format!("{name}_concatenate"), &[x, y])?;
    }
    let x = net.concatenate("twice", &[x, x])?;
    net.finish(x)
}

fn cut_and_padded() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [10, 12, 3])?;
    let x = net.conv2d("conv", image, 18, 3, 1, Padding::Same)?;
    let padded = net.zero_padding2d("pad", x, Margins { top: 0, bottom: 1, left: 0, right: 1 })?;
    let cut = Margins { top: 1, bottom: 0, left: 1, right: 0 };
    let shifted = net.node("crop", Op::Cropping2d(cut), &[padded])?;
    let x = net.average_pool2d("pool", shifted, 1, 2, Padding::Valid)?;
    let x = net.conv2d("project", x, 9, 1, 1, Padding::Same)?;
    net.finish(x)
}

/// As in ConvNeXt.
fn normalised_block() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [12, 12, 3])?;
    let image = net.rescale("rescale", image, &[1.0 / 128.0], &[-1.0])?;
    let x = net.conv2d("stem", image, 21, 4, 4, Padding::Valid)?;
    let input = net.node("stem_norm", Op::LayerNorm { epsilon: 1e-6 }, &[x])?;
    let x = net.depthwise_conv2d("depthwise", input, 7, 1, Padding::Same)?;
    let x = net.node("norm", Op::LayerNorm { epsilon: 1e-6 }, &[x])?;
    let x = net.dense("expand", x, 50)?;
    let x = net.activation("gelu", x, Activation::Gelu)?;
    let x = net.dense("project", x, 21)?;
    let x = net.node("scale", Op::LayerScale, &[x])?;
    let x = net.node("depth", Op::StochasticDepth { rate: 0.1 }, &[x])?;
    let x = net.add("add", input, x)?;
    let x = net.global_average_pool2d("pool", x)?;
    let x = net.node("head_norm", Op::LayerNorm { epsilon: 1e-6 }, &[x])?;
    net.finish(x)
}

fn flattened() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [6, 5, 3])?;
    let x = net.conv2d("conv", image, 7, 3, 1, Padding::Same)?;
    let x = net.activation("relu", x, Activation::Relu)?;
    let x = net.flatten("flatten", x)?;
    let x = net.dense("hidden", x, 24)?;
    let x = net.node("map", Op::Reshape { height: 2, width: 4, channels: 3 }, &[x])?;
    let x = net.conv2d("again", x, 4, 2, 1, Padding::Valid)?;
    let x = net.flatten("flatten_again", x)?;
    net.finish(x)
}

/// As in ResNet V2: zeros are added after the normalisation, so it cannot be part of the convolution behind them.
fn pre_activation() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [11, 10, 3])?;
    let x = net.conv2d("conv", image, 17, 1, 1, Padding::Same)?;
    let y = net.batch_norm("bn", x, 1e-5)?;
    let y = net.activation("relu", y, Activation::Relu)?;
    let y = net.zero_padding2d("pad", y, Margins { top: 1, bottom: 1, left: 1, right: 1 })?;
    let y = net.conv2d("strided", y, 17, 3, 2, Padding::Valid)?;
    let x = net.max_pool2d("shortcut", x, 1, 2, Padding::Valid)?;
    let x = net.add("add", x, y)?;
    let x = net.batch_norm("post_bn", x, 1e-5)?;
    let x = net.activation("post_relu", x, Activation::Relu)?;
    net.finish(x)
}

fn one_pixel() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [1, 1, 3])?;
    let x = net.conv2d("conv", image, 33, 3, 2, Padding::Same)?;
    let x = net.depthwise_conv2d("depthwise", x, 5, 2, Padding::Same)?;
    let x = net.max_pool2d("max", x, 3, 2, Padding::Same)?;
    let x = net.average_pool2d("average", x, 2, 2, Padding::Same)?;
    let x = net.flatten("flatten", x)?;
    net.finish(x)
}

fn padded_vectors() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [4, 3, 5])?;
    let pooled = net.global_average_pool2d("pool", image)?;
    let map = net.node("map", Op::Reshape { height: 1, width: 1, channels: 5 }, &[pooled])?;
    let x = net.conv2d("conv", map, 17, 3, 1, Padding::Same)?;
    let x = net.flatten("flatten", x)?;
    let x = net.activation("softmax", x, Activation::Softmax)?;
    let x = net.node("map_again", Op::Reshape { height: 1, width: 1, channels: 17 }, &[x])?;
    let x = net.depthwise_conv2d("depthwise", x, 5, 1, Padding::Same)?;
    net.finish(x)
}

/// Every kernel that works by rows, on maps large enough to be split over threads.
pub fn wide_maps() -> Net {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [83, 78, 3])?;
    let x = net.rescale("rescale", image, &[0.01; 3], &[-1.0; 3])?;
    let x = net.conv2d("conv", x, 33, 3, 1, Padding::Same)?;
    let y = net.activation("gelu", x, Activation::Gelu)?;
    let x = net.multiply("multiply", x, y)?;
    let y = net.max_pool2d("max", x, 3, 1, Padding::Same)?;
    let x = net.average_pool2d("average", x, 2, 1, Padding::Same)?;
    let x = net.add("add", x, y)?;
    let x = net.node("norm", Op::LayerNorm { epsilon: 1e-3 }, &[x])?;
    let x = net.node("reverse", Op::ReverseChannels, &[x])?;
    let x = net.concatenate("concatenate", &[x, y])?;
    let x = net.zero_padding2d("pad", x, Margins { top: 2, bottom: 1, left: 1, right: 0 })?;
    let x = net.node("crop", Op::Cropping2d(Margins { top: 1, bottom: 1, left: 0, right: 2 }), &[x])?;
    let x = net.depthwise_conv2d("depthwise", x, 3, 1, Padding::Valid)?;
    let x = net.activation("silu", x, Activation::Silu)?;
    let x = net.global_average_pool2d("pool", x)?;
    net.finish(x)
}
