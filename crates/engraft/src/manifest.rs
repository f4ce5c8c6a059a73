//! What a model remembers of its training: enough to repeat it, nothing that differs from run to run.

use engraft_data::augment::Augmentation;
use engraft_engine::Precision;
use engraft_train::{FitOptions, Stop, Views};
use serde::{Deserialize, Serialize};

use crate::{classifier::CrossValidation, recipe::LayerList, stored_score::RecordedScore};

/// How a model was trained and how it was judged, by scores of type `S`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest<S = RecordedScore> {
    /// Version of `engraft`.
    pub engraft: String,
    /// Instruction set its features were computed on.
    pub instruction_set: String,
    /// What the convolutions of its backbone multiplied: `f32`, `bf16` or `int8`.
    #[serde(default = "single_precision", skip_serializing_if = "is_single_precision")]
    pub precision: String,
    /// What decoded and resized the images.
    pub decoder: String,
    /// What ran the network.
    pub engine: String,
    /// Seed of the folds and of augmented views.
    pub seed: u64,
    /// The views of each training image that the head was trained on, where it was not the untouched image alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub views: Option<Views>,
    /// The views whose mean probabilities validation and test parts are judged by, where there are such parts; likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tta: Option<Views>,
    /// Strength of the head's penalty; none of a network that was trained as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l2: Option<f64>,
    /// The weight of each class in the loss of a linear head, where weights were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<Vec<f32>>,
    /// How a network was trained; none of a linear head on frozen features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkRecord>,
    /// The images of each part.
    pub data: DataParts<PartRecord>,
    /// Scores of out-of-fold predictions.
    pub cv: Option<CrossValidation<S>>,
    /// Score on the validation part.
    pub val: Option<S>,
    /// Score on the test part.
    pub test: Option<S>,
}

impl<S> Manifest<S> {
    /// Every score there is.
    pub(crate) fn scores(&self) -> impl Iterator<Item = &S> {
        let cv = self.cv.as_ref().map(|cv| &cv.score);
        [cv, self.val.as_ref(), self.test.as_ref()].into_iter().flatten()
    }

    /// The same with each score turned into another type.
    pub(crate) fn map_scores<T>(&self, convert: impl Fn(&S) -> T) -> Manifest<T> {
        Manifest {
            engraft: self.engraft.clone(),
            instruction_set: self.instruction_set.clone(),
            precision: self.precision.clone(),
            decoder: self.decoder.clone(),
            engine: self.engine.clone(),
            seed: self.seed,
            views: self.views.clone(),
            tta: self.tta.clone(),
            l2: self.l2,
            class_weights: self.class_weights.clone(),
            network: self.network.clone(),
            data: self.data.clone(),
            cv: self.cv.as_ref().map(|cv| cv.map_score(&convert)),
            val: self.val.as_ref().map(&convert),
            test: self.test.as_ref().map(&convert),
        }
    }
}

/// The precision of models whose files name none.
fn single_precision() -> String {
    Precision::F32.to_string()
}

fn is_single_precision(precision: &str) -> bool {
    precision == Precision::F32.name()
}

/// How a network was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkRecord {
    /// Name of its recipe, or that of its file.
    pub recipe: String,
    /// Its layers.
    pub layers: LayerList,
    /// How its weights followed their gradients.
    pub options: FitOptions,
    /// What was done to each training image in each epoch.
    pub augment: Option<Augmentation>,
    /// Epochs that were trained.
    pub epochs: usize,
    /// The epoch that the weights come from, counted from 1.
    pub epoch: usize,
    /// Why there were no more epochs: `epochs`, `stop_loss` or `patience`.
    pub stop: String,
}

impl NetworkRecord {
    /// `12 of 100 epochs, ended by early stopping; the weights are those of epoch 7`
    pub(crate) fn length(&self) -> String {
        let why = if self.stop == stop_name(Stop::StopLoss) {
            format!(", ended by a training loss below {:?}", self.options.stop_loss.unwrap_or_default())
        } else if self.stop == stop_name(Stop::Patience) {
            ", ended by early stopping".to_owned()
        } else {
            String::new()
        };
        let mut length = format!("{} of {} epochs{why}", self.epochs, self.options.epochs);
        if self.epoch != self.epochs {
            length += &format!("; the weights are those of epoch {}", self.epoch);
        }
        length
    }

    /// `adam, learning rate 0.001, schedule constant, batch size 20`
    pub(crate) fn method(&self) -> String {
        let FitOptions { optimizer, learning_rate, batch_size, schedule, label_smoothing, .. } =
            &self.options;
        let mut method = format!(
            "{optimizer}, learning rate {learning_rate}, schedule {schedule}, batch size {batch_size}"
        );
        if *label_smoothing > 0.0 {
            method += &format!(", label smoothing {label_smoothing}");
        }
        method
    }
}

/// What a record calls the end of a training.
pub(crate) fn stop_name(stop: Stop) -> &'static str {
    match stop {
        Stop::Epochs => "epochs",
        Stop::StopLoss => "stop_loss",
        Stop::Patience => "patience",
    }
}

/// Something for each part of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataParts<T> {
    /// Images that were trained on.
    pub train: T,
    /// Images of the validation part.
    pub val: Option<T>,
    /// Images of the test part.
    pub test: Option<T>,
}

/// What a part consisted of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartRecord {
    /// Number of images.
    pub images: usize,
    /// SHA-256 of the sorted list of image digests and class names.
    pub sha256: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(stop: Stop, epoch: usize) -> NetworkRecord {
        let layers = "input = \"pixels\"".parse().unwrap();
        let options =
            FitOptions { epochs: 9, label_smoothing: 0.1, stop_loss: Some(1e-7), ..FitOptions::default() };
        let (recipe, stop) = ("cnn".to_owned(), stop_name(stop).to_owned());
        NetworkRecord { recipe, layers, options, augment: None, epochs: 5, epoch, stop }
    }

    #[test]
    fn a_training_is_told_with_its_end_and_its_settings() {
        for (stop, epoch, want) in [
            (Stop::Epochs, 5, "5 of 9 epochs"),
            (Stop::StopLoss, 5, "5 of 9 epochs, ended by a training loss below 1e-7"),
            (Stop::Patience, 3, "5 of 9 epochs, ended by early stopping; the weights are those of epoch 3"),
        ] {
            assert_eq!(record(stop, epoch).length(), want);
        }
        let want = "adam, learning rate 0.001, schedule constant, batch size 32, label smoothing 0.1";
        assert_eq!(record(Stop::Epochs, 5).method(), want);
    }
}
