//! `cargo xtask tidy`: the rules of the project that no compiler checks.

use std::path::Path;

use anyhow::{Result, bail};

use crate::{crate_edges, golden_hashes, sources};

/// Checks every rule and reports all violations at once.
pub fn run(root: &Path) -> Result<()> {
    let files = sources::read_all(root)?;
    let mut violations = crate_edges::check(root)?;
    violations.extend(golden_hashes::check(root)?);
    violations.extend(sources::check(&files));
    if violations.is_empty() {
        println!("tidy: {} source files, no violations", files.len());
        return Ok(());
    }
    for violation in &violations {
        eprintln!("tidy: {violation}");
    }
    bail!("{} violations", violations.len())
}
