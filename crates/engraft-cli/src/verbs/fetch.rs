//! `engraft fetch`: brings the weights of backbones onto this computer.

use anyhow::{Context, Result};
use engraft::{Ending, Error, ErrorCategory, FetchedWeights};
use serde_json::{Value, json};

use crate::{exit::Outcome, options::Common, output, progress::Display};

/// Bring the weights of backbones onto this computer, unless they are there already.
#[derive(clap::Args)]
pub struct Args {
    /// Backbones
    #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    names: Vec<String>,
    /// Fetch the weights of all backbones whose makers publish them
    #[arg(long)]
    all: bool,
    /// Fetch the files that include the classifier of ImageNet
    #[arg(long)]
    with_top: bool,
}

/// Fetches one after the other and prints where each is. One that cannot be fetched does not keep the others from it.
pub fn run(args: Args, common: &Common) -> Result<Outcome> {
    let names = match args.all {
        true => engraft::fetchable_backbones().into_iter().map(str::to_owned).collect(),
        false => args.names,
    };
    let ending = if args.with_top { Ending::Logits } else { Ending::Features };
    let display = Display::new(common.quiet);
    let mut fetched = Vec::new();
    let mut failed = Vec::new();
    for name in &names {
        match engraft::fetch_weights(name, ending, &display) {
            Ok(weights) => fetched.push(weights),
            Err(error) if concerns_all(&error) => return Err(error.into()),
            Err(error) => failed.push(error),
        }
    }
    display.finish();
    if names.len() > 1 {
        failed.iter().for_each(|error| output::warning(&error.to_string()));
    }
    print(&fetched, common)?;
    conclude(failed, names.len())
}

/// Whether going on with other backbones makes no sense: a wrong name or setting, or Ctrl-C.
fn concerns_all(error: &Error) -> bool {
    matches!(error.category(), ErrorCategory::Usage | ErrorCategory::Interrupted)
}

fn conclude(failed: Vec<Error>, count: usize) -> Result<Outcome> {
    let failures = failed.len();
    match failed.into_iter().next() {
        None => Ok(Outcome::Done),
        Some(only) if count == 1 => Err(only.into()),
        Some(first) => {
            Err(first).with_context(|| format!("{failures} of {count} backbones could not be fetched, the first"))
        }
    }
}

fn print(fetched: &[FetchedWeights], common: &Common) -> Result<()> {
    if fetched.is_empty() {
        return Ok(());
    }
    if common.json {
        return output::json(&fetched.iter().map(document).collect::<Vec<_>>());
    }
    output::text(&fetched.iter().map(line).collect::<String>())?;
    Ok(())
}

fn document(weights: &FetchedWeights) -> Value {
    let FetchedWeights { name, path, bytes, sha256, source } = weights;
    let path = path.as_ref().map(|path| path.to_string_lossy());
    json!({ "name": name, "path": path, "bytes": bytes, "sha256": sha256, "source": source })
}

fn line(weights: &FetchedWeights) -> String {
    let FetchedWeights { name, path, bytes, source, .. } = weights;
    let megabytes = *bytes as f64 / 1e6;
    let path = path.as_ref().map_or_else(|| "inside the binary".to_owned(), |path| path.display().to_string());
    format!("{name:<32} {megabytes:>7.1} MB  {source:<11} {path}\n")
}
