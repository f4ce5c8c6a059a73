//! `cargo xtask ci`: runs every check in turn and stops at the first that fails.

use std::{ffi::OsString, path::Path, process::Command};

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

/// Runs `tidy`, all steps, the check for Arm, and every backbone against Keras, for which the steps have compiled everything.
pub fn run(root: &Path) -> Result<()> {
    super::tidy::run(root)?;
    for Step { cargo, environment } in STEPS {
        let environment = environment.map(|(name, value)| (name, OsString::from(value)));
        run_cargo(root, cargo, environment.as_slice())?;
    }
    super::arm::check(root)?;
    super::golden::run(root, &[])
}

/// Runs cargo with these arguments, separated by spaces, and says so.
pub fn run_cargo(root: &Path, arguments: &str, environment: &[(&str, OsString)]) -> Result<()> {
    println!("$ cargo {arguments}");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(arguments.split_whitespace());
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let status = command.status().with_context(|| format!("cargo {arguments} did not start"))?;
    if !status.success() {
        bail!("cargo {arguments} failed: {status}");
    }
    Ok(())
}
