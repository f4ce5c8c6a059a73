//! Training a network: on pixels from scratch, or on the features of a frozen backbone.
//!
//! What comes out is the same kind of model as any other: everything up to the layer before the class scores becomes the
//! backbone of the model, and the class scores become its linear head.

mod image_part;
mod samples;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use engraft_data::{Dataset, Fit, Part, Sample, augment::Augmentation, validation_split};
use engraft_engine::{PlanOptions, Precision};
use engraft_graph::{Graph, NamedTensors};
use engraft_train::{
    CheckpointFile, FitData, FitError, FitOptions, FitRun, FittedNetwork, LinearHead, Progress, Samples,
    Stop, Store, fit_network, initial_parameters,
};

use super::{
    Classifier, TrainOptions,
    choose::Chosen,
    train::{Trained, Training, check_classes, find},
    train_report::TrainReport,
    views::ChosenViews,
};
use crate::{
    Error,
    backbone::{Backbone, BackbonePart, PartInfo},
    embedded_part::{self, EmbeddedPart},
    manifest::NetworkRecord,
    recipe::{LayerList, NetworkInput, PREDICTIONS},
    tensors_digest::tensors_digest,
};
use image_part::ImagePart;
use samples::{FeatureSamples, PixelSamples};

/// Choices of training a network.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkTraining {
    /// Name of the recipe, or of the file with its layers.
    pub recipe: String,
    /// The layers.
    pub layers: LayerList,
    /// How weights follow their gradients. Its seed is that of [`TrainOptions`], and its class weights come from
    /// [`NetworkTraining::balanced`].
    pub fit: FitOptions,
    /// Whether each class has the same weight in the loss, however many images it has.
    pub balanced: bool,
    /// Side of the square that a network on pixels reads, in pixels.
    pub image_size: usize,
    /// Share of each class that is set aside for validation, from 0 to below 1.
    pub val_split: f64,
    /// What is done anew to each training image in each epoch; for networks on pixels.
    pub augment: Option<Augmentation>,
    /// Whether features are every value of the backbone's last map instead of the mean of each channel.
    pub flatten: bool,
    /// Where everything needed to go on is kept after each epoch.
    pub checkpoint: Option<PathBuf>,
    /// Whether to go on where the training that wrote the checkpoint was.
    pub resume: bool,
}

/// Largest side of the square that a network on pixels reads, in pixels.
const MAX_IMAGE_SIZE: usize = 1024;

impl Classifier {
    /// Trains a network on the folder of class folders `data`.
    ///
    /// `backbone` is needed by networks on features, and must not be a combination. Folds, views and a choice of fits are of no
    /// use here: images are stretched unless a fit is given. The model depends on the images, their classes, the options and the
    /// instruction set alone, also if training was interrupted and resumed.
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
        network.set_validation_aside(&mut found.data)?;
        let scanned = Instant::now();
        let job = Job { data: &found.data, options, network, store, progress };
        let Fitted { train, backbone, fitted, head, skipped } = match network.layers.input {
            NetworkInput::Pixels => job.on_pixels()?,
            NetworkInput::Features => job.on_features(backbone)?,
        };
        let choosing = scanned.elapsed();
        found.data.skipped.extend(skipped);
        let embedder = backbone.embedder(options.filter, store);
        let views = ChosenViews::of(&TrainOptions { views: 1, augment: None, ..options.clone() })?;
        let training = Training { found, options, views, embedder: &embedder, progress };
        let chosen = Chosen { fit: job_fit(options), l2: None, head, cv: None, warnings: Vec::new() };
        let mut trained = training.finish(&train, chosen, choosing)?;
        trained.network = Some(network.record(&fitted, options));
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
        if options.views != 1 {
            let found = format!("{} for the recipe {}", options.views, self.recipe);
            return out_of_range("--views", found, "1 for any recipe but linear");
        }
        match (self.layers.input, &self.augment) {
            (NetworkInput::Features, Some(augment)) => out_of_range(
                "--augment",
                augment.to_string(),
                "a recipe on pixels, since frozen features are computed once",
            ),
            (NetworkInput::Pixels, _) if self.flatten => out_of_range(
                "--flatten",
                format!("set for the recipe {} on pixels", self.recipe),
                "a recipe on features",
            ),
            (_, Some(augment)) => crate::augment::check_images_only(augment),
            (_, None) => Ok(()),
        }
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
        let mut samples = Vec::new();
        for class in 0..data.classes.len() {
            let (of_class, others): (Vec<Sample>, Vec<Sample>) =
                std::mem::take(&mut data.train).into_iter().partition(|sample| sample.class == class);
            let aside = validation_split(of_class.len(), self.val_split);
            let (aside, kept) = of_class.split_at(aside.end);
            samples.extend_from_slice(aside);
            data.train = [&others[..], kept].concat();
        }
        for part in [&mut data.train, &mut samples] {
            part.sort_by(|one, other| one.relative.as_bytes().cmp(other.relative.as_bytes()));
        }
        data.val = Some(Part { samples, missing_classes: Vec::new(), extra_classes: Vec::new() });
        Ok(())
    }

    fn record(&self, fitted: &FittedNetwork, options: &TrainOptions) -> NetworkRecord {
        NetworkRecord {
            recipe: self.recipe.clone(),
            layers: self.layers.clone(),
            options: FitOptions { seed: options.seed, ..self.fit.clone() },
            augment: self.augment.clone(),
            epochs: fitted.history.epochs.len(),
            epoch: fitted.epoch,
            stop: stop_name(fitted.stop).to_owned(),
        }
    }
}

