//! `engraft inspect`: shows what is in a model file.

use std::path::PathBuf;

use anyhow::Result;
use engraft::Classifier;

use crate::{exit::Outcome, options::Common, output};

/// Show what is in a model file.
#[derive(clap::Args)]
pub struct Args {
    /// Model file
    model: PathBuf,
}

/// Checks the model as `predict` would and prints its description.
pub fn run(args: Args, common: &Common) -> Result<Outcome> {
    let description = Classifier::load(&args.model)?.describe();
    if common.json {
        output::json(&description)?;
    } else {
        output::text(&description.text())?;
    }
    Ok(Outcome::Done)
}
