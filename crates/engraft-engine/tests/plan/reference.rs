//! The definition of every operation, node by node and in double precision: slow, and hard to get wrong.

use engraft_graph::{
    Activation, BatchNorm, Graph, Margins, NamedTensors, Node, Op, Padding, Pool2d, Shape, same_padding,
};

/// The network's result for one image.
pub fn run(graph: &Graph, weights: &NamedTensors, image: &[f32]) -> Vec<f32> {
    let mut values: Vec<Map> = Vec::new();
    for node in graph.nodes() {
        let inputs: Vec<&Map> = node.inputs.iter().map(|input| &values[input.index()]).collect();
        let value = evaluate(node, &inputs, weights, image);
        assert_eq!(value.data.len(), node.shape.len(), "{}", node.name);
        values.push(value);
    }
    values[graph.output().index()].data.iter().map(|&x| x as f32).collect()
}

struct Map {
    size: [usize; 2],
    channels: usize,
    data: Vec<f64>,
}

impl Map {
    fn new(shape: Shape, data: Vec<f64>) -> Map {
        match shape {
            Shape::Map { height, width, channels } => Map { size: [height, width], channels, data },
            Shape::Vector { features } => Map { size: [1, 1], channels: features, data },
        }
    }

    /// Zero outside of the map.
    fn at(&self, y: isize, x: isize, channel: usize) -> f64 {
        match (usize::try_from(y), usize::try_from(x)) {
            (Ok(y), Ok(x)) if y < self.size[0] && x < self.size[1] => {
                self.data[(y * self.size[1] + x) * self.channels + channel]
            }
            _ => 0.0,
        }
    }
}

fn evaluate(node: &Node, inputs: &[&Map], weights: &NamedTensors, image: &[f32]) -> Map {
    let weight = |role: &str| -> Vec<f64> {
        let tensor = weights.get(&format!("{}/{role}", node.name)).unwrap();
        tensor.to_f32().iter().map(|&x| f64::from(x)).collect()
    };
    let each = |f: &dyn Fn(f64, usize) -> f64| -> Vec<f64> {
        let channels = inputs[0].channels;
        inputs[0].data.iter().enumerate().map(|(i, &x)| f(x, i % channels)).collect()
    };
    let data = match &node.op {
        Op::Input { .. } => image.iter().map(|&x| f64::from(x)).collect(),
        Op::Rescale { scale, offset } => {
            let of = |values: &[f32], channel: usize| f64::from(values[channel % values.len()]);
            each(&|x, c| x * of(scale, c) + of(offset, c))
        }
        Op::Conv2d(conv) => {
            let kernel = weight("kernel");
            let bias = if conv.bias { weight("bias") } else { vec![0.0; conv.filters] };
            let channels = inputs[0].channels;
            windows(node, inputs[0], conv.kernel, conv.strides, conv.padding, |tap, filter, map, y, x| {
                let product = |c| map.at(y, x, c) * kernel[(tap * channels + c) * conv.filters + filter];
                (0..channels).map(product).sum()
            })
            .into_iter()
            .enumerate()
            .map(|(i, x)| x + bias[i % conv.filters])
            .collect()
        }
        Op::DepthwiseConv2d(conv) => {
            let channels = inputs[0].channels;
            let kernel = weight("kernel");
            let bias = if conv.bias { weight("bias") } else { vec![0.0; channels] };
            windows(node, inputs[0], conv.kernel, conv.strides, conv.padding, |tap, c, map, y, x| {
                map.at(y, x, c) * kernel[tap * channels + c]
            })
            .into_iter()
            .enumerate()
            .map(|(i, x)| x + bias[i % channels])
            .collect()
        }
        Op::Dense(dense) => {
            let kernel = weight("kernel");
            let bias = if dense.bias { weight("bias") } else { vec![0.0; dense.units] };
            let sum = |pixel: &[f64], unit: usize| -> f64 {
                pixel.iter().enumerate().map(|(i, x)| x * kernel[i * dense.units + unit]).sum()
            };
            let pixels = inputs[0].data.chunks(inputs[0].channels);
            pixels
                .flat_map(|pixel| {
                    (0..dense.units).map(|unit| sum(pixel, unit) + bias[unit]).collect::<Vec<_>>()
                })
                .collect()
        }
        Op::Normalization => {
            let (mean, variance) = (weight("mean"), weight("variance"));
            each(&|x, c| (x - mean[c]) / variance[c].sqrt().max(1e-7))
        }
        Op::LayerScale => {
            let gamma = weight("gamma");
            each(&|x, c| x * gamma[c])
        }
        Op::LayerNorm { epsilon } => {
            let (gamma, beta) = (weight("gamma"), weight("beta"));
            let pixels = inputs[0].data.chunks(inputs[0].channels);
            pixels.flat_map(|pixel| layer_norm(pixel, &gamma, &beta, f64::from(*epsilon))).collect()
        }
        Op::ReverseChannels => {
            let pixels = inputs[0].data.chunks(inputs[0].channels);
            pixels.flat_map(|pixel| pixel.iter().rev().copied()).collect()
        }
        Op::BatchNorm(BatchNorm { epsilon, scale, center, .. }) => {
            let channels = inputs[0].channels;
            let gamma = if *scale { weight("gamma") } else { vec![1.0; channels] };
            let beta = if *center { weight("beta") } else { vec![0.0; channels] };
            let (mean, variance) = (weight("moving_mean"), weight("moving_variance"));
            each(&|x, c| (x - mean[c]) / (variance[c] + f64::from(*epsilon)).sqrt() * gamma[c] + beta[c])
        }
        _ => weightless(node, inputs),
    };
    Map::new(node.shape, data)
}

