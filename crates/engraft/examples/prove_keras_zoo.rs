//! Proves backbones against Keras or timm with weights from a formula, and prints a row for each.
//!
//! `cargo run --example prove_keras_zoo -- [--markdown] NAME...`; `cargo xtask golden --full` runs it for all, each in its own
//! process, and `cargo xtask backbones` with `--markdown`, which adds the images per second of one thread.

#[path = "../tests/keras_zoo/proof.rs"]
mod proof;

use std::{
    env,
    process::ExitCode,
    time::{Duration, Instant},
};

use engraft_engine::{Plan, PlanOptions};
use engraft_testing::{noise_u8, peak_memory_bytes};
use engraft_zoo::{Ending, backbone, noise_weights};
use proof::Proof;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (flags, names): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| argument.starts_with('-'));
    let print = match flags[..] {
        [] => print_row,
        [flag] if flag == "--markdown" => print_markdown,
        _ => {
            eprintln!("usage: prove_keras_zoo [--markdown] NAME...");
            return ExitCode::from(2);
        }
    };
    let mut all_hold = true;
    for name in names {
        all_hold &= print(name);
    }
    if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_row(name: &str) -> bool {
    let began = Instant::now();
    let proof = Proof::of(name);
    let ([ours, _], [theirs, _]) = (proof.value_counts, proof.reference_value_counts);
    println!(
        "{name:<34} {ours:>11} {theirs:>11} {:>9.1e} {:>9.1e} {:>6} {:>6.1}  {}",
        proof.features,
        proof.others,
        peak_memory_bytes().map_or("-".to_owned(), |bytes| (bytes / 1_000_000).to_string()),
        began.elapsed().as_secs_f64(),
        if proof.holds() { "agrees" } else { "DIFFERS" },
    );
    proof.holds()
}

fn print_markdown(name: &str) -> bool {
    let proof = Proof::of(name);
    let ([ours, _], [theirs, _]) = (proof.value_counts, proof.reference_value_counts);
    let side = backbone(name).expect("the backbone exists").preprocessing.input_side_px;
    println!(
        "| {name} | {side} | {ours} | {theirs} | {:.1e} | {} |",
        proof.features.max(proof.others),
        three_digits(images_per_second(name)),
    );
    proof.holds()
}

/// What one thread does with images of the size that the weights of the backbone are trained for.
fn images_per_second(name: &str) -> f64 {
    let spec = backbone(name).expect("the backbone exists");
    let graph = spec.graph(Ending::Features);
    let weights = noise_weights(&graph).expect("every weight has its own name");
    let options = PlanOptions::from_env().expect("ENGRAFT_ISA names an instruction set of this machine");
    let plan = Plan::compile(&graph, &weights, &options).expect("a backbone compiles");
    let image = noise_u8(1, plan.input_shape().len());
    let (mut worker, mut features) = (plan.worker(), vec![0.0; plan.output_shape().len()]);
    let mut run = || {
        let began = Instant::now();
        plan.run_one_u8(&mut worker, &image, &mut features).expect("the image has the size of the input");
        began.elapsed()
    };
    run();
    let began = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 || began.elapsed() < Duration::from_secs(1) {
        times.push(run());
    }
    times.sort();
    1.0 / times[times.len() / 2].as_secs_f64()
}

fn three_digits(number: f64) -> String {
    let decimals = (2.0 - number.log10().floor()).max(0.0) as usize;
    format!("{number:.decimals$}")
}
