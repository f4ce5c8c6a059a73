//! `engraft cache`: shows or empties the store of features.

use anyhow::Result;
use engraft::{Store, StoreInfo, StoreLocation};
use serde_json::json;

use crate::{exit::Outcome, options::Common, output};

/// Show or empty the store of features.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Show where the store is and how large
    Info,
    /// Remove everything in the store
    Clear,
}

/// Does it and prints what there is, or was.
pub fn run(args: Args, common: &Common) -> Result<Outcome> {
    let store = open()?;
    let (info, remark) = match args.action {
        Action::Info => (store.info().map_err(engraft::Error::from)?, ""),
        Action::Clear => (store.clear().map_err(engraft::Error::from)?, ", all removed"),
    };
    let StoreInfo { folder, entries, bytes, limit_bytes } = info;
    if common.json {
        let cleared = matches!(args.action, Action::Clear);
        let document = json!({
            "folder": folder.to_string_lossy(), "entries": entries, "bytes": bytes, "limit_bytes": limit_bytes,
            "cleared": cleared,
        });
        output::json(&document)?;
    } else {
        let [megabytes, limit] = [bytes, limit_bytes].map(|bytes| bytes as f64 / 1e6);
        let text = format!("{}: {entries} entries, {megabytes:.1} of {limit:.0} MB{remark}\n", folder.display());
        output::text(&text)?;
    }
    Ok(Outcome::Done)
}

fn open() -> Result<Store> {
    let opened = StoreLocation::from_environment().and_then(|location| Store::open(&location));
    Ok(opened.map_err(engraft::Error::from)?)
}
