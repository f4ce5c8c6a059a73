//! What is known of a backbone besides its weights.

use engraft_graph::{Graph, GraphBuilder, GraphError, NodeId};

use crate::{
    ZooError,
    architecture::{Architecture, Pooling},
    layers::LayerNames,
};

/// A backbone: its structure, what it expects of an image, how good it is and whose work it is.
#[derive(Debug)]
pub struct BackboneSpec {
    /// Unique, in snake case; a weight file is called `NAME.safetensors`.
    pub name: &'static str,
    /// The function of `keras.applications` that builds it with default arguments.
    pub keras_name: Option<&'static str>,
    /// How an image becomes its input.
    pub preprocessing: Preprocessing,
    /// Length of its pooled features.
    pub feature_len: usize,
    /// Share of ImageNet's validation images that it labels rightly at the first guess, in percent, as published.
    pub imagenet_top1_percent: Option<f32>,
    /// SPDX identifier of the licence of its weights.
    pub licence: &'static str,
    /// Where its weights come from and who made them.
    pub credit: &'static str,
    /// A weight file that is part of the program, without the classifier.
    pub(crate) embedded: Option<&'static [u8]>,
    /// Its layers.
    pub(crate) architecture: &'static dyn Architecture,
}

/// How an image becomes a network's input. The input is RGB in 0..255; scaling it is part of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preprocessing {
    /// Side of the square input that its weights were trained for, in pixels.
    pub input_side_px: usize,
    /// The least height and width, in pixels.
    pub min_side_px: usize,
    /// What happens to the values of the pixels.
    pub scaling: PixelScaling,
    /// How an image is fitted into the square unless something else is asked for: `stretch`, `crop` or `pad`.
    pub fit: &'static str,
    /// The resize filter that the network was trained with.
    pub filter: &'static str,
}

/// What is done to RGB values in 0..255 before a network's own layers; the names are those of Keras.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelScaling {
    /// To -1..1.
    Tf,
    /// To 0..1, then the channels' mean over ImageNet is subtracted and the result divided by their standard deviation.
    Torch,
    /// To BGR, then the channels' mean over ImageNet is subtracted.
    Caffe,
    /// Nothing: the network's first layers scale.
    InNetwork,
}

/// Where a backbone's graph ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With the mean of each channel of the last map, `[feature_len]`.
    Features,
    /// With the largest value of each channel of the last map, `[feature_len]`.
    MaxFeatures,
    /// With the last map, `[height, width, feature_len]`.
    Map,
    /// With the scores of the 1000 ImageNet classes, before softmax. The input has its default size.
    Logits,
}

/// What decides a network besides the backbone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphSettings {
    /// Height and width of the input, in pixels.
    pub input_px: [usize; 2],
    /// Where it ends.
    pub ending: Ending,
    /// Whether the weights are those that Keras publishes, of which some need another preprocessing than any others.
    pub official_weights: bool,
}

impl BackboneSpec {
    /// The network at its default size. Its input is an RGB image in 0..255.
    ///
    /// # Panics
    /// Never for a registered backbone; a test builds them all.
    pub fn graph(&self, ending: Ending) -> Graph {
        let input_px = [self.preprocessing.input_side_px; 2];
        self.graph_at(input_px, ending).expect("a registered backbone builds")
    }

    /// The network for an input of another height and width, in pixels; its weights are the same, but for the classifier
    /// of VGG.
    ///
    /// # Errors
    /// [`ZooError::InputSize`] or [`ZooError::Graph`] if the input is too small or too large for it.
    pub fn graph_at(&self, input_px: [usize; 2], ending: Ending) -> Result<Graph, ZooError> {
        self.graph_with(&GraphSettings { input_px, ending, official_weights: false })
    }

    /// The network that `settings` describe.
    ///
    /// # Errors
    /// [`ZooError::InputSize`] or [`ZooError::Graph`] if the input is too small or too large for it.
    pub fn graph_with(&self, settings: &GraphSettings) -> Result<Graph, ZooError> {
        let (found, min_side_px) = (settings.input_px, self.preprocessing.min_side_px);
        if found.iter().any(|&side| side < min_side_px) {
            return Err(ZooError::InputSize { backbone: self.name, found, min_side_px });
        }
        let mut net = GraphBuilder::new();
        let output = self.add_to(&mut net, settings).map_err(|problem| self.graph_error(problem))?;
        net.finish(output).map_err(|problem| self.graph_error(problem))
    }

    /// Whether its weights are part of the program.
    pub fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }

    fn add_to(&self, net: &mut GraphBuilder, settings: &GraphSettings) -> Result<NodeId, GraphError> {
        let [height, width] = settings.input_px;
        let (mut names, architecture) = (LayerNames::default(), self.architecture);
        let image = net.input("image", [height, width, 3])?;
        let scaled = self.preprocessing.scaling.add_to(net, image)?;
        let maps = architecture.maps(net, &mut names, scaled, settings.official_weights)?;
        match settings.ending {
            Ending::Map => architecture.finished(net, &mut names, maps),
            Ending::Features => architecture.pooled(net, &mut names, maps, Pooling::Average),
            Ending::MaxFeatures => architecture.pooled(net, &mut names, maps, Pooling::Max),
            Ending::Logits => architecture.logits(net, &mut names, maps),
        }
    }

    fn graph_error(&self, problem: GraphError) -> ZooError {
        ZooError::Graph { backbone: self.name, problem }
    }
}
