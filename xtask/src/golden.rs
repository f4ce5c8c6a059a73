//! `cargo xtask golden --full [NAME...]` proves backbones against Keras or timm; `cargo xtask backbones` writes the table of them.
//!
//! A backbone in its own process gives back all its memory before the next one starts, and its peak is its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};

/// Where the goldens are, one for each backbone.
const GOLDENS: [&str; 2] = ["golden/keras_zoo", "golden/timm_zoo"];

/// Runs the named backbones, or all of them, and prints a row for each.
pub fn run(root: &Path, names: &[String]) -> Result<()> {
    let names = if names.is_empty() { all_names(root)? } else { names.to_vec() };
    // In the profile of the tests, so that what they have compiled is not compiled again.
    let program = build(root, "dev")?;
    println!(
        "{:<32} {:>11} {:>11} {:>9} {:>9} {:>7} {:>7}",
        "backbone", "parameters", "reference", "features", "others", "peak MB", "seconds"
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
        bail!("not as in the reference: {}", wrong.join(", "));
    }
    Ok(())
}

/// The file that [`write_table`] writes.
const TABLE: &str = "docs/BACKBONES.md";

/// What stands above the table's rows.
const TABLE_HEAD: &str = "\
# Backbones

All backbones, compared with Keras 3.15 (EfficientNet-Lite: timm 1.0) on weights from a formula. Written by

```sh
cargo xtask backbones
```

`parameters` counts all values without the classifier. `deviation` is the largest one of pooled features, of two layers on the way and,
for one backbone of each structure, of maxima, maps and logits, as a part of the largest value of the same output, for two images at two
sizes. `images/s` is the median speed of one thread in f32 at the given side in pixels, decoding and resizing not included, on CPU.

| backbone | side | parameters | in the reference | deviation | images/s |
|---|---|---|---|---|---|
";

/// Proves and times all backbones, and writes the table of them.
pub fn write_table(root: &Path) -> Result<()> {
    let program = build(root, "release")?;
    let mut table = TABLE_HEAD.replace("CPU", &processor());
    for name in all_names(root)? {
        let mut command = Command::new(&program);
        let output = command.args(["--markdown", &name]).current_dir(root).stderr(Stdio::inherit()).output();
        let output = output.with_context(|| format!("{} did not start", program.display()))?;
        let row = String::from_utf8(output.stdout)?;
        print!("{row}");
        if !output.status.success() {
            bail!("{name} is not as in the reference");
        }
        table.push_str(&row);
    }
    fs::write(root.join(TABLE), table).context(TABLE)
}

/// What the system calls the processor.
fn processor() -> String {
    let listing = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = listing.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    line.map_or(std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned())
}

fn all_names(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for folder in GOLDENS.map(|folder| root.join(folder)) {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            names.extend(name.strip_suffix(".safetensors").map(str::to_owned));
        }
    }
    names.sort();
    Ok(names)
}

/// Builds the program that proves backbones.
fn build(root: &Path, profile: &str) -> Result<PathBuf> {
    let status = Command::new("cargo")
        .current_dir(root)
        .args(["build", "--quiet", "-p", "engraft", "--example", "prove_keras_zoo", "--profile", profile])
        .status()?;
    if !status.success() {
        bail!("cargo build failed: {status}");
    }
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(crate::target_folder(root).join(folder).join("examples/prove_keras_zoo"))
}
