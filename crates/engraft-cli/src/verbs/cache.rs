//! `engraft cache`: shows or empties the store of features and the cache of weights.

use anyhow::Result;
use engraft::{Store, StoreInfo, StoreLocation, WeightCache, WeightCacheInfo};
use serde_json::json;

use crate::{exit::Outcome, options::Common, output};

/// Show or empty the store of features and the cache of weights.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Show where the features and the fetched weights are and how large
    Info,
    /// Remove all features
    Clear {
        /// Remove the fetched weights, too
        #[arg(long)]
        weights: bool,
    },
}

/// Does it and prints what there is, or was.
pub fn run(args: Args, common: &Common) -> Result<Outcome> {
    let (store, weight_cache) = (open()?, WeightCache::from_environment()?);
    let (cleared, weights_cleared) = match args.action {
        Action::Info => (false, false),
        Action::Clear { weights } => (true, weights),
    };
    let info = if cleared { store.clear() } else { store.info() }.map_err(engraft::Error::from)?;
    let weights = if weights_cleared { weight_cache.clear() } else { weight_cache.info() }?;
    if common.json {
        print_json(&info, cleared, &weights, weights_cleared)?;
    } else {
        output::text(&(feature_line(&info, cleared) + &weight_line(&weights, weights_cleared)))?;
    }
    Ok(Outcome::Done)
}

fn open() -> Result<Store> {
    let opened = StoreLocation::from_environment().and_then(|location| Store::open(&location));
    Ok(opened.map_err(engraft::Error::from)?)
}

fn print_json(info: &StoreInfo, cleared: bool, weights: &WeightCacheInfo, weights_cleared: bool) -> Result<()> {
    output::json(&json!({
        "folder": info.folder.to_string_lossy(),
        "entries": info.entries,
        "bytes": info.bytes,
        "limit_bytes": info.limit_bytes,
        "cleared": cleared,
        "weights": {
            "folder": weights.folder.to_string_lossy(),
            "files": weights.files,
            "bytes": weights.bytes,
            "cleared": weights_cleared,
        },
    }))
}

fn feature_line(info: &StoreInfo, cleared: bool) -> String {
    let StoreInfo { folder, entries, bytes, limit_bytes } = info;
    let [megabytes, limit] = [bytes, limit_bytes].map(|bytes| *bytes as f64 / 1e6);
    let remark = remark(cleared);
    format!("{}: {entries} entries, {megabytes:.1} of {limit:.0} MB{remark}\n", folder.display())
}

fn weight_line(weights: &WeightCacheInfo, cleared: bool) -> String {
    let WeightCacheInfo { folder, files, bytes } = weights;
    let megabytes = *bytes as f64 / 1e6;
    format!("{}: {files} weight files, {megabytes:.1} MB{}\n", folder.display(), remark(cleared))
}

fn remark(cleared: bool) -> &'static str {
    if cleared { ", all removed" } else { "" }
}
