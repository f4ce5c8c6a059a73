//! `engraft compare`: which backbones are good on a data set, and what they cost.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use engraft::{CompareOptions, Comparison, Filter, TrainOptions};
use serde_json::json;

use crate::{
    exit::{Outcome, UsageError},
    options::Common,
    output, plot,
    progress::Display,
    verbs::fit_choice::{FitChoice, parse_fit},
};

/// Train on many backbones and compare how good and how fast they are.
#[derive(clap::Args)]
pub struct Args {
    /// Folder of class folders, or of train, val and test with class folders in each
    data: PathBuf,
    /// Backbones, separated by commas; several joined by + are one [default: all whose weights are on this computer]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    backbones: Vec<String>,
    /// Compare all backbones whose weights are on this computer: embedded, at hand or cached, as `engraft models` says
    #[arg(long, conflicts_with = "backbones")]
    all_available: bool,
    /// Begin no further backbone after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    budget: Option<Duration>,
    /// Folder of class folders to judge on as well
    #[arg(long, value_name = "DIR")]
    test: Option<PathBuf>,
    /// How images fill the square input: stretch, crop, pad, or auto to choose for each backbone by cross-validation
    #[arg(long, default_value = "stretch", value_parser = parse_fit)]
    fit: FitChoice,
    /// Filter for resizing: nearest, bilinear, bicubic or lanczos
    #[arg(long, default_value_t = Filter::Bicubic)]
    filter: Filter,
    /// Folds of cross-validation
    #[arg(long, value_name = "K", default_value_t = TrainOptions::DEFAULT_FOLDS, allow_negative_numbers = true)]
    folds: usize,
    /// Seed of the folds
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,
    /// Fail if any file is skipped
    #[arg(long)]
    strict: bool,
    /// Draw accuracy against time per image into this .svg file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Trains on each backbone, prints the table, draws the picture.
pub fn run(args: Args, common: &Common) -> Result<Outcome> {
    if let Some(out) = &args.out {
        if out.extension().is_none_or(|extension| extension != "svg") {
            let problem = format!("--out is {}, expected a name that ends in .svg", out.display());
            return Err(UsageError(problem).into());
        }
        engraft::check_writable(out)?;
    }
    let names = match args.backbones.is_empty() || args.all_available {
        true => engraft::available_backbones(),
        false => args.backbones,
    };
    let train = TrainOptions {
        test: args.test,
        fit: args.fit.0,
        filter: args.filter,
        folds: args.folds,
        seed: args.seed,
        strict: args.strict,
        ..TrainOptions::default()
    };
    let options = CompareOptions { train, budget: args.budget };
    let display = Display::new(common.quiet);
    let store = super::open_store();
    let comparison = Comparison::run(&args.data, &names, &options, store.as_ref(), &display)?;
    display.finish();
    if let Some(out) = &args.out {
        engraft::write_file(out, plot::comparison(&comparison.backbones).as_bytes())?;
    }
    comparison.warnings.iter().for_each(|warning| output::warning(warning));
    if common.json {
        let mut document = serde_json::to_value(&comparison)?;
        document["threads"] = json!(common.threads());
        document["picture"] = json!(args.out.as_ref().map(|out| out.to_string_lossy()));
        output::json(&document)?;
    } else {
        output::text(&comparison.text())?;
    }
    Ok(Outcome::Done)
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| format!("`{text}` is no time, expected a number of seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_a_number_of_seconds() {
        assert_eq!(parse_seconds("1.5"), Ok(Duration::from_millis(1500)));
        for text in ["", "-1", "NaN", "inf", "10s"] {
            assert!(parse_seconds(text).is_err(), "{text}");
        }
    }
}