/// Everything that a training of a network reads.
struct Job<'a> {
    data: &'a Dataset,
    options: &'a TrainOptions,
    network: &'a NetworkTraining,
    store: Option<&'a Store>,
    progress: &'a dyn Progress,
}

/// A trained network in two parts.
struct Fitted {
    /// What was trained on, without features.
    train: EmbeddedPart,
    /// Everything before the class scores.
    backbone: Backbone,
    head: LinearHead,
    fitted: FittedNetwork,
    /// Training files that cannot be used.
    skipped: Vec<engraft_data::Skipped>,
}

impl Job<'_> {
    fn on_pixels(&self) -> Result<Fitted, Error> {
        let NetworkTraining { layers, image_size, augment, recipe, .. } = self.network;
        let read = |samples: &[Sample], stage: &str| {
            let (fit, filter) = (job_fit(self.options), self.options.filter);
            ImagePart::read(samples, *image_size, fit, filter, stage, self.progress)
        };
        let mut train = read(&self.data.train, "reading")?;
        let skipped = self.check_part(&mut train.part)?;
        let validation = self.data.val.as_ref().map(|val| read(&val.samples, "reading val")).transpose()?;
        let classes = self.data.classes.len();
        let augmented = augment.as_ref().map(|augment| (augment, self.options.seed));
        let training = PixelSamples::new(&train, classes, augmented);
        let validation = validation.as_ref().map(|part| PixelSamples::new(part, classes, None));
        let input = [*image_size, *image_size, 3];
        let validation = validation.as_ref().map(|samples| samples as &dyn Samples);
        let fitted = self.fit(input, &training, &train.part.labels, validation)?;
        let (weights, head) = split(&fitted.parameters)?;
        let graph = layers.hidden_graph(input)?;
        let backbone = backbone_of(recipe.clone(), graph, weights, *image_size, Precision::F32)?;
        Ok(Fitted { train: train.part, backbone, head, fitted, skipped })
    }

    fn on_features(&self, backbone: Option<Backbone>) -> Result<Fitted, Error> {
        let NetworkTraining { layers, recipe, flatten, .. } = self.network;
        let part = only_part(backbone)?;
        let part = if *flatten { part.flattened()? } else { part };
        let (graph, name, side) = (part.graph.clone(), part.info.name.clone(), part.info.input_size);
        let frozen = Backbone::of_parts(vec![part]);
        let embedder = frozen.embedder(self.options.filter, self.store);
        let embed = |samples: &[Sample], stage: &str| {
            let fits = [job_fit(self.options)];
            embedded_part::embed(&embedder, samples, &fits, None, stage, self.progress)
        };
        let mut train = embed(&self.data.train, "embedding")?;
        let skipped = self.check_part(&mut train)?;
        let validation =
            self.data.val.as_ref().map(|val| embed(&val.samples, "embedding val")).transpose()?;
        let (classes, features) = (self.data.classes.len(), frozen.info().features);
        let training = FeatureSamples::new(&train, features, classes);
        let validation = validation.as_ref().map(|part| FeatureSamples::new(part, features, classes));
        let validation = validation.as_ref().map(|samples| samples as &dyn Samples);
        let fitted = self.fit([1, 1, features], &training, &train.labels, validation)?;
        let (mut weights, head) = split(&fitted.parameters)?;
        for (name, tensor) in frozen.parts()[0].weights.iter() {
            weights.insert(name, tensor.clone())?;
        }
        let graph = layers.on_backbone(&graph)?;
        let backbone = backbone_of(format!("{name}-{recipe}"), graph, weights, side, frozen.precision())?;
        train.features = Vec::new();
        Ok(Fitted { train, backbone, head, fitted, skipped })
    }

    /// Refuses a training part that cannot be learnt from; gives back its files that cannot be used.
    fn check_part(&self, train: &mut EmbeddedPart) -> Result<Vec<engraft_data::Skipped>, Error> {
        check_classes(self.data, train)?;
        let skipped = std::mem::take(&mut train.skipped);
        if self.options.strict {
            crate::skipped::refuse(&self.data.root, &[&self.data.skipped[..], &skipped].concat())?;
        }
        Ok(skipped)
    }

    fn fit(
        &self,
        input: [usize; 3],
        training: &dyn Samples,
        labels: &[usize],
        validation: Option<&dyn Samples>,
    ) -> Result<FittedNetwork, Error> {
        let NetworkTraining { layers, fit, balanced, checkpoint, resume, .. } = self.network;
        let classes = self.data.classes.len();
        let graph = layers.graph(input, classes)?;
        let initial = initial_parameters(&graph, self.options.seed)?;
        let class_weights = balanced.then(|| balanced_weights(labels, classes));
        let options = FitOptions { seed: self.options.seed, class_weights, ..fit.clone() };
        let run = FitRun {
            isa: PlanOptions::from_env()?.isa,
            checkpoint: checkpoint.as_ref().map(|path| CheckpointFile { path, resume: *resume }),
            progress: self.progress,
        };
        let data = FitData { training, validation: validation.filter(|samples| !samples.is_empty()) };
        fit_network(&graph, &initial, data, &options, run).map_err(|error| match error {
            FitError::Interrupted => Error::Interrupted,
            error => Error::Fit(Box::new(error)),
        })
    }
}

