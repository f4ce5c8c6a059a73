//! A backbone with a head of its own: training, judging, predicting, and the file it is kept in.

mod choose;
mod describe;
mod evaluate;
mod fold_warnings;
mod predict;
mod train;
mod train_report;

use std::path::Path;

use engraft_data::{Filter, Fit, Image};
use engraft_train::{Embedder, LinearHead, Store};

pub use describe::Description;
pub use evaluate::Evaluation;
pub use predict::{Guess, Prediction, Problem, Ranked};
pub use train::TrainOptions;
pub use train_report::{CrossValidation, FitAccuracy, ImageCounts, Leak, Seconds, TrainReport};

use crate::{
    Error,
    backbone::Backbone,
    model_file::{self, Header, ModelFile, Preprocessing},
};

/// Most classes of a classifier: a confusion matrix has their square of entries.
pub(crate) const MAX_CLASSES: usize = 10_000;

/// An image classifier.
pub struct Classifier {
    header: Header,
    fit: Fit,
    filter: Filter,
    backbone: Backbone,
    head: LinearHead,
}

impl Classifier {
    /// Reads a model file.
    ///
    /// # Errors
    /// [`Error::Data`] if it cannot be read, [`Error::Model`] if it is truncated, changed or not a model.
    pub fn load(path: &Path) -> Result<Classifier, Error> {
        let ModelFile { header, backbone, head } = model_file::read(path)?;
        let wrong = |error: engraft_data::UnknownName| Error::Model {
            path: path.to_owned(),
            problem: crate::ModelProblem::Header(error.to_string()),
        };
        let Preprocessing { fit, filter } = &header.preprocessing;
        let (fit, filter) = (fit.parse().map_err(wrong)?, filter.parse().map_err(wrong)?);
        Ok(Classifier { header, fit, filter, backbone, head })
    }

    /// Writes the model to `path`, whole or not at all. A loaded copy predicts the same bits.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        model_file::write(path, &self.header, &self.backbone.weights, &self.head)
    }

    /// Names of the classes, in the order of all probabilities.
    pub fn classes(&self) -> &[String] {
        &self.header.classes
    }

    /// The probability of each class for one image.
    ///
    /// # Errors
    /// [`Error::Embed`] if the network cannot be run or gives numbers that are not finite.
    pub fn probabilities(&self, image: &Image) -> Result<Vec<f32>, Error> {
        let features = self.embedder(None).embed_image(image, self.fit)?;
        Ok(self.head.probabilities(&features))
    }

    fn embedder<'a>(&'a self, store: Option<&'a Store>) -> Embedder<'a> {
        Embedder::new(&self.backbone.plan, self.backbone.feature_space(), self.filter, store)
    }
}
