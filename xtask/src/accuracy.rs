//! `cargo xtask accuracy DIR [TRAIN OPTIONS]`: trains on every data set in DIR and compares with scikit-learn.
//!
//! DIR holds data sets `NAME/{train,test}/CLASS/*`. The column beside ours is scikit-learn's cross-validated logistic regression on
//! standardised features of the same backbone in f32, with the fit that our run chose; with `--precision bf16` or `int8` it is
//! our own accuracy in f32.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Test accuracy of scikit-learn on features of EfficientNet-Lite0: (data set, stretch, crop).
const SCIKIT_LEARN: &[(&str, f64, f64)] = &[
    ("charts", 0.960, 0.970),
    ("hymenoptera", 0.954, 0.935),
    ("pets3", 0.977, 0.966),
    ("trashnet", 0.884, 0.835),
    ("fashion_mnist_small", 0.845, 0.836),
    ("omniglot_latin", 0.705, 0.656),
    ("flowers102", 0.840, 0.862),
];

/// One trained data set.
struct Row {
    accuracy: f64,
    reference: Option<f64>,
}

/// Prints a table of test accuracy and seconds, each data set trained with an empty store.
pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let (folder, options) = arguments.split_first().context("expected a folder of data sets")?;
    let folder = PathBuf::from(folder);
    if !folder.is_dir() {
        bail!(
            "{}: no such folder, expected one with data sets NAME/{{train,test}}/CLASS/*",
            folder.display()
        );
    }
    let program = crate::build_program(root)?;
    let in_f32 = in_single_precision(options);
    println!(
        "{:<20} {:>8} {:>7} {:>12} {:>7} {:>8}",
        "data set",
        "accuracy",
        "fit",
        if in_f32.is_some() { "f32" } else { "scikit-learn" },
        "points",
        "seconds"
    );
    let mut rows = Vec::new();
    for &(name, stretch, crop) in SCIKIT_LEARN {
        let data = folder.join(name);
        if !data.is_dir() {
            println!("{name:<20} skipped: {} is absent", data.display());
            continue;
        }
        let trained = train(&program, &data, name, options)?;
        let reference = match (&in_f32, &*trained.fit) {
            (Some(options), _) => Some(train(&program, &data, name, options)?.accuracy),
            (None, "stretch") => Some(stretch),
            (None, "crop") => Some(crop),
            (None, _) => None,
        };
        rows.push(print_row(name, &trained, reference));
    }
    print_mean(&rows);
    Ok(())
}

/// The same options with single precision, if they ask for another.
fn in_single_precision(options: &[String]) -> Option<Vec<String>> {
    let at = options.iter().position(|option| option == "--precision")? + 1;
    let mut options = options.to_vec();
    let precision = options.get_mut(at).filter(|precision| *precision != "f32")?;
    "f32".clone_into(precision);
    Some(options)
}

/// What a training reports.
struct Trained {
    accuracy: f64,
    fit: String,
    seconds: f64,
}

fn train(program: &Path, data: &Path, name: &str, options: &[String]) -> Result<Trained> {
    let scratch = std::env::temp_dir().join(format!("engraft-accuracy-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    let output = Command::new(program)
        .args(["train", "--json", "--quiet", "--out"])
        .arg(scratch.join("model.safetensors"))
        .arg(data)
        .args(options)
        .env("ENGRAFT_CACHE", &scratch)
        .output();
    let report = output.context("engraft did not start").and_then(|output| {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        serde_json::from_slice::<Value>(&output.stdout).with_context(|| format!("{name}: {error}"))
    });
    std::fs::remove_dir_all(&scratch).ok();
    let report = report?;
    Ok(Trained {
        accuracy: report["test"]["accuracy"].as_f64().with_context(|| format!("{name}: no test score"))?,
        fit: report["fit"].as_str().unwrap_or_default().to_owned(),
        seconds: report["seconds"]["total"].as_f64().unwrap_or_default(),
    })
}

fn print_row(name: &str, trained: &Trained, reference: Option<f64>) -> Row {
    let Trained { accuracy, fit, seconds } = trained;
    let [shown, points] = match reference {
        Some(reference) => [format!("{reference:.3}"), format!("{:+.1}", (accuracy - reference) * 100.0)],
        None => ["-".to_owned(), "-".to_owned()],
    };
    println!("{name:<20} {accuracy:>8.3} {fit:>7} {shown:>12} {points:>7} {seconds:>8.1}");
    Row { accuracy: *accuracy, reference }
}

fn print_mean(rows: &[Row]) {
    let compared: Vec<(f64, f64)> =
        rows.iter().filter_map(|row| Some((row.accuracy, row.reference?))).collect();
    let count = compared.len() as f64;
    let [ours, theirs] =
        compared.iter().fold([0.0; 2], |[a, b], &(ours, theirs)| [a + ours / count, b + theirs / count]);
    println!("{:<20} {ours:>8.3} {:>7} {theirs:>12.3} {:>+7.1}", "mean", "", (ours - theirs) * 100.0);
}
