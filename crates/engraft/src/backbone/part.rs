//! One network of a backbone.

use std::path::Path;

use engraft_data::{DECODER_REVISION, Digest, Standardizer};
use engraft_engine::{Calibration, ENGINE_REVISION, EngineError, Plan, PlanOptions, Precision};
use engraft_graph::{Graph, GraphBuilder, NamedTensors, Op};
use engraft_train::{FeatureNetwork, FeatureSpace, Progress};
use engraft_zoo::{BackboneSpec, Ending, GraphSettings, Source};
use serde::{Deserialize, Serialize};

use crate::{Error, tensors_digest::tensors_digest, weights};

/// What identifies one network of a backbone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartInfo {
    /// Its name in the zoo.
    pub name: String,
    /// SHA-256 of the weight file it was made from.
    pub weights_sha256: String,
    /// Side of its square input, in pixels.
    pub input_size: usize,
    /// Length of its feature vector.
    pub features: usize,
}

/// A frozen network, compiled.
pub(crate) struct BackbonePart {
    pub info: PartInfo,
    pub graph: Graph,
    pub weights: NamedTensors,
    pub plan: Plan,
    /// What int8 needs to know of inputs, where it was measured.
    pub calibration: Option<Calibration>,
    /// What is done to the values of an image before; else the network takes its levels, 0..255.
    pub standardizer: Option<Standardizer>,
}

impl BackbonePart {
    /// Opens a backbone of the zoo with its weights from `weights`, or else from where they are found.
    pub fn open(
        spec: &BackboneSpec,
        weights: Option<&Path>,
        progress: &dyn Progress,
    ) -> Result<BackbonePart, Error> {
        let opened = match weights {
            Some(path) => engraft_zoo::open(spec.name, Source::File(path), Ending::Features)?,
            None => {
                let located = weights::locate(spec.name, Ending::Features, progress)?;
                engraft_zoo::open(spec.name, located.source(), Ending::Features)?
            }
        };
        let info = PartInfo {
            name: opened.spec.name.to_owned(),
            weights_sha256: opened.weights_sha256,
            input_size: opened.spec.preprocessing.input_side_px,
            features: opened.spec.feature_len,
        };
        BackbonePart::compile(info, opened.graph, opened.weights, Precision::F32, None).map_err(Error::Engine)
    }

    /// A network with its weights.
    pub fn compile(
        info: PartInfo,
        graph: Graph,
        weights: NamedTensors,
        precision: Precision,
        calibration: Option<Calibration>,
    ) -> Result<BackbonePart, EngineError> {
        let options = PlanOptions { precision, ..PlanOptions::from_env()? };
        let known = calibration.as_ref();
        let plan =
            Plan::compile_calibrated(&graph, &weights, &options, known.unwrap_or(&Calibration::default()))?;
        Ok(BackbonePart { info, graph, weights, plan, calibration, standardizer: None })
    }

    /// The same network behind a standardisation of its input.
    pub fn standardized(self, standardizer: Option<Standardizer>) -> BackbonePart {
        BackbonePart { standardizer, ..self }
    }

    /// The same network, its convolutions computed with another precision.
    pub fn at_precision(self, precision: Precision) -> Result<BackbonePart, EngineError> {
        let part = BackbonePart::compile(self.info, self.graph, self.weights, precision, self.calibration)?;
        Ok(part.standardized(self.standardizer))
    }

    /// The same network in int8, by what it reads for some images.
    pub fn calibrated(self, calibration: Calibration) -> Result<BackbonePart, EngineError> {
        BackbonePart { calibration: Some(calibration), ..self }.at_precision(Precision::Int8)
    }

