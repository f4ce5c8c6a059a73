//! `engraft embed`: writes the features of images to a file.

use std::path::PathBuf;

use anyhow::Result;
use engraft::{Backbone, EmbedOptions, FeatureFormat, FeatureTable, Filter, Fit, Precision};

use crate::{exit::Outcome, options::Common, output, progress::Display};

/// Write the backbone's features of images to a file.
#[derive(clap::Args)]
pub struct Args {
    /// Folder of images in any layout, an image, or a NumPy array of images [n, h, w, 3] in 0..255
    data: PathBuf,
    /// Backbone, one of those that `engraft models` lists, or several joined by +
    #[arg(long, value_name = "NAME", default_value = Backbone::DEFAULT)]
    backbone: String,
    /// Weights of the backbone [default: in the folder ENGRAFT_WEIGHTS, inside the binary, or fetched]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// How images fill the square input: stretch, crop or pad
    #[arg(long, default_value_t = Fit::Stretch)]
    fit: Fit,
    /// Filter for resizing: nearest, bilinear, bicubic or lanczos
    #[arg(long, default_value_t = Filter::Bicubic)]
    filter: Filter,
    /// What convolutions multiply: f32, or bf16 or int8 (faster on processors that have them, less exact)
    #[arg(long, default_value_t = Precision::F32)]
    precision: Precision,
    /// Where to write the features; the ending, .npy or .safetensors, is the format
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Embeds and writes.
pub fn run(args: Args, common: &Common) -> Result<Outcome> {
    let format = FeatureFormat::of(&args.out)?;
    engraft::check_writable(&args.out)?;
    let display = Display::new(common.quiet);
    let backbone = Backbone::open_with(&args.backbone, args.weights.as_deref(), &display)?;
    let options =
        EmbedOptions { fit: args.fit, filter: args.filter, precision: Some(args.precision) };
    let store = super::open_store();
    let table = FeatureTable::embed(&args.data, backbone, &options, store.as_ref(), &display)?;
    table.save(&args.out, format)?;
    display.finish();
    table.warnings.iter().for_each(|warning| output::warning(warning));
    if common.json {
        output::json(&table)?;
    } else {
        let out = engraft::printable(&args.out.to_string_lossy());
        output::text(&format!("{}features written to {out}\n", table.text()))?;
    }
    Ok(Outcome::Done)
}
