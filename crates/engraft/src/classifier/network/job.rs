//! Training a network on one data set: reading or embedding it, fitting, and taking the result apart.

use std::time::Duration;

use engraft_data::{Dataset, Fit, Sample, Skipped, Standardization, Standardizer, augment::FloatImage};
use engraft_engine::{Calibration, PlanOptions, Precision};
use engraft_graph::{Graph, NamedTensors};
use engraft_train::{
    CheckpointFile, FitData, FitError, FitOptions, FitRun, FittedNetwork, LinearHead, Progress, Samples,
    Store, Views, fit_network, initial_parameters, least_fit_bytes,
};

use super::{
    NetworkTraining, feature_samples::FeatureSamples, image_part::ImagePart, pixel_samples::PixelSamples,
};
use crate::{
    Error,
    backbone::{Backbone, BackbonePart, PartInfo},
    classifier::{TrainOptions, train::check_classes},
    embedded_part::{self, EmbeddedPart},
    memory,
    recipe::{InputMap, PREDICTIONS},
    tensors_digest::tensors_digest,
};

/// A kill costs no more than this and one epoch.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(3);

/// Everything that a training of a network reads.
pub(super) struct Job<'a> {
    pub data: &'a Dataset,
    pub options: &'a TrainOptions,
    pub network: &'a NetworkTraining,
    /// The views of each training image whose features are learnt from; none is the untouched image alone.
    pub views: Option<&'a Views>,
    pub store: Option<&'a Store>,
    pub progress: &'a dyn Progress,
}

/// A trained network in two parts.
pub(super) struct Fitted {
    /// What was trained on, without features.
    pub train: EmbeddedPart,
    /// Everything before the class scores.
    pub backbone: Backbone,
    pub head: LinearHead,
    pub fitted: FittedNetwork,
    /// Training files that cannot be used.
    pub skipped: Vec<Skipped>,
}

