//! Where the time of a backbone goes: `profile NAME.. [bf16] [RUNS]` times every step of each plan on one thread.
//!
//! Prints a line for each step if only one backbone is named, and sums for each kind of kernel. The weights are noise.

#[path = "../tests/keras_zoo/noise_weights.rs"]
mod noise_weights;

use std::collections::BTreeMap;

use engraft_engine::{Plan, PlanOptions, Precision, StepProfile};
use engraft_zoo::{Ending, backbone};
use noise_weights::noise_weights;

/// Runs of each backbone, unless said otherwise.
const RUNS: usize = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    let runs = match names.last().and_then(|last| last.parse().ok()) {
        Some(runs) => {
            names.pop();
            runs
        }
        None => RUNS,
    };
    let precision = match names.last().and_then(|last| last.parse().ok()) {
        Some(precision) => {
            names.pop();
            precision
        }
        None => Precision::default(),
    };
    let options = PlanOptions { precision, ..PlanOptions::from_env()? };
    for name in &names {
        let graph = backbone(name)?.graph(Ending::Features);
        let plan = Plan::compile(&graph, &noise_weights(&graph)?, &options)?;
        let image: Vec<u8> = (0..plan.input_shape().len()).map(|i| (i * 7919 % 251) as u8).collect();
        let steps = plan.profile(&image, runs)?;
        if names.len() == 1 {
            steps.iter().for_each(print_step);
        }
        print_sums(name, &plan, &steps);
    }
    Ok(())
}

fn print_step(step: &StepProfile) {
    let StepProfile { node, kernel, output_shape, .. } = step;
    println!(
        "{node:<36} {kernel:<20} {:<18} {:>9.1} us {:>7.1}",
        output_shape.to_string(),
        step.seconds * 1e6,
        gflops(step.multiply_adds, step.seconds)
    );
}

fn print_sums(name: &str, plan: &Plan, steps: &[StepProfile]) {
    let total: f64 = steps.iter().map(|step| step.seconds).sum();
    let mut sums: BTreeMap<&str, (usize, u64, f64)> = BTreeMap::new();
    for step in steps {
        let sum = sums.entry(step.kernel).or_default();
        *sum = (sum.0 + 1, sum.1 + step.multiply_adds, sum.2 + step.seconds);
    }
    let multiply_adds = steps.iter().map(|step| step.multiply_adds).sum();
    println!(
        "{name}, {}, {}: {:.2} ms, {:.1} GFLOP/s, worker {} kB",
        plan.isa_name(),
        plan.precision_name(),
        total * 1e3,
        gflops(multiply_adds, total),
        plan.worker_bytes() / 1000
    );
    for (kernel, (count, multiply_adds, seconds)) in sums {
        println!(
            "  {kernel:<20} {count:>4} {:>9.3} ms {:>5.1} % {:>7.1} GFLOP/s",
            seconds * 1e3,
            seconds / total * 100.0,
            gflops(multiply_adds, seconds)
        );
    }
}

fn gflops(multiply_adds: u64, seconds: f64) -> f64 {
    2.0 * multiply_adds as f64 / seconds / 1e9
}
