//! Whole networks against the real Keras: loss, gradients and moving statistics (`reference/gradients.py`).

use engraft_engine::{Batch, Gradient, GradientOptions};
use engraft_graph::{
    Activation, BatchNorm, Conv2d, DepthwiseConv2d, Graph, GraphBuilder, GraphError, NodeId, Op, Padding,
};
use engraft_kernels::InstructionSet;
use engraft_testing::{Golden, Tolerance, assert_close, noise};

/// Seed of the images in the script.
const IMAGE_SEED: u64 = 101;
const IMAGES: usize = 6;
const CLASSES: usize = 3;

/// Of the largest element of an array; both sides sum in single precision, in different orders.
const RELATIVE: f32 = 1e-4;

#[test]
fn networks_have_keras_loss_and_gradients() {
    let plain = GradientOptions::new(InstructionSet::best());
    let frozen =
        GradientOptions { frozen: ["stem_bn", "depthwise_bn"].map(str::to_owned).into(), ..plain.clone() };
    let smooth = GradientOptions { label_smoothing: 0.1, ..plain.clone() };
    for isa in InstructionSet::available() {
        for (name, graph, options) in [
            ("cnn", cnn().unwrap(), &plain),
            ("residual", residual().unwrap(), &plain),
            ("frozen", residual().unwrap(), &frozen),
            ("branches", branches().unwrap(), &smooth),
        ] {
            let weights: Vec<f32> = (0..IMAGES).map(|image| 0.5 + 0.25 * image as f32).collect();
            let weights = (name == "branches").then_some(&weights[..]);
            check(name, &graph, &GradientOptions { isa, ..options.clone() }, weights);
        }
    }
}

fn check(name: &str, graph: &Graph, options: &GradientOptions, weights: Option<&[f32]>) {
    let golden = Golden::open(&format!("gradients/{name}"));
    let gradient = Gradient::compile(graph, options).unwrap();
    let specs = gradient.parameters();
    let mut parameters: Vec<Vec<f32>> =
        specs.iter().map(|spec| golden.f32(&format!("weight/{}", spec.name))).collect();
    let mut gradients: Vec<Vec<f32>> = specs.iter().map(|spec| vec![f32::NAN; spec.len()]).collect();
    let images = noise(IMAGE_SEED, IMAGES * graph.nodes()[0].shape.len());
    let targets: Vec<f32> =
        (0..IMAGES * CLASSES).map(|at| f32::from(u8::from(at / CLASSES % CLASSES == at % CLASSES))).collect();
    let batch = Batch { images: &images, targets: &targets, weights };
    let result = gradient.run(&mut parameters, &batch, 0, &mut gradients).unwrap();
    let loss = golden.f64("loss")[0];
    assert!((result.loss - loss).abs() < 1e-5 * loss, "{name}: loss {}, want {loss}", result.loss);
    let rows = golden.f32("probabilities");
    let right = rows
        .chunks(CLASSES)
        .enumerate()
        .filter(|(image, row)| row.iter().all(|&p| p <= row[image % CLASSES]));
    assert_eq!(result.correct, right.count(), "{name}: images recognised");
    for (spec, (parameter, gradient)) in specs.iter().zip(parameters.iter().zip(&gradients)) {
        let (kind, got) = if spec.trainable { ("gradient", gradient) } else { ("updated", parameter) };
        let want = golden.f32(&format!("{kind}/{}", spec.name));
        let greatest = want.iter().fold(0f32, |greatest, x| greatest.max(x.abs()));
        println!("{name}, {}, {kind} of {}", options.isa.name(), spec.name);
        assert_close(got, &want, Tolerance::abs(RELATIVE * greatest));
    }
}

/// An image, what `build` makes of it, a dense layer and a softmax.
fn network(
    size: [usize; 3],
    build: fn(&mut GraphBuilder, NodeId) -> Result<NodeId, GraphError>,
) -> Result<Graph, GraphError> {
    let mut net = GraphBuilder::new();
    let image = net.input("image", size)?;
    let x = build(&mut net, image)?;
    let x = net.dense("scores", x, CLASSES)?;
    let x = net.activation("softmax", x, Activation::Softmax)?;
    net.finish(x)
}

fn conv(filters: usize, kernel: [usize; 2], stride: usize, padding: Padding) -> Op {
    Op::Conv2d(Conv2d { filters, kernel, strides: [stride; 2], padding, bias: true })
}

fn cnn() -> Result<Graph, GraphError> {
    network([18, 18, 3], |net, mut x| {
        for (number, filters) in [(1, 12), (2, 8)] {
            x = net.node(&format!("conv{number}"), conv(filters, [3, 3], 1, Padding::Valid), &[x])?;
            x = net.activation(&format!("relu{number}"), x, Activation::Relu)?;
            x = net.max_pool2d(&format!("pool{number}"), x, 2, 2, Padding::Valid)?;
        }
        x = net.flatten("flatten", x)?;
        x = net.dense("dense", x, 20)?;
        net.activation("relu", x, Activation::Relu)
    })
}

fn residual() -> Result<Graph, GraphError> {
    network([9, 11, 3], |net, x| {
        let norm = Op::BatchNorm(BatchNorm {
            epsilon: 1e-3,
            momentum: BatchNorm::MOMENTUM,
            scale: true,
            center: true,
        });
        let x = net.conv2d("stem", x, 8, 3, 2, Padding::Same)?;
        let shortcut = net.node("stem_bn", norm.clone(), &[x])?;
        let x = net.activation("stem_silu", shortcut, Activation::Silu)?;
        let depthwise =
            DepthwiseConv2d { kernel: [3, 3], strides: [1, 1], padding: Padding::Same, bias: false };
        let x = net.node("depthwise", Op::DepthwiseConv2d(depthwise), &[x])?;
        let x = net.node("depthwise_bn", norm, &[x])?;
        let squeezed = net.global_average_pool2d("squeeze", x)?;
        let factor = net.node("pixel", Op::Reshape { height: 1, width: 1, channels: 8 }, &[squeezed])?;
        let factor = net.node("reduce", conv(4, [1, 1], 1, Padding::Valid), &[factor])?;
        let factor = net.activation("relu", factor, Activation::Relu)?;
        let factor = net.node("expand", conv(8, [1, 1], 1, Padding::Valid), &[factor])?;
        let factor = net.activation("sigmoid", factor, Activation::Sigmoid)?;
        let x = net.multiply("excite", x, factor)?;
        let x = net.add("add", x, shortcut)?;
        net.global_average_pool2d("pool", x)
    })
}

fn branches() -> Result<Graph, GraphError> {
    network([10, 9, 2], |net, image| {
        let left = net.node("left", conv(5, [3, 2], 2, Padding::Same), &[image])?;
        let left = net.activation("tanh", left, Activation::Tanh)?;
        let right = net.average_pool2d("average", image, 3, 2, Padding::Same)?;
        let x = net.concatenate("concatenate", &[left, right])?;
        let x = net.node("norm", Op::LayerNorm { epsilon: 1e-3 }, &[x])?;
        let x = net.node("conv", conv(4, [3, 3], 1, Padding::Valid), &[x])?;
        let x = net.activation("gelu", x, Activation::Gelu)?;
        net.node("pool", Op::GlobalMaxPool2d, &[x])
    })
}
