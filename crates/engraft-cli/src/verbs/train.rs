//! `engraft train`: from a folder of images to a model and a judgement of it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use engraft::{
    Backbone, Classifier, Filter, NetworkInput, NetworkTraining, Precision, Progress, TrainOptions, TrainReport,
};
use serde_json::json;

use crate::{
    exit::{Outcome, UsageError},
    options::Common,
    output, plot,
    progress::Display,
    verbs::{
        fit_choice::{FitChoice, parse_fit},
        network_training::{NetworkArgs, beside},
    },
};

/// Train a classifier on a folder of class folders, and judge it.
#[derive(clap::Args)]
pub struct Args {
    /// Folder of class folders, or of train, val and test with class folders in each
    data: PathBuf,
    /// Folder of class folders to judge the model on
    #[arg(long, value_name = "DIR")]
    test: Option<PathBuf>,
    /// Backbone, one of those that `engraft models` lists, or several joined by +
    #[arg(long, value_name = "NAME", default_value = Backbone::DEFAULT)]
    backbone: String,
    /// Weights of the backbone [default: in the folder ENGRAFT_WEIGHTS, inside the binary, or fetched]
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// What the backbone's convolutions multiply: f32, or bf16 or int8 (faster on processors that have them, less exact)
    #[arg(long, default_value_t = Precision::F32)]
    precision: Precision,
    /// Where to write the model [default: DATA-NAME.safetensors in the current folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How images fill the square input: stretch, crop, pad, or auto to choose by cross-validation
    #[arg(long, default_value = "auto", value_parser = parse_fit)]
    fit: FitChoice,
    /// Filter for resizing: nearest, bilinear, bicubic or lanczos [default: bicubic; nearest for a network on pixels]
    #[arg(long)]
    filter: Option<Filter>,
    /// Folds of cross-validation [default: 5; a network has none]
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    folds: Option<usize>,
    /// Seed of the folds and of augmented copies; of a network also of its first weights and the order of images
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,
    /// Train on the features of N views of each training image: the image itself and N - 1 augmented copies
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    views: usize,
    /// Judge the validation and test parts by the mean probabilities of N views of each image
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    tta: usize,
    /// How copies are made: a preset, KEY=VALUE separated by commas, or a .toml file, as `engraft augment` takes them
    /// [default: light, and none for a network on pixels, whose copies are drawn anew in each epoch]
    #[arg(long, value_name = "SETTINGS")]
    augment: Option<String>,
    /// Fail if any file is skipped
    #[arg(long)]
    strict: bool,
    /// Exit with 5 if the accuracy on the test part, or else in cross-validation, or else on the validation part, is below X (0 to 1)
    #[arg(long, value_name = "X", value_parser = super::parse_accuracy)]
    min_accuracy: Option<f64>,
    #[command(flatten)]
    network: NetworkArgs,
}

/// Trains, writes the model, prints the report.
pub fn run(args: Args, common: &Common) -> Result<Outcome> {
    let out = match &args.out {
        Some(out) => out.clone(),
        None => default_out(&args.data)?,
    };
    let options = TrainOptions {
        test: args.test,
        fit: args.fit.0,
        filter: args.filter.map_or_else(|| args.network.default_filter(), Ok)?,
        precision: Some(args.precision),
        folds: args.folds.unwrap_or(TrainOptions::DEFAULT_FOLDS),
        seed: args.seed,
        views: args.views,
        tta: args.tta,
        augment: args.augment.as_deref().map(engraft::read_augmentation).transpose()?,
        class_weights: args.network.class_weights(),
        strict: args.strict,
    };
    let display = Display::new(common.quiet);
    let open = || -> Result<Backbone> {
        Ok(Backbone::open_with(&args.backbone, args.weights.as_deref(), &display)?)
    };
    let network = args.network.training(&options, &out)?;
    if let (Some(network), Some(folds)) = (&network, args.folds) {
        return Err(refused_folds(folds, &network.recipe));
    }
    let report = match network {
        Some(network) if network.layers.input == NetworkInput::Pixels => {
            refuse_backbone(&args.backbone, args.weights.as_deref(), args.precision)?;
            train_network(&args.data, open, &options, &network, &out, &display)?
        }
        Some(network) => train_network(&args.data, open, &options, &network, &out, &display)?,
        None => train_and_save(&args.data, open()?, &options, &out, &display)?,
    };
    display.finish();
    print(&report, &out, common)?;
    Ok(super::gate(args.min_accuracy, report.headline_accuracy()))
}

