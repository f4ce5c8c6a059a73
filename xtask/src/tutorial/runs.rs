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

/// All runs of one program.
pub(super) struct Runs {
    path: PathBuf,
    /// What identifies the program; empty for Keras.
    program: String,
    runs: Vec<Run>,
}

impl Runs {
    /// Those of `program` in the file, none if there is no file.
    pub(super) fn open(path: &Path, program: &str) -> Result<Runs> {
        let text = if path.exists() { std::fs::read_to_string(path)? } else { String::new() };
        let mut runs = Vec::new();
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).with_context(|| path.display().to_string())?;
            if value["program"].as_str().unwrap_or_default() == program {
                runs.push(Run::parse(&value).with_context(|| format!("{}: {line}", path.display()))?);
            }
        }
        Ok(Runs { path: path.to_owned(), program: program.to_owned(), runs })
    }

    /// Whether there is a run of that recipe and seed.
    pub(super) fn has(&self, recipe: &str, seed: u64) -> bool {
        self.runs.iter().any(|run| run.recipe == recipe && run.seed == seed)
    }

    /// Adds a run to the file.
    pub(super) fn add(&mut self, run: Run) -> Result<()> {
        let (Run { recipe, seed, accuracy, seconds }, program) = (&run, &self.program);
        let line = json!({
            "recipe": recipe, "seed": seed, "accuracy": accuracy, "seconds": seconds, "program": program
        });
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&self.path)?;
        writeln!(file, "{line}")?;
        self.runs.push(run);
        Ok(())
    }

    /// Accuracies and seconds of a recipe.
    pub(super) fn figures(&self, recipe: &str) -> (Vec<f64>, Vec<f64>) {
        let runs = self.runs.iter().filter(|run| run.recipe == recipe);
        runs.map(|run| (run.accuracy, run.seconds)).unzip()
    }
}

impl Run {
    fn parse(value: &Value) -> Result<Run> {
        let number = |name: &str| value[name].as_f64().with_context(|| format!("no number {name}"));
        Ok(Run {
            recipe: value["recipe"].as_str().context("no recipe")?.to_owned(),
            seed: value["seed"].as_u64().context("no seed")?,
            accuracy: number("accuracy")?,
            seconds: number("seconds")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_another_program_do_not_count() {
        let path = std::env::temp_dir().join(format!("engraft-runs-{}.jsonl", std::process::id()));
        let run = Run { recipe: "cnn".to_owned(), seed: 3, accuracy: 0.5, seconds: 1.0 };
        Runs::open(&path, "old").unwrap().add(run).unwrap();
        let [old, new] = ["old", "new"].map(|program| Runs::open(&path, program).unwrap().has("cnn", 3));
        std::fs::remove_file(&path).unwrap();
        assert_eq!([old, new], [true, false]);
    }
}
