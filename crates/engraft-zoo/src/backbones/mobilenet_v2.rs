//! MobileNetV2: inverted residuals with linear bottlenecks.
//!
//! Source: Sandler et al., arXiv:1801.04381, table 2; layers and names as in `keras.applications.mobilenet_v2`.

use engraft_graph::{Activation, GraphBuilder, GraphError, NodeId, Padding};

use crate::{
    BackboneSpec, PixelScaling, Preprocessing,
    architecture::{Architecture, PoolName},
    layers::{LayerNames, channels_of_8, pad_for_stride_2},
};

/// All widths that have weights.
pub(super) static SPECS: [BackboneSpec; 6] = [
    spec("mobilenet_v2_035", None, &MobileNetV2 { width_percent: 35 }, 60.1),
    spec("mobilenet_v2_050", None, &MobileNetV2 { width_percent: 50 }, 65.2),
    spec("mobilenet_v2_075", None, &MobileNetV2 { width_percent: 75 }, 69.5),
    spec("mobilenet_v2", Some("MobileNetV2"), &MobileNetV2 { width_percent: 100 }, 71.3),
    spec("mobilenet_v2_130", None, &MobileNetV2 { width_percent: 130 }, 74.7),
    spec("mobilenet_v2_140", None, &MobileNetV2 { width_percent: 140 }, 75.2),
];

/// Per stage: (expansion, channels, repeats, first stride), before scaling by the width.
const STAGES: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

const STEM_CHANNELS: usize = 32;
const HEAD_CHANNELS: usize = 1280;
const BATCH_NORM_EPSILON: f32 = 1e-3;

const fn spec(
    name: &'static str,
    keras_name: Option<&'static str>,
    architecture: &'static MobileNetV2,
    imagenet_top1_percent: f32,
) -> BackboneSpec {
    BackboneSpec {
        name,
        keras_name,
        preprocessing: Preprocessing {
            input_side_px: 224,
            min_side_px: 32,
            scaling: PixelScaling::Tf,
            fit: "stretch",
            filter: "bilinear",
        },
        feature_len: architecture.head_channels(),
        imagenet_top1_percent: Some(imagenet_top1_percent),
        licence: "Apache-2.0",
        credit: "Google, via keras.applications",
        embedded: None,
        architecture,
    }
}

/// What distinguishes the variants.
#[derive(Debug)]
struct MobileNetV2 {
    width_percent: usize,
}

/// An inverted residual block.
struct Block {
    /// Stands before the names of its layers.
    prefix: String,
    expansion: usize,
    channels: usize,
    stride: usize,
}

impl Architecture for MobileNetV2 {
    fn maps(
        &self,
        net: &mut GraphBuilder,
        _names: &mut LayerNames,
        image: NodeId,
        _official_weights: bool,
    ) -> Result<NodeId, GraphError> {
        let stem_channels = channels_of_8(STEM_CHANNELS * self.width_percent, 100);
        let x = net.conv2d("Conv1", image, stem_channels, 3, 2, Padding::Same)?;
        let x = net.batch_norm("bn_Conv1", x, BATCH_NORM_EPSILON)?;
        let mut x = net.activation("Conv1_relu", x, Activation::Relu6)?;
        for block in self.blocks() {
            x = block.add_to(net, x)?;
        }
        let x = net.conv2d("Conv_1", x, self.head_channels(), 1, 1, Padding::Valid)?;
        let x = net.batch_norm("Conv_1_bn", x, BATCH_NORM_EPSILON)?;
        net.activation("out_relu", x, Activation::Relu6)
    }

    fn pool_name(&self) -> PoolName {
        PoolName::Never
    }
}

impl MobileNetV2 {
    /// Only wider networks have a wider head.
    const fn head_channels(&self) -> usize {
        if self.width_percent > 100 {
            channels_of_8(HEAD_CHANNELS * self.width_percent, 100)
        } else {
            HEAD_CHANNELS
        }
    }

    fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        for (expansion, channels, repeats, first_stride) in STAGES {
            let channels = channels_of_8(channels * self.width_percent / 100, 1);
            for index in 0..repeats {
                let prefix = match blocks.len() {
                    0 => "expanded_conv".to_owned(),
                    id => format!("block_{id}"),
                };
                let stride = if index == 0 { first_stride } else { 1 };
                blocks.push(Block { prefix, expansion, channels, stride });
            }
        }
        blocks
    }
}

impl Block {
    /// Expansion, depthwise convolution, projection, and the input added again where the shapes allow it.
    fn add_to(&self, net: &mut GraphBuilder, input: NodeId) -> Result<NodeId, GraphError> {
        let Block { prefix, expansion, channels, stride } = self;
        let in_channels = net.shape(input).channels();
        let mut x = input;
        if *expansion != 1 {
            let wide = in_channels * expansion;
            x = net.conv2d(&format!("{prefix}_expand"), x, wide, 1, 1, Padding::Same)?;
            x = norm_and_relu6(net, &format!("{prefix}_expand"), x)?;
        }
        x = self.depthwise(net, x)?;
        x = norm_and_relu6(net, &format!("{prefix}_depthwise"), x)?;
        x = net.conv2d(&format!("{prefix}_project"), x, *channels, 1, 1, Padding::Same)?;
        x = net.batch_norm(&format!("{prefix}_project_BN"), x, BATCH_NORM_EPSILON)?;
        if *stride == 1 && in_channels == *channels {
            x = net.add(&format!("{prefix}_add"), input, x)?;
        }
        Ok(x)
    }

    fn depthwise(&self, net: &mut GraphBuilder, mut x: NodeId) -> Result<NodeId, GraphError> {
        let Block { prefix, stride, .. } = self;
        let mut padding = Padding::Same;
        if *stride == 2 {
            x = pad_for_stride_2(net, &format!("{prefix}_pad"), x, 3)?;
            padding = Padding::Valid;
        }
        net.depthwise_conv2d(&format!("{prefix}_depthwise"), x, 3, *stride, padding)
    }
}

/// Adds `PREFIX_BN` and `PREFIX_relu`.
fn norm_and_relu6(net: &mut GraphBuilder, prefix: &str, x: NodeId) -> Result<NodeId, GraphError> {
    let x = net.batch_norm(&format!("{prefix}_BN"), x, BATCH_NORM_EPSILON)?;
    net.activation(&format!("{prefix}_relu"), x, Activation::Relu6)
}
