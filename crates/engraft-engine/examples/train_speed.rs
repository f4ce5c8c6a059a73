//! Times the loss and gradients of the tutorial's CNN: three convolutions with pooling, two dense layers, 20 images of
//! 100 x 100 pixels.
//!
//! `cargo run --release -p engraft-engine --example train_speed [THREADS] [STEPS]` prints the milliseconds of every step,
//! then their median, the arithmetic rate and the peak of the process's memory.

use std::time::Instant;

use engraft_engine::{Batch, EngineError, Gradient, GradientOptions};
use engraft_graph::{Activation, Conv2d, Dense, Graph, GraphBuilder, GraphError, Op, Padding};
use engraft_kernels::InstructionSet;

/// Images of a batch.
const IMAGES: usize = 20;

/// Classes of the charts.
const CLASSES: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let threads = arguments.next().map_or(Ok(1), |threads| threads.parse())?;
    let steps = arguments.next().map_or(Ok(10), |steps| steps.parse())?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let mut times_ms = time_steps(&network()?, steps)?;
    times_ms.iter().for_each(|time| println!("{time:.1}"));
    times_ms.sort_by(f64::total_cmp);
    let median_ms = times_ms[times_ms.len() / 2];
    println!("{threads} threads: {median_ms:.1} ms, {:.0} GFLOP/s", step_gflop() / median_ms * 1e3);
    println!("{}", peak_memory().unwrap_or_default());
    Ok(())
}

/// Milliseconds of each step after a first one, which allocates.
fn time_steps(graph: &Graph, steps: usize) -> Result<Vec<f64>, EngineError> {
    let gradient = Gradient::compile(graph, &GradientOptions::new(InstructionSet::from_env()?))?;
    let spread =
        |len: usize, scale: f32| (0..len).map(|i| ((i * 7919 % 1000) as f32 / 500.0 - 1.0) * scale).collect();
    let mut parameters: Vec<Vec<f32>> =
        gradient.parameters().iter().map(|spec| spread(spec.len(), 0.05)).collect();
    let mut gradients = parameters.clone();
    let images: Vec<f32> = spread(IMAGES * 100 * 100 * 3, 1.0);
    let targets: Vec<f32> =
        (0..IMAGES * CLASSES).map(|i| f32::from(u8::from(i / CLASSES % CLASSES == i % CLASSES))).collect();
    let batch = Batch { images: &images, targets: &targets, weights: None };
    let mut step = |seed| -> Result<f64, EngineError> {
        let start = Instant::now();
        gradient.run(&mut parameters, &batch, seed, &mut gradients)?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    };
    step(0)?;
    (0..steps.max(1) as u64).map(step).collect()
}

fn network() -> Result<Graph, GraphError> {
    let mut net = GraphBuilder::new();
    let mut x = net.input("image", [100, 100, 3])?;
    for (filters, name) in [(128, "conv1"), (64, "conv2"), (32, "conv3")] {
        let conv = Conv2d { filters, kernel: [3, 3], strides: [1, 1], padding: Padding::Valid, bias: true };
        x = net.node(name, Op::Conv2d(conv), &[x])?;
        x = net.activation(&format!("{name}/relu"), x, Activation::Relu)?;
        x = net.max_pool2d(&format!("{name}/pool"), x, 2, 2, Padding::Valid)?;
    }
    x = net.flatten("flatten", x)?;
    x = net.node("dense", Op::Dense(Dense { units: 512, bias: true }), &[x])?;
    x = net.activation("dense/relu", x, Activation::Relu)?;
    x = net.dense("scores", x, CLASSES)?;
    x = net.activation("softmax", x, Activation::Softmax)?;
    net.finish(x)
}

/// Arithmetic of a step in 10^9 operations: forward, both gradients of each layer, and none of the image.
fn step_gflop() -> f64 {
    let conv1 = 98 * 98 * 27 * 128;
    let others = 47 * 47 * 1152 * 64 + 21 * 21 * 576 * 32 + 3200 * 512 + 512 * CLASSES;
    (IMAGES * 2 * (2 * conv1 + 3 * others)) as f64 / 1e9
}

/// The line of the system that tells the peak of the resident memory.
fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find(|line| line.starts_with("VmHWM")).map(str::to_owned)
}
