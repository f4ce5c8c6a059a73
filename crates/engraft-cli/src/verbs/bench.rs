//! `engraft bench`: how fast a backbone runs on this computer, and where its time goes.

use anyhow::Result;
use engraft::{Backbone, BackboneProfile, BackboneSpeed, Precision};

use crate::{
    exit::{Outcome, UsageError},
    options::Common,
    output,
};

/// Measure how fast a backbone runs on this computer.
#[derive(clap::Args)]
pub struct Args {
    /// Backbone, one of those that `engraft models` lists; its weights are not needed
    #[arg(default_value = Backbone::DEFAULT)]
    backbone: String,
    /// What convolutions multiply: f32, or bf16 or int8 (faster on processors that have them, less exact)
    #[arg(long, default_value_t = Precision::F32)]
    precision: Precision,
    /// Show the time of every step on one thread, and what it reaches of the core's arithmetic limit in f32; operations are
    /// counted as in a direct convolution, so that Winograd's algorithm, bf16 and int8 can reach more than all of it
    #[arg(long)]
    profile: bool,
    /// Runs of the profile, of which the fastest counts for each step
    #[arg(long, value_name = "N", default_value_t = 20, requires = "profile")]
    runs: usize,
}

/// Measures and prints.
pub fn run(args: Args, common: &Common) -> Result<Outcome> {
    if args.profile {
        return profile(&args, common);
    }
    let speed = BackboneSpeed::measure(&args.backbone, args.precision)?;
    if common.json { output::json(&speed)? } else { output::text(&speed.text())? }
    Ok(Outcome::Done)
}

fn profile(args: &Args, common: &Common) -> Result<Outcome> {
    if common.threads.is_some_and(|threads| threads > 1) {
        return Err(UsageError("--profile times one thread, expected no --threads".to_owned()).into());
    }
    let profile = BackboneProfile::measure(&args.backbone, args.runs, args.precision)?;
    if common.json { output::json(&profile)? } else { output::text(&profile.text())? }
    Ok(Outcome::Done)
}
