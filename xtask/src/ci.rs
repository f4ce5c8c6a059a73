//! `cargo xtask ci`: runs every check in turn and stops at the first that fails.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};

/// One command of the check: its arguments to cargo and what is added to its environment.
struct Step {
    cargo: &'static str,
    environment: Option<(&'static str, &'static str)>,
}

const STEPS: &[Step] = &[
    Step { cargo: "fmt --all -- --check", environment: None },
    Step { cargo: "clippy --workspace --all-targets -- -D warnings", environment: None },
    Step { cargo: "doc --workspace --no-deps", environment: Some(("RUSTDOCFLAGS", "-D warnings")) },
    Step { cargo: "test", environment: None },
    Step { cargo: "test -p xtask", environment: None },
    // The instruction set that this machine would never choose must not rot.
    Step { cargo: "test -p engraft-engine -p engraft", environment: Some(("ENGRAFT_ISA", "portable")) },
];

/// Runs `tidy`, all steps, and every backbone against Keras, for which the steps have compiled everything.
pub fn run(root: &Path) -> Result<()> {
    super::tidy::run(root)?;
    STEPS.iter().try_for_each(|step| run_step(root, step))?;
    super::golden::run(root, &[])
}

fn run_step(root: &Path, step: &Step) -> Result<()> {
    println!("$ cargo {}", step.cargo);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(step.cargo.split_whitespace()).envs(step.environment);
    let status = command.status().with_context(|| format!("cargo {} did not start", step.cargo))?;
    if !status.success() {
        bail!("cargo {} failed: {status}", step.cargo);
    }
    Ok(())
}
