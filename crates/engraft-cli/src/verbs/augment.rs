//! `engraft augment`: writes manufactured images, and a sheet to look at.

use std::path::{Path, PathBuf};

use anyhow::Result;
use engraft::{AugmentOptions, Filter, Fit};
use serde_json::json;

use crate::{
    exit::{Outcome, UsageError},
    options::Common,
    output,
    progress::Display,
    sheet,
};

/// Write augmented copies of the training images, to see what a model will see.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Folder of class folders, or of train, val and test with class folders in each
    data: PathBuf,
    /// A preset (tutorial, light, strong, trivial), KEY=VALUE separated by commas, both, or a .toml file
    #[arg(long, value_name = "SETTINGS")]
    augment: String,
    /// Copies of each image
    #[arg(long, value_name = "N", default_value_t = 4, allow_negative_numbers = true)]
    copies: usize,
    /// Folder for the copies, which must be new or empty: DIR/CLASS/FILE.COPY.png
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Also draw some images beside their copies
    #[arg(long, value_name = "FILE.png")]
    sheet: Option<PathBuf>,
    /// Seed of what is drawn
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,
    /// Side of the square that images are brought to before, in pixels
    #[arg(long, value_name = "N", default_value_t = 224, allow_negative_numbers = true)]
    image_size: usize,
    /// How images fill that square: stretch, crop or pad
    #[arg(long, default_value_t = Fit::Stretch)]
    fit: Fit,
    /// Filter for resizing: nearest, bilinear, bicubic or lanczos
    #[arg(long, default_value_t = Filter::Bicubic)]
    filter: Filter,
}

const AFTER_HELP: &str = "\
Settings: width-shift=0.2 height-shift=0.2 rotation=20 shear=10 zoom=0.2 (or 0.8:1.2) channel-shift=30 brightness=0.8:1.2
horizontal-flip vertical-flip fill=nearest|constant|reflect|wrap cval=0 crop=0.5:1 color-jitter=0.4:0.4:0.4:0.1
greyscale=0.1 blur=0.1:2 noise=10 erasing=0.5 rand-augment=2:9 trivial-augment. docs/AUGMENTATION.md explains each.";

/// Writes copies and sheet, prints what was made.
pub fn run(args: Args, common: &Common) -> Result<Outcome> {
    let options = AugmentOptions {
        augmentation: engraft::read_augmentation(&args.augment)?,
        copies: args.copies,
        seed: args.seed,
        image_size: args.image_size,
        fit: args.fit,
        filter: args.filter,
        preview: args.sheet.is_some(),
    };
    if let Some(sheet) = &args.sheet {
        check_ending(sheet)?;
        engraft::check_writable(sheet)?;
    }
    let display = Display::new(common.quiet);
    let report = engraft::augment_folder(&args.data, &args.out, &options, &display)?;
    display.finish();
    if let Some(path) = &args.sheet {
        engraft::write_file(path, &engraft::encode_png(&sheet::draw(&report.previews))?)?;
    }
    if common.json {
        let mut document = serde_json::to_value(&report)?;
        document["out"] = json!(args.out.to_string_lossy());
        document["sheet"] = json!(args.sheet.as_ref().map(|sheet| sheet.to_string_lossy()));
        output::json(&document)?;
    } else {
        let shown = |path: &Path| engraft::printable(&path.to_string_lossy());
        let out = shown(&args.out);
        let sheet = args.sheet.map(|path| format!("sheet written to {}\n", shown(&path))).unwrap_or_default();
        output::text(&format!("{}copies written to {out}\n{sheet}", report.text()))?;
    }
    Ok(Outcome::Done)
}

/// The sheet is a PNG, so a name with another ending is refused.
fn check_ending(sheet: &Path) -> Result<()> {
    if sheet.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png")) {
        return Ok(());
    }
    Err(UsageError(format!("--sheet is {}, expected a name that ends in .png", sheet.display())).into())
}
