//! Proves that files saved by real Keras give Keras' features, and prints a row for each file.
//!
//! `cargo run --release --example prove_keras_saved -- FOLDER`, where `reference/keras_saved.py FOLDER` has written. Each file is
//! opened in a process of its own, whose peak of memory just after that is shown against the length of the file.

#[path = "../tests/keras_zoo/pictures.rs"]
mod pictures;

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use engraft_formats::{WeightsFile, read_weights};
use engraft_graph::NamedTensors;
use engraft_testing::peak_memory_bytes;
use engraft_zoo::{Ending, Opened, Source, open};
use pictures::{deviation, run, sides};

/// Agreement asked for, as a part of the largest value.
const TOLERANCE: f32 = 1e-4;

/// What the files are called in which Keras' own outputs are.
const EXPECTED: &str = "expected.safetensors";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [path] = &arguments[..] else { return Err("usage: prove_keras_saved FOLDER|FILE".into()) };
    let path = Path::new(path);
    let all_agree = if path.is_dir() { prove_all(path)? } else { prove(path)? };
    Ok(if all_agree { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs this program for every file in turn.
fn prove_all(folder: &Path) -> Result<bool, Box<dyn Error>> {
    println!("{:<48} {:>9} {:>9} {:>7} {:>7}", "file", "features", "logits", "MB", "peak MB");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.retain(|path| !path.to_string_lossy().ends_with(EXPECTED));
    paths.sort();
    let mut all_agree = !paths.is_empty();
    for path in paths {
        all_agree &= Command::new(env::current_exe()?).arg(path).status()?.success();
    }
    Ok(all_agree)
}

fn prove(path: &Path) -> Result<bool, Box<dyn Error>> {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = file.split('.').next().unwrap_or_default();
    let with_classifier = file.contains(".top.");
    let source = Source::File(path);
    let features = open(name, source, Ending::Features)?;
    let peak = peak_memory_bytes().map_or("-".to_owned(), megabytes);
    let WeightsFile::Named(expected) = read_weights(&path.with_file_name(format!("{name}.{EXPECTED}")))?
    else {
        return Err(format!("the outputs of Keras for {file} are not named arrays").into());
    };
    let features = worst(&features, Ending::Features, &expected, "features_")?;
    let logits = match with_classifier {
        true => worst(&open(name, source, Ending::Logits)?, Ending::Logits, &expected, "logits_")?,
        false => 0.0,
    };
    let agrees = features.max(logits) <= TOLERANCE;
    println!(
        "{file:<48} {features:>9.1e} {:>9} {:>7} {peak:>7}  {}",
        if with_classifier { format!("{logits:.1e}") } else { "-".to_owned() },
        megabytes(fs::metadata(path)?.len()),
        if agrees { "agrees" } else { "DIFFERS" },
    );
    Ok(agrees)
}

/// The largest deviation from the arrays whose names begin with `prefix` and end with the size of the images.
fn worst(
    opened: &Opened,
    ending: Ending,
    expected: &NamedTensors,
    prefix: &str,
) -> Result<f32, Box<dyn Error>> {
    let mut worst = None;
    for (array, want) in expected.iter() {
        let Some(size) = array.strip_prefix(prefix).and_then(sides) else { continue };
        let graph = opened.spec.graph_at(size, ending)?;
        let found = deviation(&run(&graph, &opened.weights, size), &want.to_f32());
        worst = Some(found.max(worst.unwrap_or(0.0)));
    }
    worst.ok_or_else(|| format!("Keras' outputs have no {prefix}HEIGHTxWIDTH").into())
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}
