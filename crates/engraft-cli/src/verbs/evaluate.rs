//! `engraft evaluate`: judges a model on labelled images.

use std::path::PathBuf;

use anyhow::Result;
use engraft::Precision;

use crate::{exit::Outcome, options::Common, output, progress::Display, verbs::tta::TtaArgs};

/// Judge a model on a folder of class folders.
#[derive(clap::Args)]
pub struct Args {
    /// Model file
    model: PathBuf,
    /// Folder of class folders, matched to the model's classes by name; of train, val and test the test part is taken
    data: PathBuf,
    /// What the backbone's convolutions multiply, f32, bf16, or int8 if it was trained in int8 [default: as in training]
    #[arg(long)]
    precision: Option<Precision>,
    #[command(flatten)]
    tta: TtaArgs,
    /// Fail if any file is skipped
    #[arg(long)]
    strict: bool,
    /// Exit with 5 if the accuracy is below X (0 to 1)
    #[arg(long, value_name = "X", value_parser = super::parse_accuracy)]
    min_accuracy: Option<f64>,
}

/// Evaluates and prints the report.
pub fn run(args: Args, common: &Common) -> Result<Outcome> {
    let classifier = args.tta.load(&args.model, args.precision)?;
    let display = Display::new(common.quiet);
    let store = super::open_store();
    let evaluation = classifier.evaluate(&args.data, args.strict, store.as_ref(), &display)?;
    display.finish();
    evaluation.warnings.iter().for_each(|warning| output::warning(warning));
    if common.json {
        output::json(&evaluation)?;
    } else {
        output::text(&evaluation.text())?;
    }
    Ok(super::gate(args.min_accuracy, Some(evaluation.score.accuracy)))
}
