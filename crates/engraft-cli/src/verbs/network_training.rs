//! The options of `engraft train` that train a network instead of a linear head.

use std::path::{Path, PathBuf};

use anyhow::Result;
use engraft::{
    ClassWeights, Filter, FitOptions, LayerList, NetworkInput, NetworkTraining, Optimizer, Recipe,
    RecipeDefaults, Schedule, TrainOptions,
};

use crate::exit::UsageError;

/// Options of training a network.
#[derive(clap::Args)]
#[command(next_help_heading = "Training a network")]
pub struct NetworkArgs {
    /// What is trained: linear (a linear head on frozen features), dense (two layers on them), cnn or pixels (from scratch)
    #[arg(long, value_name = "NAME", default_value = "linear", conflicts_with = "network")]
    recipe: String,
    /// Layers of a network in a TOML file, instead of a recipe
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
    /// Times that every image is learnt from, at most [default: 100 on pixels, 200 on features]
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Images of a step [default: 20 on pixels, 32 on features]
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// How fast weights change [default: that of the optimizer]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    learning_rate: Option<f64>,
    /// sgd, rmsprop, adam or adamw, with settings as in sgd,momentum=0.9 [default: adam; sgd for pixels]
    #[arg(long, value_name = "NAME")]
    optimizer: Option<Optimizer>,
    /// constant, step, cosine or plateau, with settings as in cosine,warmup=3 [default: constant]
    #[arg(long, value_name = "NAME")]
    schedule: Option<Schedule>,
    /// Share of each label that is spread over all classes [default: 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    label_smoothing: Option<f32>,
    /// Give each class the same weight in the loss, however many images it has
    #[arg(long)]
    balanced: bool,
    /// What the loss of each class is multiplied with, as in cats=2,dogs=0.5; 1 for classes that are left out
    #[arg(long, value_name = "CLASS=X,..", conflicts_with = "balanced")]
    class_weight: Option<ClassWeights>,
    /// Side of the square that a network on pixels reads, in pixels [default: 100]
    #[arg(long, value_name = "PX")]
    image_size: Option<usize>,
    /// Share of each class to set aside for validation [default: 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    val_split: Option<f64>,
    /// Stop after N epochs without a smaller loss, on validation if there is any, and keep the best weights
    #[arg(long, value_name = "N")]
    patience: Option<usize>,
    /// Stop once the training loss is below X [default: 1e-7]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    stop_loss: Option<f64>,
    /// Train on every value of the backbone's last map instead of the mean of each channel
    #[arg(long)]
    flatten: bool,
    /// Go on where a training that was interrupted was
    #[arg(long)]
    resume: bool,
}

impl NetworkArgs {
    /// The filter for resizing where none is given.
    pub fn default_filter(&self) -> Result<Filter> {
        let on_pixels = self.layers()?.is_some_and(|(_, layers, _)| layers.input == NetworkInput::Pixels);
        Ok(if on_pixels { Filter::Nearest } else { Filter::Bicubic })
    }

    /// What to train, or `None` for a linear head; the checkpoint stands beside the model `out`.
    pub fn training(&self, options: &TrainOptions, out: &Path) -> Result<Option<NetworkTraining>> {
        let Some((recipe, layers, defaults)) = self.layers()? else {
            return self.refuse_for_linear().map(|()| None);
        };
        let checkpoint = checkpoint_path(out);
        if checkpoint == out {
            let found = out.display();
            let problem = format!("--out {found} is where the checkpoint is kept, expected another ending");
            return Err(UsageError(problem).into());
        }
        if let (Some(size), NetworkInput::Features) = (self.image_size, layers.input) {
            let expected = "expected none for a network on features, whose backbone has its own size";
            return Err(
                UsageError(format!("--image-size {size} has no meaning for {recipe}, {expected}")).into()
            );
        }
        let optimizer = self.optimizer.unwrap_or(defaults.optimizer);
        let fit = FitOptions {
            epochs: self.epochs.unwrap_or(defaults.epochs),
            batch_size: self.batch_size.unwrap_or(defaults.batch_size),
            learning_rate: self.learning_rate.unwrap_or(optimizer.default_learning_rate()),
            optimizer,
            schedule: self.schedule.unwrap_or(Schedule::Constant),
            label_smoothing: self.label_smoothing.unwrap_or_default(),
            stop_loss: Some(self.stop_loss.unwrap_or(Recipe::STOP_LOSS)),
            patience: self.patience,
            seed: options.seed,
            ..FitOptions::default()
        };
        Ok(Some(NetworkTraining {
            recipe,
            layers,
            fit,
            image_size: self.image_size.unwrap_or(Recipe::IMAGE_SIZE),
            val_split: self.val_split.unwrap_or_default(),
            flatten: self.flatten,
            checkpoint: Some(checkpoint),
            resume: self.resume,
        }))
    }

    /// The name of a recipe or of a file, with its layers and what they are trained with.
    fn layers(&self) -> Result<Option<(String, LayerList, RecipeDefaults)>> {
        if let Some(path) = &self.network {
            let layers = LayerList::read(path)?;
            let name = path.file_stem().map_or("network".into(), |stem| stem.to_string_lossy().into_owned());
            let defaults = RecipeDefaults::of(layers.input);
            return Ok(Some((name, layers, defaults)));
        }
        if self.recipe == "linear" {
            return Ok(None);
        }
        let recipe: Recipe = self.recipe.parse()?;
        Ok(Some((recipe.name().to_owned(), recipe.layers(), recipe.defaults())))
    }

    /// How much the images of each class count in the loss, of a network or of a linear head.
    pub fn class_weights(&self) -> ClassWeights {
        match &self.class_weight {
            Some(weights) => weights.clone(),
            None if self.balanced => ClassWeights::Balanced,
            None => ClassWeights::Even,
        }
    }

    /// A linear head is solved, not trained step by step.
    fn refuse_for_linear(&self) -> Result<()> {
        let given = [
            ("--epochs", self.epochs.is_some()),
            ("--batch-size", self.batch_size.is_some()),
            ("--learning-rate", self.learning_rate.is_some()),
            ("--optimizer", self.optimizer.is_some()),
            ("--schedule", self.schedule.is_some()),
            ("--label-smoothing", self.label_smoothing.is_some()),
            ("--image-size", self.image_size.is_some()),
            ("--val-split", self.val_split.is_some()),
            ("--patience", self.patience.is_some()),
            ("--stop-loss", self.stop_loss.is_some()),
            ("--flatten", self.flatten),
            ("--resume", self.resume),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((name, _)) => Err(UsageError(format!(
                "{name} has no meaning for the recipe linear, expected --recipe dense, cnn or pixels, or --network FILE"
            ))
            .into()),
            None => Ok(()),
        }
    }
}

/// `OUT.checkpoint`
fn checkpoint_path(out: &Path) -> PathBuf {
    beside(out, "checkpoint")
}

/// `OUT` with its ending replaced.
pub fn beside(out: &Path, ending: &str) -> PathBuf {
    out.with_extension(ending)
}
