//! Proves backbones against Keras with weights from a formula, and prints a row for each.
//!
//! `cargo run --example prove_keras_zoo -- NAME...`; `cargo xtask golden --full` runs it for all, each in its own process.

#[path = "../tests/keras_zoo/proof.rs"]
mod proof;

use std::{env, fs, process::ExitCode, time::Instant};

use proof::Proof;

fn main() -> ExitCode {
    let mut all_hold = true;
    for name in env::args().skip(1) {
        let began = Instant::now();
        let proof = Proof::of(&name);
        let ([ours, _], [theirs, _]) = (proof.value_counts, proof.keras_value_counts);
        println!(
            "{name:<34} {ours:>11} {theirs:>11} {:>9.1e} {:>9.1e} {:>6} {:>6.1}  {}",
            proof.features,
            proof.others,
            peak_memory_mb().map_or("-".to_owned(), |megabytes| megabytes.to_string()),
            began.elapsed().as_secs_f64(),
            if proof.holds() { "agrees" } else { "DIFFERS" },
        );
        all_hold &= proof.holds();
    }
    if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The most memory that this process has had, in megabytes, where the system tells.
fn peak_memory_mb() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes / 1024)
}
