//! What a model file says besides its tensors, and whether it can be true.

use std::collections::HashSet;

use engraft_data::Standardizer;
use engraft_engine::{Calibration, EngineError, Precision};
use engraft_graph::{Graph, NamedTensors, Shape};
use engraft_train::LinearHead;
use serde::{Deserialize, Serialize};

use super::tensors::tensor_name;
use crate::{
    backbone::{BackbonePart, MAX_PARTS, PartInfo},
    classifier::MAX_CLASSES,
    error::ModelProblem,
    manifest::Manifest,
    stored_score::StoredScore,
};

/// Largest input side of a stored network, in pixels; bounds the memory a hostile file can ask for.
const MAX_INPUT_SIDE_PX: usize = 2048;

/// Everything about a classifier that is not a tensor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub format: u32,
    pub classes: Vec<String>,
    pub preprocessing: Preprocessing,
    /// The networks of the backbone, in the order of their features.
    pub parts: Vec<StoredPart>,
    pub training: Manifest<StoredScore>,
}

/// How an image is brought to the network's input; scaling of pixels is part of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// How an image of any shape fills the input square.
    pub fit: String,
    /// The filter it is resized with.
    pub filter: String,
}

/// One network of the backbone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredPart {
    pub backbone: PartInfo,
    pub graph: Graph,
    /// What is done to the values of an image before, without the directions of whitening, which are a tensor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standardizer: Option<Standardizer>,
    /// What int8 needs to know of inputs, which is a tensor.
    #[serde(skip)]
    pub calibration: Option<Calibration>,
}

impl StoredPart {
    /// The description of a network.
    pub fn of(part: &BackbonePart) -> StoredPart {
        StoredPart {
            backbone: part.info.clone(),
            graph: part.graph.clone(),
            standardizer: part.standardizer.clone(),
            calibration: part.calibration.clone(),
        }
    }
}

impl Header {
    /// Checks that there are networks, each with its own name and the input and features that it is said to have.
    pub fn check_parts(&self) -> Result<(), ModelProblem> {
        if !(1..=MAX_PARTS).contains(&self.parts.len()) {
            let found = self.parts.len();
            return Err(ModelProblem::Header(format!("it has {found} networks, expected 1 to {MAX_PARTS}")));
        }
        if let Some(twin) = twin(self.parts.iter().map(|part| &*part.backbone.name)) {
            return Err(ModelProblem::Header(format!("network `{twin}` is named twice")));
        }
        self.parts.iter().try_for_each(StoredPart::check)
    }

    /// Takes in what the file holds as tensors: the directions of whitening before each network.
    pub fn set_directions(&mut self, directions: Vec<Vec<f32>>) {
        for (part, directions) in self.parts.iter_mut().zip(directions) {
            part.standardizer =
                part.standardizer.take().map(|standardizer| standardizer.with_directions(directions));
        }
    }

    /// Takes in what the file holds as tensors: the numbers of each network's calibration, where it has one.
    pub fn set_calibrations(&mut self, calibrations: Vec<Option<Vec<f32>>>) -> Result<(), ModelProblem> {
        for (part, numbers) in self.parts.iter_mut().zip(calibrations) {
            part.calibration =
                numbers.map(|numbers| Calibration::from_numbers(&part.graph, &numbers)).transpose()?;
        }
        Ok(())
    }

    /// Checks classes, scores and head against each other and against the networks.
    pub fn check_head(&self, head: &LinearHead) -> Result<(), ModelProblem> {
        let (classes, named) = (self.classes.len(), self.classes.iter().map(String::as_str));
        if let Some(twin) = twin(named) {
            return Err(ModelProblem::Header(format!("class `{twin}` is named twice")));
        }
        let features: usize = self.parts.iter().map(|part| part.backbone.features).sum();
        if head.dim() != features {
            let found = head.dim();
            return Err(ModelProblem::Head(format!(
                "it takes {found} features, the backbone gives {features}"
            )));
        }
        if classes > MAX_CLASSES {
            let problem = format!("it has {classes} classes, at most {MAX_CLASSES} are allowed");
            return Err(ModelProblem::Header(problem));
        }
        if head.classes() != classes {
            let found = head.classes();
            return Err(ModelProblem::Head(format!("it tells {found} classes apart, {classes} are named")));
        }
        if self.training.scores().any(|score| !score.fits(classes)) {
            return Err(ModelProblem::Header(format!("a score is not about its {classes} classes")));
        }
        Ok(())
    }

    /// Checks that each network has all its weights, in `weights` at its position, and no others, and that what is done
    /// before it is known as a whole.
    pub fn check_weights(&self, weights: &[NamedTensors]) -> Result<(), ModelProblem> {
        for (index, (part, weights)) in self.parts.iter().zip(weights).enumerate() {
            part.graph.check_weights(weights)?;
            let values = 3 * part.backbone.input_size.pow(2);
            if part.standardizer.as_ref().is_some_and(|standardizer| !standardizer.is_usable(values)) {
                let name = &part.backbone.name;
                let problem = format!("the standardisation of network `{name}` is incomplete or not finite");
                return Err(ModelProblem::Header(problem));
            }
            let used: HashSet<String> = part.graph.weights().into_iter().map(|spec| spec.name).collect();
            if let Some((name, _)) = weights.iter().find(|(name, _)| !used.contains(*name)) {
                let problem = format!("unknown tensor `{}`", tensor_name(index, name));
                return Err(ModelProblem::Header(problem));
            }
        }
        Ok(())
    }
}

impl StoredPart {
    /// The network with its weights.
    pub fn compile(&self, weights: NamedTensors, precision: Precision) -> Result<BackbonePart, EngineError> {
        let (info, graph, calibration) =
            (self.backbone.clone(), self.graph.clone(), self.calibration.clone());
        let part = BackbonePart::compile(info, graph, weights, precision, calibration)?;
        Ok(part.standardized(self.standardizer.clone()))
    }

    fn check(&self) -> Result<(), ModelProblem> {
        let PartInfo { name, input_size: side, features, .. } = &self.backbone;
        let input = self.graph.nodes().first().map(|node| node.shape);
        if *side > MAX_INPUT_SIDE_PX || input != Some(Shape::map(*side, *side, 3)) {
            return Err(ModelProblem::Header(format!("input size {side} does not fit the network `{name}`")));
        }
        if self.graph.output_shape() != Shape::vector(*features) {
            let found = self.graph.output_shape();
            let problem = format!("network `{name}` gives {found}, expected {features} features");
            return Err(ModelProblem::Header(problem));
        }
        Ok(())
    }
}

/// A name that is there more than once.
fn twin<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut known = HashSet::new();
    names.into_iter().find(|name| !known.insert(*name))
}
