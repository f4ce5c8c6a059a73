//! Times steps of training the tutorial's networks on pixels, in batches of 20 images of 100 x 100: `cnn`, three convolutions with pooling
//! and two dense layers, by Adam; `pixels`, three dense layers, by plain gradient descent.
//!
//! `cargo run --release -p engraft-train --example train_speed [NETWORK] [THREADS] [STEPS]` prints the milliseconds of every step,
//! from batch to updated parameters, then their median, the arithmetic rate and the peak of the process's memory.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use engraft_data::Digest;
use engraft_graph::{Activation, Conv2d, Dense, Graph, GraphBuilder, GraphError, NodeId, Op, Padding};
use engraft_kernels::InstructionSet;
use engraft_train::{
    Adam, FitData, FitOptions, FitRun, Optimizer, Progress, SampleError, Samples, Sgd, fit_network,
    initial_parameters,
};

/// Images of a batch.
const IMAGES: usize = 20;

/// Classes of the charts.
const CLASSES: usize = 5;

/// Rows, columns and channels of an image.
const IMAGE: [usize; 3] = [100, 100, 3];

/// Values of an image.
const IMAGE_LEN: usize = IMAGE[0] * IMAGE[1] * IMAGE[2];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let recipe = match arguments.next().as_deref() {
        None | Some("cnn") => Recipe::cnn()?,
        Some("pixels") => Recipe::pixels()?,
        Some(other) => return Err(format!("{other}: expected cnn or pixels").into()),
    };
    let threads = arguments.next().map_or(Ok(1), |threads| threads.parse())?;
    let steps: usize = arguments.next().map_or(Ok(10), |steps| steps.parse())?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let times = StepTimes::default();
    let Recipe { graph, optimizer, step_gflop } = recipe;
    // The first step allocates.
    let noise = Noise { batches: steps.max(1) + 1 };
    let options = FitOptions { epochs: 1, batch_size: IMAGES, optimizer, ..FitOptions::default() };
    let run = FitRun { isa: InstructionSet::from_env()?, checkpoint: None, progress: &times };
    let data = FitData { training: &noise, validation: None };
    fit_network(&graph, &initial_parameters(&graph, 0)?, data, &options, run)?;
    let mut times_ms = times.between_steps();
    times_ms.iter().for_each(|time| println!("{time:.1}"));
    times_ms.sort_by(f64::total_cmp);
    let median_ms = times_ms[times_ms.len() / 2];
    println!("{threads} threads: {median_ms:.1} ms, {:.0} GFLOP/s", step_gflop / median_ms * 1e3);
    println!("{}", peak_memory().unwrap_or_default());
    Ok(())
}

/// A network and how it learns.
struct Recipe {
    graph: Graph,
    optimizer: Optimizer,
    /// Arithmetic of a step in 10^9 operations: forward, both gradients of each layer, and none of the image.
    step_gflop: f64,
}

/// Remembers when each step ended.
#[derive(Default)]
struct StepTimes(Mutex<Vec<Instant>>);

impl StepTimes {
    /// Milliseconds from the end of each step to the end of the next.
    fn between_steps(&self) -> Vec<f64> {
        let ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ends.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1e3).collect()
    }
}

impl Progress for StepTimes {
    fn begin(&self, _: &str, _: usize) {}

    fn step(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
    }

    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Images without content, one epoch of them.
struct Noise {
    batches: usize,
}

impl Samples for Noise {
    fn len(&self) -> usize {
        self.batches * IMAGES
    }

    fn classes(&self) -> usize {
        CLASSES
    }

    fn image_len(&self) -> usize {
        IMAGE_LEN
    }

    fn digest(&self) -> Digest {
        Digest::of(b"noise")
    }

    fn fill(
        &self,
        _: usize,
        indices: &[usize],
        images: &mut [f32],
        targets: &mut [f32],
    ) -> Result<(), SampleError> {
        targets.fill(0.0);
        let rows = images.chunks_exact_mut(IMAGE_LEN).zip(targets.chunks_exact_mut(CLASSES));
        for (&index, (image, targets)) in indices.iter().zip(rows) {
            for (i, value) in image.iter_mut().enumerate() {
                *value = ((index % IMAGES * IMAGE_LEN + i) * 7919 % 1009) as f32 / 504.0 - 1.0;
            }
            targets[index % CLASSES] = 1.0;
        }
        Ok(())
    }
}

impl Recipe {
    fn cnn() -> Result<Recipe, GraphError> {
        let mut net = GraphBuilder::new();
        let mut x = net.input("image", IMAGE)?;
        for (filters, name) in [(128, "conv1"), (64, "conv2"), (32, "conv3")] {
            let conv =
                Conv2d { filters, kernel: [3, 3], strides: [1, 1], padding: Padding::Valid, bias: true };
            x = net.node(name, Op::Conv2d(conv), &[x])?;
            x = net.activation(&format!("{name}/relu"), x, Activation::Relu)?;
            x = net.max_pool2d(&format!("{name}/pool"), x, 2, 2, Padding::Valid)?;
        }
        let x = net.flatten("flatten", x)?;
        let graph = classifier(net, x, &[512])?;
        let conv1 = 98 * 98 * 27 * 128;
        let others = 47 * 47 * 1152 * 64 + 21 * 21 * 576 * 32 + 3200 * 512 + 512 * CLASSES;
        Ok(Recipe {
            graph,
            optimizer: Optimizer::Adam(Adam::default()),
            step_gflop: step_gflop(conv1, others),
        })
    }

    fn pixels() -> Result<Recipe, GraphError> {
        let mut net = GraphBuilder::new();
        let image = net.input("image", IMAGE)?;
        let x = net.flatten("flatten", image)?;
        let graph = classifier(net, x, &[1024, 512])?;
        let others = 1024 * 512 + 512 * CLASSES;
        let optimizer = Optimizer::Sgd(Sgd::default());
        Ok(Recipe { graph, optimizer, step_gflop: step_gflop(IMAGE_LEN * 1024, others) })
    }
}

/// The end of a network: dense layers of so many units and the probabilities of the classes.
fn classifier(mut net: GraphBuilder, mut x: NodeId, layers: &[usize]) -> Result<Graph, GraphError> {
    for &units in layers {
        let name = format!("dense{units}");
        x = net.node(&name, Op::Dense(Dense { units, bias: true }), &[x])?;
        x = net.activation(&format!("{name}/relu"), x, Activation::Relu)?;
    }
    x = net.dense("scores", x, CLASSES)?;
    x = net.activation("softmax", x, Activation::Softmax)?;
    net.finish(x)
}

/// From the multiplications that an image takes, forward, in the first layer and in the others.
fn step_gflop(first: usize, others: usize) -> f64 {
    (IMAGES * 2 * (2 * first + 3 * others)) as f64 / 1e9
}

/// The line of the system that tells the peak of the resident memory.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find(|line| line.starts_with("VmHWM")).map(str::to_owned)
}
