//! `engraft plot`: draws the architecture of a network.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    exit::Outcome,
    options::Common,
    output,
    plot::{PictureFormat, picture},
    verbs::network::NetworkArgs,
};

/// Draw the architecture of a backbone or a model.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    network: NetworkArgs,

    /// Picture to write; its ending says how: .svg, .png or .dot
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Writes the picture and says where it is; no weights are needed.
pub fn run(args: Args, common: &Common) -> Result<Outcome> {
    let format = PictureFormat::of(&args.out)?;
    engraft::check_writable(&args.out)?;
    let layers = args.network.open()?.layers();
    engraft::write_file(&args.out, &picture(&layers, format)?)?;
    if common.json {
        output::json(&serde_json::json!({ "picture": args.out, "layers": layers.len() }))?;
    } else {
        output::text(&format!("{} layers drawn in {}\n", layers.len(), args.out.display()))?;
    }
    Ok(Outcome::Done)
}
