//! Five steps of training give the losses that Keras gives: see `reference/five_steps.py`.

use engraft_data::Digest;
use engraft_graph::{Activation, Conv2d, Graph, GraphBuilder, NamedTensors, NodeId, Op, Padding, Tensor};
use engraft_kernels::InstructionSet;
use engraft_testing::Golden;
use engraft_train::{EpochRecord, FitData, FitOptions, FitRun, SampleError, Samples, Silent, fit_network};

const STEPS: usize = 5;
const SIDE: usize = 10;
const CLASSES: usize = 4;

/// The batch that each epoch consists of, so that an epoch is a step.
struct Batches {
    /// `[batch, image, SIDE, SIDE, 3]`
    images: Vec<f32>,
    /// `[batch, image]`
    labels: Vec<usize>,
    /// The batch of the first epoch.
    first: usize,
    /// Batches from one epoch to the next.
    stride: usize,
}

impl Batches {
    fn new(golden: &Golden, first: usize, stride: usize) -> Batches {
        Batches { images: golden.f32("images"), labels: golden.usize("labels"), first, stride }
    }
}

impl Samples for Batches {
    fn len(&self) -> usize {
        self.labels.len() / (STEPS + 1)
    }

    fn classes(&self) -> usize {
        CLASSES
    }

    fn image_len(&self) -> usize {
        SIDE * SIDE * 3
    }

    fn digest(&self) -> Digest {
        Digest::of(&[])
    }

    fn fill(
        &self,
        epoch: usize,
        indices: &[usize],
        images: &mut [f32],
        targets: &mut [f32],
    ) -> Result<(), SampleError> {
        let start = (self.first + (epoch - 1) * self.stride) * self.len();
        targets.fill(0.0);
        let rows = images.chunks_exact_mut(self.image_len()).zip(targets.chunks_exact_mut(CLASSES));
        for (index, (image, target)) in indices.iter().map(|index| start + index).zip(rows) {
            image.copy_from_slice(&self.images[index * image.len()..][..image.len()]);
            target[self.labels[index]] = 1.0;
        }
        Ok(())
    }
}

fn relu(net: &mut GraphBuilder, x: NodeId) -> NodeId {
    let name = format!("relu_{}", x.index());
    net.activation(&name, x, Activation::Relu).unwrap()
}

fn conv(net: &mut GraphBuilder, name: &str, x: NodeId, filters: usize, padding: Padding) -> NodeId {
    let (kernel, strides) = ([3; 2], [1; 2]);
    let conv = Conv2d { filters, kernel, strides, padding, bias: true };
    let x = net.node(name, Op::Conv2d(conv), &[x]).unwrap();
    relu(net, x)
}

fn cnn(net: &mut GraphBuilder, image: NodeId) -> NodeId {
    let x = conv(net, "conv_1", image, 8, Padding::Valid);
    let x = net.max_pool2d("pool_1", x, 2, 2, Padding::Valid).unwrap();
    let x = conv(net, "conv_2", x, 6, Padding::Same);
    let x = net.max_pool2d("pool_2", x, 2, 2, Padding::Valid).unwrap();
    let x = net.flatten("flatten", x).unwrap();
    let x = net.dense("dense_1", x, 16).unwrap();
    let x = relu(net, x);
    net.dense("dense_2", x, CLASSES).unwrap()
}

fn dense(net: &mut GraphBuilder, image: NodeId) -> NodeId {
    let x = net.flatten("flatten", image).unwrap();
    let x = net.dense("dense_1", x, 24).unwrap();
    let x = relu(net, x);
    net.dense("dense_2", x, CLASSES).unwrap()
}

