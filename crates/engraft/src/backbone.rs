//! A pretrained network, ready to turn images into features.

use std::path::Path;

use engraft_data::{DECODER_REVISION, Digest};
use engraft_engine::{ENGINE_REVISION, EngineError, Plan, PlanOptions};
use engraft_graph::{Graph, NamedTensors};
use engraft_train::{FeatureSpace, Progress, Silent};
use engraft_zoo::{Ending, GraphSettings, Source};
use serde::{Deserialize, Serialize};

use crate::{Error, tensors_digest::tensors_digest, weights};

/// A frozen network from a square RGB image to a feature vector.
pub struct Backbone {
    pub(crate) info: BackboneInfo,
    pub(crate) graph: Graph,
    pub(crate) weights: NamedTensors,
    pub(crate) plan: Plan,
}

/// What identifies a backbone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackboneInfo {
    /// Its name in the zoo.
    pub name: String,
    /// SHA-256 of the weight file it was made from.
    pub weights_sha256: String,
    /// Side of its square input, in pixels.
    pub input_size: usize,
    /// Length of its feature vector.
    pub features: usize,
}

impl Backbone {
    /// The backbone inside the binary.
    pub const DEFAULT: &str = "efficientnet_lite0";

    /// Opens the backbone `name` with its weights from `weights`, or else from where [`open_with`](Backbone::open_with)
    /// finds them; nobody sees the progress of a download.
    ///
    /// # Errors
    /// If the name is unknown, or its weights are missing or wrong.
    pub fn open(name: &str, weights: Option<&Path>) -> Result<Backbone, Error> {
        Backbone::open_with(name, weights, &Silent)
    }

    /// Opens the backbone `name` with its weights from `weights`, or else from the first of: the folder that the
    /// environment variable `ENGRAFT_WEIGHTS` names, the binary, our cache, Keras' cache, the Hugging Face hub's cache, the
    /// official address or `ENGRAFT_MIRROR`, unless `ENGRAFT_OFFLINE` is set.
    ///
    /// # Errors
    /// If the name is unknown, or its weights are missing or wrong.
    pub fn open_with(name: &str, weights: Option<&Path>, progress: &dyn Progress) -> Result<Backbone, Error> {
        let opened = match weights {
            Some(path) => engraft_zoo::open(name, Source::File(path), Ending::Features)?,
            None => {
                // An unknown name must not be found out after a download.
                engraft_zoo::backbone(name)?;
                let located = weights::locate(name, Ending::Features, progress)?;
                engraft_zoo::open(name, located.source(), Ending::Features)?
            }
        };
        let info = BackboneInfo {
            name: opened.spec.name.to_owned(),
            weights_sha256: opened.weights_sha256,
            input_size: opened.spec.preprocessing.input_side_px,
            features: opened.spec.feature_len,
        };
        Backbone::compile(info, opened.graph, opened.weights).map_err(Error::Engine)
    }

    /// What identifies it.
    pub fn info(&self) -> &BackboneInfo {
        &self.info
    }

    /// Its network.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The instruction set it runs on.
    pub fn instruction_set(&self) -> &'static str {
        self.plan.isa_name()
    }

    /// The same network for images of another height and width, in pixels.
    pub(crate) fn at_size(self, input_px: [usize; 2]) -> Result<Backbone, Error> {
        let spec = engraft_zoo::backbone(&self.info.name)?;
        let mut settings = GraphSettings {
            input_px: [spec.preprocessing.input_side_px; 2],
            ending: Ending::Features,
            official_weights: true,
        };
        settings.official_weights = self.graph == spec.graph_with(&settings)?;
        let graph = spec.graph_with(&GraphSettings { input_px, ..settings })?;
        Ok(Backbone::compile(self.info, graph, self.weights)?)
    }

    pub(crate) fn compile(
        info: BackboneInfo,
        graph: Graph,
        weights: NamedTensors,
    ) -> Result<Backbone, EngineError> {
        let plan = Plan::compile(&graph, &weights, &PlanOptions::from_env()?)?;
        Ok(Backbone { info, graph, weights, plan })
    }

    /// Names this backbone's features; fit and filter are filled in where images are embedded.
    pub(crate) fn feature_space(&self) -> FeatureSpace {
        let side_px = self.info.input_size;
        FeatureSpace {
            // What a model file says of its weights is not believed: only the weights themselves decide features.
            backbone_sha256: tensors_digest(&self.weights).to_string(),
            graph: graph_digest(&self.graph),
            output: self.graph.node(self.graph.output()).name.clone(),
            input: [side_px, side_px],
            feature_len: self.info.features,
            fit: String::new(),
            filter: String::new(),
            decoder: DECODER_REVISION.to_owned(),
            engine: ENGINE_REVISION.to_owned(),
            precision: "f32".to_owned(),
            instruction_set: self.instruction_set().to_owned(),
            view: "original".to_owned(),
        }
    }
}

/// A network's description identifies it; the order of its fields is fixed.
fn graph_digest(graph: &Graph) -> Digest {
    let json = serde_json::to_vec(graph).expect("a graph of plain numbers and strings always serialises");
    Digest::of(&json)
}