/// An operation that has no weights.
fn weightless(node: &Node, inputs: &[&Map]) -> Vec<f64> {
    let each = |f: &dyn Fn(f64) -> f64| -> Vec<f64> { inputs[0].data.iter().map(|&x| f(x)).collect() };
    match &node.op {
        Op::Activation(Activation::Relu) => each(&|x| x.max(0.0)),
        Op::Activation(Activation::Relu6) => each(&|x| x.clamp(0.0, 6.0)),
        Op::Activation(Activation::Softmax) => {
            let sum: f64 = inputs[0].data.iter().map(|x| x.exp()).sum();
            each(&|x| x.exp() / sum)
        }
        Op::Activation(function) => each(&|x| activation(*function, x)),
        Op::MaxPool2d(pool) => {
            let largest = |window: Vec<f64>| window.into_iter().fold(f64::NEG_INFINITY, f64::max);
            pooled(node, inputs[0], *pool, largest)
        }
        Op::AveragePool2d(pool) => {
            pooled(node, inputs[0], *pool, |window| window.iter().sum::<f64>() / window.len() as f64)
        }
        Op::GlobalMaxPool2d => {
            let Map { channels, .. } = *inputs[0];
            let of = |c| inputs[0].data.iter().skip(c).step_by(channels).copied();
            (0..channels).map(|c| of(c).fold(f64::NEG_INFINITY, f64::max)).collect()
        }
        Op::Multiply => {
            inputs[0].data.iter().zip(inputs[1].data.iter().cycle()).map(|(a, b)| a * b).collect()
        }
        Op::Concatenate => {
            let pixels = inputs[0].data.len() / inputs[0].channels;
            let pixel =
                |at: usize| inputs.iter().flat_map(move |map| &map.data[at * map.channels..][..map.channels]);
            (0..pixels).flat_map(|at| pixel(at).copied().collect::<Vec<_>>()).collect()
        }
        Op::Cropping2d(margins) => {
            let Shape::Map { height, width, channels } = node.shape else { panic!("{}", node.name) };
            let element = |at: usize| {
                let (y, x) = (at / channels / width + margins.top, at / channels % width + margins.left);
                inputs[0].at(y as isize, x as isize, at % channels)
            };
            (0..height * width * channels).map(element).collect()
        }
        Op::Flatten | Op::Reshape { .. } | Op::StochasticDepth { .. } => inputs[0].data.clone(),
        Op::ZeroPadding2d(padding) => zero_padding(node, inputs[0], padding),
        Op::Add => inputs[0].data.iter().zip(&inputs[1].data).map(|(a, b)| a + b).collect(),
        Op::GlobalAveragePool2d => {
            let Map { size, channels, .. } = *inputs[0];
            let sum = |c| inputs[0].data.iter().skip(c).step_by(channels).sum::<f64>();
            (0..channels).map(|c| sum(c) / (size[0] * size[1]) as f64).collect()
        }
        Op::Dropout { .. } => inputs[0].data.clone(),
        other => panic!("{other:?}"),
    }
}

