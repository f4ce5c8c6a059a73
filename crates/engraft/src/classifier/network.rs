//! Training a network: on pixels from scratch, or on the features of a frozen backbone.
//!
//! What comes out is the same kind of model as any other: everything up to the layer before the class scores becomes the
//! backbone of the model, and the class scores become its linear head.

mod class_weights;
mod feature_samples;
mod few_images;
mod image_part;
mod job;
mod pixel_samples;
mod targets;
mod unlearnt;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use engraft_data::{Dataset, Part, Sample, augment::Augmentation, validation_split};
use engraft_engine::Precision;
use engraft_train::{FitOptions, FittedNetwork, Progress, Store};

use super::{
    Classifier, TrainOptions,
    choose::Chosen,
    train::{Trained, Training, at_precision, find},
    train_report::TrainReport,
    views::ChosenViews,
};
use crate::{
    Error,
    backbone::Backbone,
    manifest::{NetworkRecord, stop_name},
    recipe::{LayerList, NetworkInput},
};
pub use class_weights::ClassWeights;
use job::{Fitted, Job, job_fit};

/// Choices of training a network.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkTraining {
    /// Name of the recipe, or of the file with its layers.
    pub recipe: String,
    /// The layers.
    pub layers: LayerList,
    /// How weights follow their gradients. Its seed and its class weights are those of [`TrainOptions`].
    pub fit: FitOptions,
    /// Side of the square that a network on pixels reads, in pixels.
    pub image_size: usize,
    /// Share of each class that is set aside for validation, from 0 to below 1.
    pub val_split: f64,
    /// Whether features are every value of the backbone's last map instead of the mean of each channel.
    pub flatten: bool,
    /// Where everything needed to go on is kept while training goes on.
    pub checkpoint: Option<PathBuf>,
    /// Whether to go on where the training that wrote the checkpoint was.
    pub resume: bool,
}

/// Largest side of the square that a network on pixels reads, in pixels.
const MAX_IMAGE_SIZE: usize = 1024;

impl Classifier {
    /// Trains a network on the folder of class folders `data`.
    ///
    /// `backbone` is needed by networks on features, and must not be a combination. A network on features learns from all views
    /// of each training image; one on pixels has no views, but does [`TrainOptions::augment`] anew to each image in each epoch.
    /// Folds and a choice of fits are of no use here: images are stretched unless a fit is given. The model depends on the
    /// images, their classes, the options and the instruction set alone, also if training was interrupted and resumed.
    ///
    /// # Errors
    /// As [`Classifier::train`], and [`Error::Fit`] if the loss does not stay finite or a checkpoint cannot be used.
    pub fn train_network(
        data: &Path,
        backbone: Option<Backbone>,
        options: &TrainOptions,
        network: &NetworkTraining,
        store: Option<&Store>,
        progress: &dyn Progress,
    ) -> Result<(Classifier, TrainReport), Error> {
        network.check(options)?;
        let started = Instant::now();
        let mut found = find(data, options)?;
        options.class_weights.check(&found.data.classes)?;
        network.set_validation_aside(&mut found.data)?;
        let scanned = Instant::now();
        let views = match network.layers.input {
            NetworkInput::Pixels => ChosenViews::judged_only(options)?,
            NetworkInput::Features => ChosenViews::of(options)?,
        };
        let fits = [job_fit(options)];
        let backbone = backbone
            .map(|backbone| at_precision(backbone, &found.data, options, &fits, progress))
            .transpose()?;
        let job = Job { data: &found.data, options, network, views: views.train.as_ref(), store, progress };
        let Fitted { train, backbone, fitted, head, skipped } = match network.layers.input {
            NetworkInput::Pixels => job.on_pixels()?,
            NetworkInput::Features => job.on_features(backbone)?,
        };
        let choosing = scanned.elapsed();
        found.data.skipped.extend(skipped);
        let few_images = few_images::warnings(&train.labels, &found.data);
        let class_weights = options.class_weights.of(&train.labels, &found.data.classes);
        let unlearnt =
            unlearnt::warning(&fitted, &train.labels, found.data.classes.len(), class_weights.as_deref());
        let embedder = backbone.embedder(options.filter, store);
        let training = Training { found, options, views, embedder: &embedder, progress };
        let chosen = Chosen {
            fit: job_fit(options),
            l2: None,
            class_weights: None,
            head,
            cv: None,
            warnings: few_images.into_iter().chain(unlearnt).collect(),
        };
        let mut trained =
            training.finish(&train, chosen, choosing).map_err(|error| network.interrupted(error))?;
        trained.network = Some(network.record(&fitted, options, class_weights));
        let seconds = training.seconds(scanned - started, choosing, started.elapsed());
        let header = training.header(&trained, &backbone);
        let mut report = training.report(&trained, &backbone, seconds);
        report.history = Some(fitted.history);
        Ok((Trained::classifier(trained, header, backbone, options.filter), report))
    }
}