fn norm(net: &mut GraphBuilder, image: NodeId) -> NodeId {
    let x = net.conv2d("conv", image, 8, 3, 2, Padding::Same).unwrap();
    let x = net.batch_norm("norm_1", x, 1e-3).unwrap();
    let x = relu(net, x);
    let x = net.depthwise_conv2d("depthwise", x, 3, 1, Padding::Same).unwrap();
    let x = net.batch_norm("norm_2", x, 1e-3).unwrap();
    let x = relu(net, x);
    let x = net.global_average_pool2d("pool", x).unwrap();
    net.dense("dense", x, CLASSES).unwrap()
}

fn network(name: &str) -> Graph {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [SIDE, SIDE, 3]).unwrap();
    let x = match name {
        "cnn" => cnn(&mut net, image),
        "dense" => dense(&mut net, image),
        "norm" => norm(&mut net, image),
        other => panic!("there is no network `{other}`"),
    };
    let x = net.activation("softmax", x, Activation::Softmax).unwrap();
    net.finish(x).unwrap()
}

fn initial(golden: &Golden, graph: &Graph, net: &str) -> NamedTensors {
    let mut tensors = NamedTensors::new();
    for spec in graph.weights() {
        let key = format!("{net}/weights/{}", spec.name);
        assert_eq!(golden.shape(&key), spec.shape, "{key}");
        tensors.insert(spec.name, Tensor::from_f32(spec.shape, golden.f32(&key)).unwrap()).unwrap();
    }
    tensors
}

/// The options in a case's name, without `case` and the network.
fn options([optimizer, rate, schedule, smoothing, class_weights]: [&str; 5]) -> FitOptions {
    let weights = class_weights.split(',').filter(|weight| !weight.is_empty());
    let weights: Vec<f32> = weights.map(|weight| weight.parse().unwrap()).collect();
    FitOptions {
        epochs: STEPS,
        optimizer: optimizer.parse().unwrap(),
        learning_rate: rate.parse().unwrap(),
        schedule: schedule.parse().unwrap(),
        label_smoothing: smoothing.parse().unwrap(),
        class_weights: (!weights.is_empty()).then_some(weights),
        batch_size: 9,
        ..FitOptions::default()
    }
}

/// Checks the cases of one network on every instruction set.
fn check(net: &str, case_count: usize) {
    let golden = Golden::open("train/five_steps");
    let (training, validation) = (Batches::new(&golden, 0, 1), Batches::new(&golden, STEPS, 0));
    let data = FitData { training: &training, validation: Some(&validation) };
    let graph = network(net);
    let initial = initial(&golden, &graph, net);
    let cases = golden.names().into_iter().filter(|name| name.starts_with(&format!("case;{net};")));
    let cases: Vec<String> = cases.collect();
    assert_eq!(cases.len(), case_count, "{net}");
    for (case, isa) in
        cases.iter().flat_map(|case| InstructionSet::available().into_iter().map(move |isa| (case, isa)))
    {
        let parts: [&str; 7] = case.split(';').collect::<Vec<_>>().try_into().unwrap();
        let [_, _, settings @ ..] = parts;
        let run = FitRun { isa, checkpoint: None, progress: &Silent };
        let fitted = fit_network(&graph, &initial, data, &options(settings), run).unwrap();
        let scores = |record: &EpochRecord| {
            [record.training, record.validation.unwrap()]
                .map(|score| [score.loss as f32, score.accuracy as f32])
        };
        let got = fitted.history.epochs.iter().flat_map(scores).flatten().collect::<Vec<f32>>();
        let want = golden.f32(case);
        let close = |(got, want): (&f32, &f32)| (got - want).abs() < 1e-4;
        let agrees = got.len() == want.len() && got.iter().zip(&want).all(close);
        assert!(agrees, "{case}, {}: {got:?}, want {want:?}", isa.name());
    }
}

#[test]
fn losses_and_accuracies_of_a_cnn_are_those_of_keras() {
    check("cnn", 5);
}

#[test]
fn losses_and_accuracies_of_a_dense_network_are_those_of_keras() {
    check("dense", 5);
}

#[test]
fn losses_and_accuracies_of_a_normalised_network_are_those_of_keras() {
    check("norm", 5);
}
