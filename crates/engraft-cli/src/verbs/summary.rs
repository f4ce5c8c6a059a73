//! `engraft summary`: shows the layers of a network as a table.

use anyhow::Result;
use engraft::{Network, Summary};

use crate::{exit::Outcome, options::Common, output, verbs::network::NetworkArgs};

/// Show the layers of a backbone or a model as a table.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    network: NetworkArgs,
}

/// Prints one line per layer and the totals; no weights are needed.
pub fn run(args: Args, common: &Common) -> Result<Outcome> {
    let network: Network = args.network.open()?;
    let summary = Summary::of(&network);
    if common.json {
        output::json(&summary)?;
    } else {
        output::text(&summary.text())?;
    }
    Ok(Outcome::Done)
}
