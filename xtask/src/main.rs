//! Development tasks, run as `cargo xtask TASK`.

mod accuracy;
mod arm;
mod ci;
mod crate_edges;
mod golden;
mod golden_hashes;
mod sources;
mod tidy;
mod tutorial;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Result, ensure};

const USAGE: &str = "\
usage: cargo xtask TASK

  ci      everything that must pass before a change lands
  arm     the tests of kernels and engine for 64-bit Arm, in an emulator
  tidy    the rules that no compiler checks: crate edges, file lengths, golden hashes, registries
  golden --full [NAMES]
          run every backbone, or those named, on weights from a formula and compare with Keras or timm
  backbones
          the same for all with their speed, into docs/BACKBONES.md; on a quiet machine
  accuracy DIR [TRAIN OPTIONS]
          train on every data set in DIR and compare with scikit-learn
  tutorial --data DIR --weights FILE [--seeds N] [--keras PYTHON]
          every recipe of the chart tutorial beside Keras, into docs/TUTORIAL.md; about two hours, resumable";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first().map(|(task, rest)| (task.as_str(), rest)) {
        Some(("ci", [])) => ci::run(&root()),
        Some(("arm", [])) => arm::run(&root()),
        Some(("tidy", [])) => tidy::run(&root()),
        Some(("golden", [full, names @ ..])) if full == "--full" => golden::run(&root(), names),
        Some(("backbones", [])) => golden::write_table(&root()),
        Some(("accuracy", rest)) => accuracy::run(&root(), rest),
        Some(("tutorial", rest)) => tutorial::run(&root(), rest),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository this program was built from.
fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Builds `engraft` for release; returns where it is.
fn build_program(root: &Path) -> Result<PathBuf> {
    let status =
        Command::new("cargo").current_dir(root).args(["build", "--release", "-p", "engraft-cli"]).status()?;
    ensure!(status.success(), "cargo build failed: {status}");
    Ok(target_folder(root).join("release/engraft"))
}

/// Where cargo puts what it builds.
fn target_folder(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}
