//! DenseNet: every layer of a block sees the maps of all earlier ones.
//!
//! Source: Huang et al., arXiv:1608.06993, table 1; layers and names as in `keras.applications.densenet`.

use engraft_graph::{Activation, GraphBuilder, GraphError, Margins, NodeId, Padding};

use crate::{BackboneSpec, PixelScaling, Preprocessing, architecture::Architecture, layers::LayerNames};

/// All depths that have weights.
pub(super) static SPECS: [BackboneSpec; 3] = [
    spec("densenet121", "DenseNet121", &DenseNet { blocks: [6, 12, 24, 16] }, 1024, 75.0),
    spec("densenet169", "DenseNet169", &DenseNet { blocks: [6, 12, 32, 32] }, 1664, 76.2),
    spec("densenet201", "DenseNet201", &DenseNet { blocks: [6, 12, 48, 32] }, 1920, 77.3),
];

/// Layers of each of the four dense blocks.
#[derive(Debug)]
struct DenseNet {
    blocks: [usize; 4],
}

const STEM_CHANNELS: usize = 64;
/// Channels that each layer adds.
const GROWTH_RATE: usize = 32;
const BATCH_NORM_EPSILON: f32 = 1.001e-5;

const fn spec(
    name: &'static str,
    keras_name: &'static str,
    architecture: &'static DenseNet,
    feature_len: usize,
    imagenet_top1_percent: f32,
) -> BackboneSpec {
    BackboneSpec {
        name,
        keras_name: Some(keras_name),
        preprocessing: Preprocessing {
            input_side_px: 224,
            min_side_px: 32,
            scaling: PixelScaling::Torch,
            fit: "stretch",
            filter: "bicubic",
        },
        feature_len,
        imagenet_top1_percent: Some(imagenet_top1_percent),
        licence: "BSD-3-Clause",
        credit: "Gao Huang et al., via keras.applications",
        embedded: None,
        architecture,
    }
}

impl Architecture for DenseNet {
    fn maps(
        &self,
        net: &mut GraphBuilder,
        _names: &mut LayerNames,
        image: NodeId,
        _official_weights: bool,
    ) -> Result<NodeId, GraphError> {
        let mut x = stem(net, image)?;
        for (index, layers) in self.blocks.iter().enumerate() {
            let stage = index + 2;
            if index > 0 {
                x = transition(net, &format!("pool{}", stage - 1), x)?;
            }
            for layer in 1..=*layers {
                x = dense_layer(net, &format!("conv{stage}_block{layer}"), x)?;
            }
        }
        let x = net.batch_norm("bn", x, BATCH_NORM_EPSILON)?;
        net.activation("relu", x, Activation::Relu)
    }
}

fn stem(net: &mut GraphBuilder, image: NodeId) -> Result<NodeId, GraphError> {
    let x = net.zero_padding2d("zero_padding2d", image, margins(3))?;
    let x = net.conv2d("conv1_conv", x, STEM_CHANNELS, 7, 2, Padding::Valid)?;
    let x = norm_and_relu(net, "conv1", x)?;
    let x = net.zero_padding2d("zero_padding2d_1", x, margins(1))?;
    net.max_pool2d("pool1", x, 3, 2, Padding::Valid)
}

/// Computes `GROWTH_RATE` channels through a bottleneck and puts them behind those of the input.
fn dense_layer(net: &mut GraphBuilder, name: &str, input: NodeId) -> Result<NodeId, GraphError> {
    let x = norm_and_relu(net, &format!("{name}_0"), input)?;
    let x = net.conv2d(&format!("{name}_1_conv"), x, 4 * GROWTH_RATE, 1, 1, Padding::Valid)?;
    let x = norm_and_relu(net, &format!("{name}_1"), x)?;
    let x = net.conv2d(&format!("{name}_2_conv"), x, GROWTH_RATE, 3, 1, Padding::Same)?;
    net.concatenate(&format!("{name}_concat"), &[input, x])
}

/// Halves channels and sides between two dense blocks.
fn transition(net: &mut GraphBuilder, name: &str, x: NodeId) -> Result<NodeId, GraphError> {
    let channels = net.shape(x).channels() / 2;
    let x = norm_and_relu(net, name, x)?;
    let x = net.conv2d(&format!("{name}_conv"), x, channels, 1, 1, Padding::Valid)?;
    net.average_pool2d(&format!("{name}_pool"), x, 2, 2, Padding::Valid)
}

/// Adds `PREFIX_bn` and `PREFIX_relu`.
fn norm_and_relu(net: &mut GraphBuilder, prefix: &str, x: NodeId) -> Result<NodeId, GraphError> {
    let x = net.batch_norm(&format!("{prefix}_bn"), x, BATCH_NORM_EPSILON)?;
    net.activation(&format!("{prefix}_relu"), x, Activation::Relu)
}

fn margins(side: usize) -> Margins {
    Margins { top: side, bottom: side, left: side, right: side }
}
