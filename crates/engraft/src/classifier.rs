//! A backbone with a head of its own: training, judging, predicting, and the file it is kept in.

mod choose;
mod describe;
mod evaluate;
mod fold_warnings;
mod network;
mod predict;
mod train;
mod train_report;
mod views;

use std::path::Path;

use engraft_data::{Filter, Fit, Image};
use engraft_engine::Precision;
use engraft_train::{Embedder, LinearHead, Store, Views};

pub use describe::Description;
pub use evaluate::Evaluation;
pub use network::{ClassWeights, NetworkTraining};
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
    /// The views of an image that are judged; none is the untouched image alone.
    tta: Option<Views>,
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
        Ok(Classifier { header, fit, filter, backbone, head, tta: None })
    }

    /// Writes the model to `path`, whole or not at all. A loaded copy predicts the same bits.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        model_file::write(path, &self.header, &self.backbone, &self.head)
    }

    /// The same classifier, the convolutions of its backbone computed with another precision than in training: faster or
    /// slower, and with probabilities that differ a little.
    ///
    /// # Errors
    /// As [`Backbone::at_precision`].
    pub fn at_precision(self, precision: Precision) -> Result<Classifier, Error> {
        Ok(Classifier { backbone: self.backbone.at_precision(precision)?, ..self })
    }

    /// A warning if this computer has no fast instructions for the backbone's precision.
    pub fn precision_warning(&self) -> Option<String> {
        self.backbone.precision_warning()
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
        let features = self.embedder(None).embed_image(image, self.fit, self.tta.as_ref())?;
        Ok(self.head.mean_probabilities(&features))
    }

    fn embedder<'a>(&'a self, store: Option<&'a Store>) -> Embedder<'a> {
        self.backbone.embedder(self.filter, store)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use engraft_testing::noise_u8;

    use super::*;
    use crate::{Silent, backbone::tests::tiny_part};

    #[test]
    fn a_loaded_combination_predicts_the_same_bits() {
        let folder = tempfile::tempdir().unwrap();
        for (class, seeds) in [("a", 0..6_u64), ("b", 6..12)] {
            let class = folder.path().join("data").join(class);
            fs::create_dir_all(&class).unwrap();
            for seed in seeds {
                let image = [&b"P6 9 5 255\n"[..], &noise_u8(seed, 9 * 5 * 3)].concat();
                fs::write(class.join(format!("{seed}.ppm")), image).unwrap();
            }
        }
        let backbone = Backbone::of_parts(vec![tiny_part("one", 6, 3), tiny_part("other", 4, 2)]);
        let (data, options) = (folder.path().join("data"), TrainOptions::default());
        let (trained, report) = Classifier::train(&data, backbone, &options, None, &Silent).unwrap();
        assert_eq!((&*report.backbone.name, report.backbone.features), ("one+other", 5));
        let path = folder.path().join("model");
        trained.save(&path).unwrap();
        let loaded = Classifier::load(&path).unwrap();
        for seed in 20..25 {
            let image = Image { width: 8, height: 6, pixels: noise_u8(seed, 8 * 6 * 3) };
            let bits = |model: &Classifier| {
                let probabilities = model.probabilities(&image).unwrap();
                probabilities.into_iter().map(f32::to_bits).collect::<Vec<u32>>()
            };
            assert_eq!(bits(&loaded), bits(&trained), "image {seed}");
        }
    }
}
