//! `engraft demo`: draws a collection of charts and trains on it.

use std::path::PathBuf;

use anyhow::Result;
use engraft::{Backbone, TrainOptions};

use super::train;
use crate::{demo, exit::Outcome, options::Common, progress::Display};

/// Draw a collection of charts and train on it.
#[derive(clap::Args)]
pub struct Args {
    /// Folder for the drawn images and the model
    #[arg(long, value_name = "DIR", default_value = "engraft-demo")]
    out: PathBuf,
}

/// Seed of the collection, so that everybody sees the same one.
const SEED: u64 = 1;

/// Draws, trains, prints the report.
pub fn run(args: Args, common: &Common) -> Result<Outcome> {
    let display = Display::new(common.quiet);
    let charts = args.out.join("charts");
    demo::draw_collection(&charts, SEED, &display)?;
    let model = args.out.join("charts.safetensors");
    let backbone = Backbone::open_with(Backbone::DEFAULT, None, &display)?;
    let report = train::train_and_save(&charts, backbone, &TrainOptions::default(), &model, &display)?;
    display.finish();
    train::print(&report, &model, common)?;
    Ok(Outcome::Done)
}
