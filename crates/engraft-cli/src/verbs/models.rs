//! `engraft models`: lists the backbones.

use anyhow::Result;
use engraft::BackboneListing;

use crate::{exit::Outcome, options::Common, output};

/// List the backbones.
#[derive(clap::Args)]
pub struct Args {}

/// Prints one line per backbone.
pub fn run(_args: Args, common: &Common) -> Result<Outcome> {
    let backbones = engraft::backbones();
    if common.json {
        output::json(&backbones)?;
    } else {
        output::text(&table(&backbones))?;
    }
    Ok(Outcome::Done)
}

fn table(backbones: &[BackboneListing]) -> String {
    let mut text = format!("{:<20} {:>5} {:>8} {:>10}  {:<10} {}\n", "name", "input", "features", "parameters", "licence", "weights");
    for backbone in backbones {
        let BackboneListing { name, input_size, features, parameters, licence, weights, .. } = backbone;
        text += &format!("{name:<20} {input_size:>5} {features:>8} {parameters:>10}  {licence:<10} {weights}\n");
    }
    text
}