fn layer_norm(pixel: &[f64], gamma: &[f64], beta: &[f64], epsilon: f64) -> Vec<f64> {
    let mean = pixel.iter().sum::<f64>() / pixel.len() as f64;
    let variance = pixel.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / pixel.len() as f64;
    let normal = pixel.iter().map(|x| (x - mean) / (variance + epsilon).sqrt());
    normal.zip(gamma).zip(beta).map(|((x, gamma), beta)| x * gamma + beta).collect()
}

fn activation(function: Activation, x: f64) -> f64 {
    let hard_sigmoid = (x + 3.0).clamp(0.0, 6.0) / 6.0;
    match function {
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::HardSigmoid => hard_sigmoid,
        Activation::HardSilu => x * hard_sigmoid,
        Activation::Gelu => x * (1.0 + erf(x / 2f64.sqrt())) / 2.0,
        Activation::Tanh => x.tanh(),
        other => panic!("{other:?}"),
    }
}

/// By Simpson's rule.
fn erf(x: f64) -> f64 {
    const STEPS: usize = 400;
    let step = x.clamp(-6.0, 6.0) / STEPS as f64;
    let weight = |index: usize| match index {
        0 | STEPS => 1.0,
        index if index % 2 == 1 => 4.0,
        _ => 2.0,
    };
    let sum: f64 = (0..=STEPS).map(|index| weight(index) * (-(index as f64 * step).powi(2)).exp()).sum();
    sum * step / 3.0 * 2.0 / std::f64::consts::PI.sqrt()
}

/// Reduces the pixels of each window that lie inside the map.
fn pooled(node: &Node, map: &Map, pool: Pool2d, reduce: impl Fn(Vec<f64>) -> f64) -> Vec<f64> {
    let before = [0, 1].map(|axis| match pool.padding {
        Padding::Valid => 0,
        Padding::Same => same_padding(map.size[axis], pool.window[axis], pool.strides[axis]).0,
    });
    let Shape::Map { height, width, channels } = node.shape else { panic!("{}", node.name) };
    let element = |at: usize| {
        let (y, x, channel) = (at / channels / width, at / channels % width, at % channels);
        let taps = (0..pool.window[0]).flat_map(|ky| (0..pool.window[1]).map(move |kx| (ky, kx)));
        let inside = taps.filter_map(|(ky, kx)| {
            let y = (y * pool.strides[0] + ky).checked_sub(before[0]).filter(|&y| y < map.size[0])?;
            let x = (x * pool.strides[1] + kx).checked_sub(before[1]).filter(|&x| x < map.size[1])?;
            Some(map.at(y as isize, x as isize, channel))
        });
        reduce(inside.collect())
    };
    (0..height * width * channels).map(element).collect()
}

/// Sums `term(tap, channel, map, y, x)` over the taps of a window, for every output element.
fn windows(
    node: &Node,
    map: &Map,
    kernel: [usize; 2],
    strides: [usize; 2],
    padding: Padding,
    term: impl Fn(usize, usize, &Map, isize, isize) -> f64,
) -> Vec<f64> {
    let before = [0, 1].map(|axis| match padding {
        Padding::Valid => 0,
        Padding::Same => same_padding(map.size[axis], kernel[axis], strides[axis]).0,
    });
    let Shape::Map { height, width, channels } = node.shape else { panic!("{}", node.name) };
    let mut out = Vec::new();
    for at in 0..height * width * channels {
        let (y, x, channel) = (at / channels / width, at / channels % width, at % channels);
        let tap = |tap: usize| {
            let y = (y * strides[0] + tap / kernel[1]) as isize - before[0] as isize;
            let x = (x * strides[1] + tap % kernel[1]) as isize - before[1] as isize;
            term(tap, channel, map, y, x)
        };
        out.push((0..kernel[0] * kernel[1]).map(tap).sum());
    }
    out
}

fn zero_padding(node: &Node, map: &Map, padding: &Margins) -> Vec<f64> {
    let Shape::Map { height, width, channels } = node.shape else { panic!("{}", node.name) };
    let (top, left) = (padding.top as isize, padding.left as isize);
    let element = |at: usize| {
        let (y, x) = ((at / channels / width) as isize, (at / channels % width) as isize);
        map.at(y - top, x - left, at % channels)
    };
    (0..height * width * channels).map(element).collect()
}