impl NetworkTraining {
    fn check(&self, options: &TrainOptions) -> Result<(), Error> {
        let out_of_range =
            |setting, found: String, expected| Err(Error::Setting { setting, found, expected });
        if !(1..=MAX_IMAGE_SIZE).contains(&self.image_size) {
            let found = self.image_size.to_string();
            return out_of_range("--image-size", found, "a number of pixels from 1 to 1024");
        }
        if !(0.0..1.0).contains(&self.val_split) {
            return out_of_range("--val-split", self.val_split.to_string(), "a number from 0 to below 1");
        }
        if self.layers.input == NetworkInput::Features {
            return Ok(());
        }
        if options.views != 1 {
            let found = format!("{} for the recipe {} on pixels", options.views, self.recipe);
            return out_of_range(
                "--views",
                found,
                "1, since --augment alone changes each image in each epoch",
            );
        }
        if self.flatten {
            let found = format!("set for the recipe {} on pixels", self.recipe);
            return out_of_range("--flatten", found, "a recipe on features");
        }
        if let Some(precision) = options.precision.filter(|&precision| precision != Precision::F32) {
            let found = format!("{precision} for the recipe {} on pixels", self.recipe);
            return out_of_range("--precision", found, "f32, since there is no frozen backbone");
        }
        Ok(())
    }

    /// Moves the first images of each class from the training part to the validation part.
    fn set_validation_aside(&self, data: &mut Dataset) -> Result<(), Error> {
        if self.val_split == 0.0 {
            return Ok(());
        }
        if data.val.is_some() {
            return Err(Error::Setting {
                setting: "--val-split",
                found: format!("{} although the data set has a validation part", self.val_split),
                expected: "one or the other",
            });
        }
        let mut counts = vec![0; data.classes.len()];
        data.train.iter().for_each(|sample| counts[sample.class] += 1);
        let mut aside: Vec<usize> =
            counts.into_iter().map(|count| validation_split(count, self.val_split).end).collect();
        let (mut samples, kept): (Vec<Sample>, Vec<Sample>) =
            std::mem::take(&mut data.train).into_iter().partition(|sample| {
                let left = &mut aside[sample.class];
                let is_aside = *left > 0;
                *left -= usize::from(is_aside);
                is_aside
            });
        if samples.is_empty() {
            return Err(Error::Setting {
                setting: "--val-split",
                found: format!("{}, which sets no image of any class aside", self.val_split),
                expected: "a larger share, or classes of more images",
            });
        }
        data.train = kept;
        for part in [&mut data.train, &mut samples] {
            part.sort_by(|one, other| one.relative.as_bytes().cmp(other.relative.as_bytes()));
        }
        data.val = Some(Part { samples, missing_classes: Vec::new(), extra_classes: Vec::new() });
        Ok(())
    }

    /// The error with the checkpoint, if there is one, where it says that the training, or judging it, was stopped.
    fn interrupted(&self, error: Error) -> Error {
        match (error, self.checkpoint.clone().filter(|path| path.exists())) {
            (Error::Interrupted, Some(checkpoint)) => Error::TrainingInterrupted { checkpoint },
            (error, _) => error,
        }
    }

    /// What is done anew to each training image in each epoch: features are computed once, of the views of an image.
    fn drawn_each_epoch<'a>(&self, options: &'a TrainOptions) -> Option<&'a Augmentation> {
        options.augment.as_ref().filter(|_| self.layers.input == NetworkInput::Pixels)
    }

    fn record(
        &self,
        fitted: &FittedNetwork,
        options: &TrainOptions,
        class_weights: Option<Vec<f32>>,
    ) -> NetworkRecord {
        NetworkRecord {
            recipe: self.recipe.clone(),
            layers: self.layers.clone(),
            options: FitOptions { seed: options.seed, class_weights, ..self.fit.clone() },
            augment: self.drawn_each_epoch(options).cloned(),
            epochs: fitted.history.epochs.len(),
            epoch: fitted.epoch,
            stop: stop_name(fitted.stop).to_owned(),
        }
    }
}
