//! The definition of every operation, node by node and in double precision: slow, and hard to get wrong.

use engraft_graph::{
    Activation, BatchNorm, Graph, Margins, NamedTensors, Node, Op, Padding, Shape, same_padding,
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
            let sum = |unit: usize| -> f64 {
                inputs[0].data.iter().enumerate().map(|(i, x)| x * kernel[i * dense.units + unit]).sum()
            };
            (0..dense.units).map(|unit| sum(unit) + bias[unit]).collect()
        }
        Op::BatchNorm(BatchNorm { epsilon, scale, center }) => {
            let channels = inputs[0].channels;
            let gamma = if *scale { weight("gamma") } else { vec![1.0; channels] };
            let beta = if *center { weight("beta") } else { vec![0.0; channels] };
            let (mean, variance) = (weight("moving_mean"), weight("moving_variance"));
            each(&|x, c| (x - mean[c]) / (variance[c] + f64::from(*epsilon)).sqrt() * gamma[c] + beta[c])
        }
        Op::Activation(Activation::Relu) => each(&|x, _| x.max(0.0)),
        Op::Activation(Activation::Relu6) => each(&|x, _| x.clamp(0.0, 6.0)),
        Op::Activation(Activation::Softmax) => {
            let sum: f64 = inputs[0].data.iter().map(|x| x.exp()).sum();
            each(&|x, _| x.exp() / sum)
        }
        Op::ZeroPadding2d(padding) => zero_padding(node, inputs[0], padding),
        Op::Add => inputs[0].data.iter().zip(&inputs[1].data).map(|(a, b)| a + b).collect(),
        Op::GlobalAveragePool2d => {
            let Map { size, channels, .. } = *inputs[0];
            let sum = |c| inputs[0].data.iter().skip(c).step_by(channels).sum::<f64>();
            (0..channels).map(|c| sum(c) / (size[0] * size[1]) as f64).collect()
        }
        Op::Dropout { .. } => inputs[0].data.clone(),
        other => panic!("{other:?}"),
    };
    Map::new(node.shape, data)
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
