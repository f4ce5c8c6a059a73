//! What the file of a family provides for each of its backbones, and the endings that most of them share.
//!
//! Nodes mirror the layers of Keras one to one and bear their names, since weight files list layers in an order that follows
//! from the layers and their connections; layers that only matter in training are nodes as well. Layers that Keras leaves
//! unnamed get the names of a fresh session from [`LayerNames`], taken in the order in which Keras makes the layers. A layer
//! that is several operations is several nodes called `LAYER/PART`.

use std::fmt::Debug;

use engraft_graph::{GraphBuilder, GraphError, NodeId, Op};

use crate::layers::LayerNames;

/// Classes of ImageNet.
pub(crate) const CLASSES: usize = 1000;

/// The layers of one backbone.
pub(crate) trait Architecture: Debug + Sync {
    /// Adds the layers from the image to the last map. Unless the network scales pixels itself, the image comes scaled.
    /// `official_weights` says whether the weights are those that Keras publishes.
    fn maps(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        image: NodeId,
        official_weights: bool,
    ) -> Result<NodeId, GraphError>;

    /// Where its pooling layer has a name.
    fn pool_name(&self) -> PoolName {
        PoolName::Always
    }

    /// The fraction dropped before the classifier by a layer called `top_dropout`, if there is one.
    fn top_dropout_rate(&self) -> Option<f32> {
        None
    }

    /// Adds what stands behind the last map of a network without classifier and without pooling.
    fn finished(
        &self,
        _net: &mut GraphBuilder,
        _names: &mut LayerNames,
        maps: NodeId,
    ) -> Result<NodeId, GraphError> {
        Ok(maps)
    }

    /// Adds the pooling of a network without classifier.
    fn pooled(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        maps: NodeId,
        pooling: Pooling,
    ) -> Result<NodeId, GraphError> {
        match self.pool_name() {
            PoolName::Always => pooling.named(net, maps),
            PoolName::BeforeClassifier | PoolName::Never => pooling.unnamed(net, names, maps),
        }
    }

    /// Adds the classifier, without its softmax.
    fn logits(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        maps: NodeId,
    ) -> Result<NodeId, GraphError> {
        let mut x = match self.pool_name() {
            PoolName::Always | PoolName::BeforeClassifier => Pooling::Average.named(net, maps)?,
            PoolName::Never => Pooling::Average.unnamed(net, names, maps)?,
        };
        if let Some(rate) = self.top_dropout_rate() {
            x = net.dropout("top_dropout", x, rate)?;
        }
        net.dense("predictions", x, CLASSES)
    }

    /// The ways in which files made with PyTorch name the weights, each as pairs of a node and the PyTorch module that holds
    /// the node's weights.
    fn pytorch_modules(&self) -> Vec<Vec<(String, String)>> {
        Vec::new()
    }
}

/// Where Keras names the layer that pools `avg_pool` or `max_pool`; elsewhere it is counted like any unnamed layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolName {
    /// With classifier and without.
    Always,
    /// Only with the classifier.
    BeforeClassifier,
    /// Never.
    Never,
}

/// What makes a vector of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// The mean of each channel.
    Average,
    /// The largest value of each channel.
    Max,
}

impl Pooling {
    /// Adds it under the name that most families give it, `avg_pool` or `max_pool`.
    pub(crate) fn named(self, net: &mut GraphBuilder, maps: NodeId) -> Result<NodeId, GraphError> {
        match self {
            Pooling::Average => net.node("avg_pool", Op::GlobalAveragePool2d, &[maps]),
            Pooling::Max => net.node("max_pool", Op::GlobalMaxPool2d, &[maps]),
        }
    }

    /// Adds it as a layer that Keras leaves unnamed.
    pub(crate) fn unnamed(
        self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        maps: NodeId,
    ) -> Result<NodeId, GraphError> {
        let (kind, op) = match self {
            Pooling::Average => ("global_average_pooling2d", Op::GlobalAveragePool2d),
            Pooling::Max => ("global_max_pooling2d", Op::GlobalMaxPool2d),
        };
        net.node(&names.next(kind), op, &[maps])
    }
}