/// Trains on `data` and writes the model to `out`; shared with the demo.
pub fn train_and_save(
    data: &Path,
    backbone: Backbone,
    options: &TrainOptions,
    out: &Path,
    progress: &dyn Progress,
) -> Result<TrainReport> {
    engraft::check_writable(out)?;
    let store = super::open_store();
    let (classifier, report) = Classifier::train(data, backbone, options, store.as_ref(), progress)?;
    classifier.save(out)?;
    Ok(report)
}

/// A network has no cross-validation.
fn refused_folds(folds: usize, recipe: &str) -> anyhow::Error {
    let expected = "expected none for a network, which is judged on a validation or test part";
    UsageError(format!("--folds {folds} has no meaning for {recipe}, {expected}")).into()
}

/// A network on pixels has no backbone to choose.
fn refuse_backbone(name: &str, weights: Option<&Path>, precision: Precision) -> Result<()> {
    let found = if name != Backbone::DEFAULT {
        format!("--backbone {name}")
    } else if let Some(weights) = weights {
        format!("--weights {}", weights.display())
    } else if precision != Precision::F32 {
        format!("--precision {precision}")
    } else {
        return Ok(());
    };
    let problem = format!("{found} is about a frozen backbone, expected none for a network on pixels");
    Err(UsageError(problem).into())
}

/// Trains a network on `data` and writes the model to `out`, its history and its curves beside it.
fn train_network(
    data: &Path,
    open: impl Fn() -> Result<Backbone>,
    options: &TrainOptions,
    network: &NetworkTraining,
    out: &Path,
    progress: &dyn Progress,
) -> Result<TrainReport> {
    let (table, curves) = (beside(out, "history.csv"), beside(out, "history.svg"));
    [out, &table, &curves].into_iter().try_for_each(engraft::check_writable)?;
    let store = super::open_store();
    let backbone = (network.layers.input == NetworkInput::Features).then(open).transpose()?;
    let (classifier, report) =
        Classifier::train_network(data, backbone, options, network, store.as_ref(), progress)?;
    classifier.save(out)?;
    if let Some(history) = &report.history {
        engraft::write_file(&table, history.to_csv().as_bytes())?;
        engraft::write_file(&curves, plot::curves(history).as_bytes())?;
    }
    // Training is done; where the file cannot be removed it does no harm.
    if let Some(checkpoint) = &network.checkpoint {
        let _ = std::fs::remove_file(checkpoint);
    }
    Ok(report)
}

/// Prints the report of a training whose model stands at `out`; shared with the demo.
pub fn print(report: &TrainReport, out: &Path, common: &Common) -> Result<()> {
    report.warnings.iter().for_each(|warning| output::warning(warning));
    if common.json {
        let mut document = serde_json::to_value(report)?;
        document["model"] = json!(out.to_string_lossy());
        document["threads"] = json!(common.threads());
        return output::json(&document);
    }
    let out = engraft::printable(&out.to_string_lossy());
    output::text(&format!("{}\nmodel written to {out}\n", report.text()))?;
    Ok(())
}

/// `DATA-NAME.safetensors` in the current folder.
fn default_out(data: &Path) -> Result<PathBuf> {
    // A folder given as `.` or `..` has its name only in its whole path.
    let name = match data.file_name() {
        Some(name) => Some(name.to_owned()),
        None => std::fs::canonicalize(data).ok().and_then(|whole| Some(whole.file_name()?.to_owned())),
    };
    let mut name = name.ok_or_else(|| UsageError("DATA has no name, expected --out FILE".to_owned()))?;
    name.push(".safetensors");
    Ok(PathBuf::from(name))
}
