//! Finished runs, kept line by line in a file.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// One training.
pub(super) struct Run {
    pub recipe: String,
    pub seed: u64,
    /// On the test part, in 0..=1.
    pub accuracy: f64,
    /// Processor time on one thread.
    pub seconds: f64,
}

/// All runs of one side.
pub(super) struct Runs {
    path: PathBuf,
    runs: Vec<Run>,
}

impl Runs {
    /// Those in the file, none if there is no file.
    pub(super) fn open(path: &Path) -> Result<Runs> {
        let text = if path.exists() { std::fs::read_to_string(path)? } else { String::new() };
        let runs =
            text.lines().map(|line| Run::parse(line).with_context(|| format!("{}: {line}", path.display())));
        Ok(Runs { path: path.to_owned(), runs: runs.collect::<Result<_>>()? })
    }

    /// Whether there is a run of that recipe and seed.
    pub(super) fn has(&self, recipe: &str, seed: u64) -> bool {
        self.runs.iter().any(|run| run.recipe == recipe && run.seed == seed)
    }

    /// Adds a run to the file.
    pub(super) fn add(&mut self, run: Run) -> Result<()> {
        let Run { recipe, seed, accuracy, seconds } = &run;
        let line = json!({ "recipe": recipe, "seed": seed, "accuracy": accuracy, "seconds": seconds });
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&self.path)?;
        writeln!(file, "{line}")?;
        self.runs.push(run);
        Ok(())
    }

    /// Accuracies and seconds of a recipe.
    pub(super) fn of(&self, recipe: &str) -> (Vec<f64>, Vec<f64>) {
        let runs = self.runs.iter().filter(|run| run.recipe == recipe);
        runs.map(|run| (run.accuracy, run.seconds)).unzip()
    }
}

impl Run {
    fn parse(line: &str) -> Result<Run> {
        let value: Value = serde_json::from_str(line)?;
        let number = |name: &str| value[name].as_f64().with_context(|| format!("no number {name}"));
        Ok(Run {
            recipe: value["recipe"].as_str().context("no recipe")?.to_owned(),
            seed: value["seed"].as_u64().context("no seed")?,
            accuracy: number("accuracy")?,
            seconds: number("seconds")?,
        })
    }
}
