//! `engraft models`: lists the backbones.

use anyhow::Result;
use engraft::{BackboneListing, WeightsStatus};

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
    let mut text = format!(
        "{:<30} {:>5} {:>8} {:>10} {:>5}  {:<12} {:<8}  {}\n",
        "name", "input", "features", "parameters", "top-1", "licence", "weights", "source"
    );
    for backbone in backbones {
        let BackboneListing { name, input_size, features, parameters, licence, credit, .. } = backbone;
        let top1 = backbone.imagenet_top1_percent.map(|top1| format!("{top1:.1}")).unwrap_or_default();
        let status = match backbone.status {
            WeightsStatus::Embedded => "embedded",
            WeightsStatus::AtHand => "at hand",
            WeightsStatus::Cached => "cached",
            WeightsStatus::ToFetch => "to fetch",
            _ => "missing",
        };
        let place = backbone.path.as_ref().map(|path| engraft::printable(&path.to_string_lossy()));
        let place = place.map(|place| format!("{place}, ")).unwrap_or_default();
        text += &format!(
            "{name:<30} {input_size:>5} {features:>8} {parameters:>10} {top1:>5}  {licence:<12} {status:<8}  \
             {place}{credit}\n"
        );
    }
    text + "\ntop-1: share of ImageNet's validation images labelled rightly at the first guess, in percent.\n\
            to fetch: by `engraft fetch NAME`, or where they are first needed.\n\
            missing: put the file NAME.safetensors into a folder and name that folder in ENGRAFT_WEIGHTS.\n"
}