impl Job<'_> {
    pub fn on_pixels(&self) -> Result<Fitted, Error> {
        let NetworkTraining { layers, image_size, recipe, .. } = self.network;
        let read = |samples: &[Sample], stage: &str| {
            let (fit, filter) = (job_fit(self.options), self.options.filter);
            ImagePart::read(samples, *image_size, fit, filter, stage, self.progress)
        };
        let mut train = read(&self.data.train, "reading")?;
        let read_judged = |samples: &[Sample], stage: &str| read(samples, stage).map(|read| read.part);
        let skipped = self.check_part(&mut train.part, read_judged)?;
        let validation = self.data.val.as_ref().map(|val| read(&val.samples, "reading val")).transpose()?;
        let classes = self.data.classes.len();
        let augment = self.network.drawn_each_epoch(self.options);
        let augmented = augment.map(|augment| (augment, self.options.seed));
        let standardizer = self.standardizer(&train)?;
        let training = PixelSamples::new(&train, classes, standardizer.as_ref()).augmented(augmented);
        let validation =
            validation.as_ref().map(|part| PixelSamples::new(part, classes, standardizer.as_ref()));
        let shape = [*image_size, *image_size, 3];
        let input =
            if standardizer.is_some() { InputMap::Standardized(shape) } else { InputMap::Levels(shape) };
        let validation = validation.as_ref().map(|samples| samples as &dyn Samples);
        let fitted = self.fit(input, &training, &train.part.labels, validation)?;
        let (weights, head) = split(&fitted.parameters)?;
        let graph = layers.hidden_graph(input)?;
        let part = part_of(recipe.clone(), graph, weights, *image_size, (Precision::F32, None))?;
        let backbone = Backbone::of_parts(vec![part.standardized(standardizer)]);
        Ok(Fitted { train: train.part, backbone, head, fitted, skipped })
    }

    /// What the augmentation asks for, learnt from the training images as they are before they are augmented.
    fn standardizer(&self, train: &ImagePart) -> Result<Option<Standardizer>, Error> {
        let settings = self.options.augment.as_ref().map(|augment| Standardization::from(augment.settings()));
        let Some(settings) = settings.filter(|settings| !settings.is_identity()) else { return Ok(None) };
        let is_cancelled = || self.progress.is_cancelled();
        Ok(Some(settings.fit(train.images.iter().map(FloatImage::from), &is_cancelled)?))
    }

    pub fn on_features(&self, backbone: Option<Backbone>) -> Result<Fitted, Error> {
        let NetworkTraining { layers, recipe, flatten, .. } = self.network;
        let part = only_part(backbone)?;
        let part = if *flatten { part.flattened()? } else { part };
        let (graph, name, side) = (part.graph.clone(), part.info.name.clone(), part.info.input_size);
        let frozen = Backbone::of_parts(vec![part]);
        let embedder = frozen.embedder(self.options.filter, self.store);
        let embed = |samples: &[Sample], views: Option<&Views>, stage: &str| {
            let fits = [job_fit(self.options)];
            embedded_part::embed(&embedder, samples, &fits, views, stage, self.progress)
        };
        let mut train = embed(&self.data.train, self.views, "embedding")?;
        let skipped = self.check_part(&mut train, |samples, stage| embed(samples, None, stage))?;
        let validation =
            self.data.val.as_ref().map(|val| embed(&val.samples, None, "embedding val")).transpose()?;
        let (classes, features) = (self.data.classes.len(), frozen.info().features);
        let training = FeatureSamples::new(&train, features, classes);
        let validation = validation.as_ref().map(|part| FeatureSamples::new(part, features, classes));
        let validation = validation.as_ref().map(|samples| samples as &dyn Samples);
        let fitted = self.fit(InputMap::Features([1, 1, features]), &training, &train.labels, validation)?;
        let (mut weights, head) = split(&fitted.parameters)?;
        for (name, tensor) in frozen.parts()[0].weights.iter() {
            weights.insert(name, tensor.clone())?;
        }
        let graph = layers.on_backbone(&graph)?;
        let numbers = (frozen.precision(), frozen.parts()[0].calibration.clone());
        let part = part_of(format!("{name}-{recipe}"), graph, weights, side, numbers)?;
        let backbone = Backbone::of_parts(vec![part]);
        train.features = Vec::new();
        Ok(Fitted { train, backbone, head, fitted, skipped })
    }

    /// Refuses a training part that cannot be learnt from; gives back its files that cannot be used. Under `strict`, what is judged
    /// on is read before anything is trained, so that a file that cannot be used is told at once.
    fn check_part(
        &self,
        train: &mut EmbeddedPart,
        read_judged: impl Fn(&[Sample], &str) -> Result<EmbeddedPart, Error>,
    ) -> Result<Vec<Skipped>, Error> {
        check_classes(self.data, train)?;
        let skipped = std::mem::take(&mut train.skipped);
        if self.options.strict {
            let mut unusable = [&self.data.skipped[..], &skipped].concat();
            for part in [&self.data.val, &self.data.test].into_iter().flatten() {
                unusable.extend(read_judged(&part.samples, "checking what is judged on")?.skipped);
            }
            crate::skipped::refuse(&self.data.root, &unusable)?;
        }
        Ok(skipped)
    }

    fn fit(
        &self,
        input: InputMap,
        training: &dyn Samples,
        labels: &[usize],
        validation: Option<&dyn Samples>,
    ) -> Result<FittedNetwork, Error> {
        let NetworkTraining { layers, fit, checkpoint, resume, .. } = self.network;
        let classes = self.data.classes.len();
        let graph = layers.graph(input, classes).map_err(|problem| Error::Layers {
            network: self.network.recipe.clone(),
            input: input.shape(),
            problem: Box::new(problem),
        })?;
        let class_weights = self.options.class_weights.of(labels, &self.data.classes);
        let options = FitOptions { seed: self.options.seed, class_weights, ..fit.clone() };
        let fit_error = |error| Error::Fit(Box::new(error));
        let needed_bytes = least_fit_bytes(&graph, &options, training.len(), checkpoint.is_some());
        memory::require(&self.network.recipe, needed_bytes.map_err(fit_error)?)?;
        let initial = initial_parameters(&graph, self.options.seed)?;
        let run = FitRun {
            isa: PlanOptions::from_env()?.isa,
            checkpoint: checkpoint.as_ref().map(|path| CheckpointFile {
                path,
                resume: *resume,
                interval: CHECKPOINT_INTERVAL,
            }),
            progress: self.progress,
        };
        let data = FitData { training, validation: validation.filter(|samples| !samples.is_empty()) };
        fit_network(&graph, &initial, data, &options, run).map_err(|error| match error {
            FitError::Interrupted => self.network.interrupted(Error::Interrupted),
            error => fit_error(error),
        })
    }
}

/// Images are stretched unless a fit is asked for: there are no folds to choose one by.
pub(super) fn job_fit(options: &TrainOptions) -> Fit {
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

fn part_of(
    name: String,
    graph: Graph,
    weights: NamedTensors,
    side: usize,
    (precision, calibration): (Precision, Option<Calibration>),
) -> Result<BackbonePart, Error> {
    let info = PartInfo {
        name,
        weights_sha256: tensors_digest(&weights).to_string(),
        input_size: side,
        features: graph.output_shape().len(),
    };
    Ok(BackbonePart::compile(info, graph, weights, precision, calibration)?)
}
