//! `cargo xtask tutorial --data DIR --weights FILE [--seeds N] [--keras PYTHON]`: every recipe of the chart tutorial, beside real
//! Keras, into `docs/TUTORIAL.md`.
//!
//! DIR holds train/CLASS/* and test/CLASS/*, FILE is mobilenet_7_5_224_tf_no_top.h5, PYTHON an interpreter with the packages of
//! `reference/requirements-keras.txt`. Every run is one line in `target/tutorial`; a run of the same program that is there is not
//! repeated, so the task may be interrupted at any time.

mod processor;
mod runs;
mod table;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::golden_hashes::sha256_hex;
use processor::seconds_of_children;
use runs::{Run, Runs};

/// A row of the table.
struct Recipe {
    /// What the runs are called here and in `reference/keras_tutorial.py`.
    name: &'static str,
    title: &'static str,
    /// What `engraft train` is told.
    options: &'static str,
    /// Whether it stands on the MobileNet that Keras has too.
    mobilenet: bool,
    /// What the tutorial itself reports, if it has the recipe.
    tutorial: &'static str,
}

/// The tutorial's order.
const RECIPES: &[Recipe] = &[
    Recipe {
        name: "pixels",
        title: "dense net on pixels",
        options: "--recipe pixels",
        mobilenet: false,
        tutorial: "75 %",
    },
    Recipe { name: "cnn", title: "CNN", options: "--recipe cnn", mobilenet: false, tutorial: "68-75 %" },
    Recipe {
        name: "cnn+augmentation",
        title: "CNN, augmented images",
        options: "--recipe cnn --augment tutorial",
        mobilenet: false,
        tutorial: "80-82 %",
    },
    Recipe {
        name: "dense-flattened",
        title: "dense head on flattened features",
        options: "--recipe dense --flatten",
        mobilenet: true,
        tutorial: "90-93 %",
    },
    Recipe {
        name: "dense-flattened+views",
        title: "the same, 4 views of each image",
        options: "--recipe dense --flatten --views 4 --augment tutorial",
        mobilenet: true,
        tutorial: "",
    },
    Recipe {
        name: "dense-pooled",
        title: "dense head on pooled features",
        options: "--recipe dense",
        mobilenet: true,
        tutorial: "",
    },
    Recipe {
        name: "dense-pooled+views",
        title: "the same, 4 views of each image",
        options: "--recipe dense --views 4 --augment tutorial",
        mobilenet: true,
        tutorial: "",
    },
    Recipe {
        name: "linear",
        title: "linear head on pooled features",
        options: "--recipe linear --fit stretch",
        mobilenet: true,
        tutorial: "",
    },
    Recipe {
        name: "default",
        title: "what `engraft train` does by itself",
        options: "",
        mobilenet: false,
        tutorial: "",
    },
];

/// The options of the task.
struct Options {
    data: PathBuf,
    weights: PathBuf,
    seeds: u64,
    keras: Option<PathBuf>,
}

/// Runs what has not been run yet and writes the table.
pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let folder = crate::target_folder(root).join("tutorial");
    let data = folder.join("data");
    std::fs::remove_dir_all(&data).ok();
    let images = ["train", "test"].map(|part| copy_without_gifs(&options.data.join(part), &data.join(part)));
    let [train_images, test_images] = images;
    let images = [train_images?, test_images?];
    let program = crate::build_program(root)?;
    let mut ours = Runs::open(&folder.join("engraft.jsonl"), &sha256_hex(&std::fs::read(&program)?))?;
    for seed in 0..options.seeds {
        for recipe in RECIPES {
            if !ours.has(recipe.name, seed) {
                ours.add(train(&program, &folder, &data, &options.weights, recipe, seed)?)?;
            }
        }
    }
    let theirs = folder.join("keras.jsonl");
    if let Some(python) = &options.keras {
        let script = root.join("reference/keras_tutorial.py");
        let mut command = Command::new(python);
        command.arg(script).arg(&data).arg(&options.weights).arg(&theirs);
        let status = command.arg("--seeds").arg(options.seeds.to_string()).status()?;
        ensure!(status.success(), "keras_tutorial.py failed: {status}");
    }
    let text = table::document(RECIPES, &Runs::open(&theirs, "")?, &ours, images);
    std::fs::write(root.join("docs/TUTORIAL.md"), text)?;
    Ok(())
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Options> {
        let mut values = std::collections::BTreeMap::new();
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { bail!("{}: expected a value", pair[0]) };
            let known = ["--data", "--weights", "--seeds", "--keras"].contains(&name.as_str());
            ensure!(known, "{name}: expected --data, --weights, --seeds or --keras");
            values.insert(name.as_str(), value.as_str());
        }
        let path = |name| values.get(name).map(PathBuf::from);
        let options = Options {
            data: path("--data").context("expected --data DIR")?,
            weights: path("--weights").context("expected --weights FILE")?,
            seeds: values.get("--seeds").map_or(Ok(5), |seeds| seeds.parse()).context("--seeds")?,
            keras: path("--keras"),
        };
        for needed in [&options.data.join("train"), &options.data.join("test"), &options.weights] {
            ensure!(needed.exists(), "{}: absent, this task needs it", needed.display());
        }
        Ok(options)
    }
}

/// The tutorial's loader passes over GIFs; so both sides get a copy without them. Returns the number of files.
fn copy_without_gifs(from: &Path, to: &Path) -> Result<usize> {
    std::fs::create_dir_all(to)?;
    let mut files = 0;
    for entry in std::fs::read_dir(from)? {
        let (path, name) =
            (entry.as_ref().map(|entry| entry.path()), entry.as_ref().map(|entry| entry.file_name()));
        let (Ok(path), Ok(name)) = (path, name) else { bail!("{}: cannot be listed", from.display()) };
        if path.is_dir() {
            files += copy_without_gifs(&path, &to.join(name))?;
        } else if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gif")) {
            std::fs::copy(&path, to.join(name)).with_context(|| path.display().to_string())?;
            files += 1;
        }
    }
    Ok(files)
}

/// One training on one thread, nothing stored beforehand.
fn train(
    program: &Path,
    folder: &Path,
    data: &Path,
    weights: &Path,
    recipe: &Recipe,
    seed: u64,
) -> Result<Run> {
    let scratch = folder.join("scratch");
    std::fs::remove_dir_all(&scratch).ok();
    std::fs::create_dir_all(&scratch)?;
    let mut command = Command::new(program);
    command.args(["train", "--json", "--quiet", "--threads", "1", "--seed"]).arg(seed.to_string());
    command.args(recipe.options.split_whitespace()).arg("--out").arg(scratch.join("model.safetensors"));
    if recipe.mobilenet {
        command.args(["--backbone", "mobilenet_075", "--weights"]).arg(weights);
    }
    let before = seconds_of_children();
    let output =
        command.arg(data).env("ENGRAFT_CACHE", &scratch).output().context("engraft did not start")?;
    let seconds = seconds_of_children() - before;
    let report: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{}: {}", recipe.name, String::from_utf8_lossy(&output.stderr)))?;
    let accuracy = report["test"]["accuracy"].as_f64().context("no test accuracy")?;
    println!("{} seed {seed}: {accuracy:.3}, {seconds:.1} s", recipe.name);
    Ok(Run { recipe: recipe.name.to_owned(), seed, accuracy, seconds })
}
