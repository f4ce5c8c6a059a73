//! The choices of a training.

use std::collections::BTreeSet;

use engraft_graph::{Activation, Graph, Op, Shape};
use serde::{Deserialize, Serialize};

use super::{FitData, FitError, Samples};
use crate::{
    optimizer::{Adam, Optimizer},
    schedule::Schedule,
    setting::{SettingError, require},
};

/// Everything about a training that a person chooses and that decides its result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FitOptions {
    /// Times that every image is learnt from, at most.
    pub epochs: usize,
    /// Images of a step.
    pub batch_size: usize,
    /// How parameters follow their gradients.
    pub optimizer: Optimizer,
    /// What the schedule starts from.
    pub learning_rate: f64,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Share of each target that is spread over all classes, in 0..1.
    pub label_smoothing: f32,
    /// Per class, what the loss of its images is multiplied with while training.
    pub class_weights: Option<Vec<f32>>,
    /// Names of nodes whose weights stay as they are.
    pub frozen: BTreeSet<String>,
    /// Training ends once the training loss of an epoch is below it.
    pub stop_loss: Option<f64>,
    /// Training ends after so many epochs without a smaller loss than before, and gives back the best parameters.
    pub patience: Option<usize>,
    /// Decides the order of images and what is dropped.
    pub seed: u64,
}

impl Default for FitOptions {
    /// Those of `Model.fit` of Keras, with Adam.
    fn default() -> FitOptions {
        FitOptions {
            epochs: 1,
            batch_size: 32,
            optimizer: Optimizer::Adam(Adam::default()),
            learning_rate: 1e-3,
            schedule: Schedule::Constant,
            label_smoothing: 0.0,
            class_weights: None,
            frozen: BTreeSet::new(),
            stop_loss: None,
            patience: None,
            seed: 0,
        }
    }
}

impl FitOptions {
    /// Checks that options, samples and network go together.
    pub(super) fn check(&self, graph: &Graph, data: FitData) -> Result<(), FitError> {
        self.check_values()?;
        let classes = softmax_classes(graph)?;
        for (what, samples) in [("training", Some(data.training)), ("validation", data.validation)] {
            samples.map_or(Ok(()), |samples| check_samples(what, samples, graph, classes))?;
        }
        let Some(weights) = &self.class_weights else { return Ok(()) };
        if weights.len() != classes {
            return Err(FitError::ClassWeights { found: weights.len(), expected: classes });
        }
        Ok(())
    }

    fn check_values(&self) -> Result<(), SettingError> {
        require(self.epochs > 0, "epochs", self.epochs, "at least 1")?;
        require(self.batch_size > 0, "batch_size", self.batch_size, "at least 1")?;
        let rate = self.learning_rate as f32;
        let found = format!("{:?}", self.learning_rate);
        let expected = "a positive number within single precision, 1e-45 to 3e38";
        require(rate > 0.0 && rate.is_finite(), "learning_rate", found, expected)?;
        let smoothing_fits = (0.0..1.0).contains(&self.label_smoothing);
        require(smoothing_fits, "label_smoothing", self.label_smoothing, "a number from 0 to below 1")?;
        if let Some(loss) = self.stop_loss {
            require(loss >= 0.0, "stop_loss", loss, "a number that is not negative")?;
        }
        for &weight in self.class_weights.iter().flatten() {
            let fits = weight >= 0.0 && weight.is_finite();
            require(fits, "class_weights", weight, "numbers that are not negative")?;
        }
        self.optimizer.check()?;
        self.schedule.check(self.epochs)
    }
}

/// The number of classes, if the result is a softmax over them.
fn softmax_classes(graph: &Graph) -> Result<usize, FitError> {
    let node = graph.node(graph.output());
    match (&node.op, node.shape) {
        (Op::Activation(Activation::Softmax), Shape::Vector { features }) => Ok(features),
        _ => Err(FitError::NotAClassifier { node: node.name.clone() }),
    }
}

fn check_samples(
    what: &'static str,
    samples: &dyn Samples,
    graph: &Graph,
    classes: usize,
) -> Result<(), FitError> {
    if samples.is_empty() {
        return Err(FitError::NoImages { what });
    }
    if samples.classes() < 2 {
        return Err(FitError::TooFewClasses { what, found: samples.classes() });
    }
    if samples.classes() != classes {
        return Err(FitError::Classes { what, found: samples.classes(), expected: classes });
    }
    let inputs = graph.nodes().iter().filter(|node| matches!(node.op, Op::Input { .. }));
    let expected = inputs.map(|node| node.shape.len()).sum();
    if samples.image_len() != expected {
        return Err(FitError::ImageLen { what, found: samples.image_len(), expected });
    }
    Ok(())
}
