//! `cargo xtask golden --full [NAME...]`: proves backbones against Keras, each in a process of its own.
//!
//! A backbone in its own process gives back all its memory before the next one starts, and its peak is its own.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

/// Where the goldens are, one for each backbone.
const GOLDENS: &str = "golden/keras_zoo";

/// The most that all backbones together may take.
const TIME_LIMIT: Duration = Duration::from_secs(20 * 60);

/// Runs the named backbones, or all of them, and prints a row for each.
pub fn run(root: &Path, names: &[String]) -> Result<()> {
    let names = if names.is_empty() { all_names(root)? } else { names.to_vec() };
    let program = build(root)?;
    println!(
        "{:<32} {:>11} {:>11} {:>9} {:>9} {:>7} {:>7}",
        "backbone", "parameters", "in Keras", "features", "others", "peak MB", "seconds"
    );
    let began = Instant::now();
    let mut wrong = Vec::new();
    for name in names {
        let status = Command::new(&program).arg(&name).current_dir(root).status();
        if !status.with_context(|| format!("{} did not start", program.display()))?.success() {
            wrong.push(name);
        }
    }
    println!("{:.0} seconds for all", began.elapsed().as_secs_f64());
    if !wrong.is_empty() {
        bail!("not as in Keras: {}", wrong.join(", "));
    }
    if began.elapsed() > TIME_LIMIT {
        bail!("took {:.0} seconds, expected at most {}", began.elapsed().as_secs_f64(), TIME_LIMIT.as_secs());
    }
    Ok(())
}

fn all_names(root: &Path) -> Result<Vec<String>> {
    let folder = root.join(GOLDENS);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".safetensors").map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// In the profile of the tests, so that what they have compiled is not compiled again.
fn build(root: &Path) -> Result<PathBuf> {
    let status = Command::new("cargo")
        .current_dir(root)
        .args(["build", "--quiet", "-p", "engraft", "--example", "prove_keras_zoo"])
        .status()?;
    if !status.success() {
        bail!("cargo build failed: {status}");
    }
    Ok(root.join("target/debug/examples/prove_keras_zoo"))
}