    /// The same network with every value of its last map as its features, instead of the mean of each channel.
    pub fn flattened(self) -> Result<BackbonePart, Error> {
        let pooling = self.graph.node(self.graph.output());
        let map = pooling.inputs.first().and_then(|&map| self.graph.up_to(&self.graph.node(map).name));
        let (Op::GlobalAveragePool2d, Some(map)) = (&pooling.op, map) else {
            return Err(Error::Setting {
                setting: "--flatten",
                found: format!("set for {}, which does not end in a mean of each channel", self.info.name),
                expected: "a backbone whose last map is its features",
            });
        };
        let mut net = GraphBuilder::new();
        let map = net.append(&map, str::to_owned)?;
        let output = net.flatten("flatten", map)?;
        let graph = net.finish(output)?;
        let info = PartInfo { features: graph.output_shape().len(), ..self.info };
        Ok(BackbonePart::compile(info, graph, self.weights, self.plan.precision(), self.calibration)?)
    }

    /// The same network for images of another height and width, in pixels.
    pub fn at_size(self, input_px: [usize; 2]) -> Result<BackbonePart, Error> {
        let spec = engraft_zoo::backbone(&self.info.name)?;
        let mut settings = GraphSettings {
            input_px: [spec.preprocessing.input_side_px; 2],
            ending: Ending::Features,
            official_weights: true,
        };
        settings.official_weights = self.graph == spec.graph_with(&settings)?;
        let graph = spec.graph_with(&GraphSettings { input_px, ..settings })?;
        let (precision, calibration) = (self.plan.precision(), self.calibration);
        Ok(BackbonePart::compile(self.info, graph, self.weights, precision, calibration)?)
    }

    /// Size of its weights in the types in which they were loaded, in bytes.
    pub fn weights_bytes(&self) -> usize {
        self.weights.iter().map(|(_, tensor)| tensor.data().byte_len()).sum()
    }

    /// The network as its features are made and, if they are `stored`, named; fit and filter are filled in where images are
    /// embedded.
    pub fn feature_network(&self, stored: bool) -> FeatureNetwork<'_> {
        let (plan, standardizer) = (&self.plan, self.standardizer.as_ref());
        FeatureNetwork { plan, standardizer, space: self.feature_space(stored) }
    }

    /// The precision, and what it was calibrated by: other numbers give other features.
    fn precision_key(&self) -> String {
        let name = self.plan.precision_name();
        match &self.calibration {
            Some(calibration) if self.plan.precision() == Precision::Int8 => {
                let numbers = calibration.numbers(&self.graph).expect("a plan in int8 has all numbers");
                format!("{name}, calibrated {}", Digest::of_floats(&numbers))
            }
            _ => name,
        }
    }

    fn feature_space(&self, stored: bool) -> FeatureSpace {
        let side_px = self.info.input_size;
        // What a model file says of its weights is not believed: only the weights themselves decide features. Without a store
        // nobody asks, and a digest takes as long as an image.
        let backbone_sha256 = if stored { tensors_digest(&self.weights).to_string() } else { String::new() };
        FeatureSpace {
            backbone_sha256,
            graph: network_digest(&self.graph, self.standardizer.as_ref()),
            output: self.graph.node(self.graph.output()).name.clone(),
            input: [side_px, side_px],
            feature_len: self.info.features,
            fit: String::new(),
            filter: String::new(),
            decoder: DECODER_REVISION.to_owned(),
            engine: ENGINE_REVISION.to_owned(),
            precision: self.precision_key(),
            instruction_set: self.plan.isa_name().to_owned(),
            view: "original".to_owned(),
        }
    }
}

/// A network's description identifies it, with what is done before it; the order of its fields is fixed.
fn network_digest(graph: &Graph, standardizer: Option<&Standardizer>) -> Digest {
    let plain = "plain numbers and strings always serialise";
    let graph = Digest::of(&serde_json::to_vec(graph).expect(plain));
    let Some(standardizer) = standardizer else { return graph };
    let directions = standardizer.directions().unwrap_or_default();
    let directions: Vec<u8> = directions.iter().flat_map(|value| value.to_le_bytes()).collect();
    Digest::of_parts(&[&graph.0, &serde_json::to_vec(standardizer).expect(plain), &directions])
}
