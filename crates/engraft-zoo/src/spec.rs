//! What is known of a backbone besides its weights.

use engraft_graph::{Graph, GraphError};

/// A backbone: its structure, what it expects of an image, and whose work it is.
#[derive(Debug)]
pub struct BackboneSpec {
    /// Unique, in snake case; a weight file is called `NAME.safetensors`.
    pub name: &'static str,
    /// How an image becomes its input.
    pub preprocessing: Preprocessing,
    /// Length of its pooled features.
    pub feature_len: usize,
    /// SPDX identifier of the licence of its weights.
    pub licence: &'static str,
    /// Where its weights come from and who made them.
    pub credit: &'static str,
    /// A weight file that is part of the program, without the classifier.
    pub(crate) embedded: Option<&'static [u8]>,
    /// Builds the network for an input of that height and width, in pixels.
    pub(crate) build: fn([usize; 2], Ending) -> Result<Graph, GraphError>,
    /// Pairs of a node and the PyTorch module that holds the node's weights in files made with PyTorch.
    pub(crate) pytorch_modules: fn() -> Vec<(String, String)>,
}

/// How an image becomes a network's input. The input is RGB in 0..255; scaling it is part of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preprocessing {
    /// Side of the square input, in pixels.
    pub input_side_px: usize,
    /// How an image is fitted into the square unless something else is asked for: `stretch`, `crop` or `pad`.
    pub fit: &'static str,
    /// The resize filter that the network was trained with.
    pub filter: &'static str,
}

/// Where a backbone's graph ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With the pooled features, `[feature_len]`.
    Features,
    /// With the scores of the 1000 ImageNet classes, before softmax.
    Logits,
}

impl BackboneSpec {
    /// The network. Its input is an RGB image in 0..255.
    ///
    /// # Panics
    /// Never for a registered backbone; a test builds them all.
    pub fn graph(&self, ending: Ending) -> Graph {
        let side = self.preprocessing.input_side_px;
        self.graph_at([side, side], ending).expect("a registered backbone builds")
    }

    /// The network for an input of another height and width, in pixels; its weights are the same.
    ///
    /// # Errors
    /// [`GraphError`] if the input is too small or too large for it.
    pub fn graph_at(&self, input_px: [usize; 2], ending: Ending) -> Result<Graph, GraphError> {
        (self.build)(input_px, ending)
    }

    /// Whether its weights are part of the program.
    pub fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }
}
