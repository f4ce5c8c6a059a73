//! The options by which several views of an image are judged together.

use std::path::Path;

use anyhow::Result;
use engraft::{Classifier, Precision};

/// Options of the verbs that use a model.
#[derive(clap::Args)]
pub struct TtaArgs {
    /// Judge each image by the mean probabilities of N views: the image itself and N - 1 augmented copies
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    tta: usize,
    /// How those copies are made, as `engraft augment` takes it [default: as for training, or else light]
    #[arg(long, value_name = "SETTINGS", requires = "tta")]
    augment: Option<String>,
}

impl TtaArgs {
    /// The model at `path`, set to judge in this way, and with another precision if one is given.
    pub fn load(&self, path: &Path, precision: Option<Precision>) -> Result<Classifier> {
        let augment = self.augment.as_deref().map(engraft::read_augmentation).transpose()?;
        let classifier = Classifier::load(path)?;
        let classifier = match precision {
            Some(precision) => classifier.at_precision(precision)?,
            None => classifier,
        };
        Ok(classifier.with_tta(self.tta, augment.as_ref())?)
    }
}