/// Images are stretched unless a fit is asked for: there are no folds to choose one by.
fn job_fit(options: &TrainOptions) -> Fit {
    options.fit.unwrap_or(Fit::Stretch)
}

fn only_part(backbone: Option<Backbone>) -> Result<BackbonePart, Error> {
    let found = backbone.as_ref().map_or("none", |backbone| &backbone.info().name).to_owned();
    let parts = backbone.map(Backbone::into_parts).unwrap_or_default();
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next()) {
        (Some(part), None) => Ok(part),
        _ => Err(Error::Setting {
            setting: "--backbone",
            found,
            expected: "a single backbone for this recipe",
        }),
    }
}

/// The weights before the class scores, and those of the class scores.
fn split(parameters: &NamedTensors) -> Result<(NamedTensors, LinearHead), Error> {
    let mut hidden = NamedTensors::new();
    let (mut weight, mut bias) = (Vec::new(), Vec::new());
    for (name, tensor) in parameters.iter() {
        match name.strip_prefix(PREDICTIONS) {
            Some("/kernel") => weight = tensor.to_f32().into_owned(),
            Some("/bias") => bias = tensor.to_f32().into_owned(),
            _ => hidden.insert(name, tensor.clone())?,
        }
    }
    let features = weight.len() / bias.len().max(1);
    Ok((hidden, LinearHead::new(vec![0.0; features], vec![1.0; features], weight, bias)?))
}

fn backbone_of(
    name: String,
    graph: Graph,
    weights: NamedTensors,
    side: usize,
    precision: Precision,
) -> Result<Backbone, Error> {
    let info = PartInfo {
        name,
        weights_sha256: tensors_digest(&weights).to_string(),
        input_size: side,
        features: graph.output_shape().len(),
    };
    Ok(Backbone::of_parts(vec![BackbonePart::compile(info, graph, weights, precision)?]))
}

/// `images / (classes * images of the class)`, as scikit-learn's `class_weight="balanced"`; 0 for a class without images.
fn balanced_weights(labels: &[usize], classes: usize) -> Vec<f32> {
    let mut counts = vec![0_usize; classes];
    labels.iter().for_each(|&label| counts[label] += 1);
    let present = counts.iter().filter(|&&count| count > 0).count();
    let weight = |count: usize| if count == 0 { 0.0 } else { labels.len() as f32 / (present * count) as f32 };
    counts.into_iter().map(weight).collect()
}

fn stop_name(stop: Stop) -> &'static str {
    match stop {
        Stop::Epochs => "epochs",
        Stop::StopLoss => "stop_loss",
        Stop::Patience => "patience",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_classes_weigh_the_same() {
        assert_eq!(balanced_weights(&[0, 0, 0, 2], 3), [4.0 / 6.0, 0.0, 2.0]);
        assert_eq!(balanced_weights(&[0, 1], 2), [1.0, 1.0]);
    }
}
