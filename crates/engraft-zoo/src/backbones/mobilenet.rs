//! MobileNet: depthwise convolutions, each followed by a convolution of 1 x 1.
//!
//! Source: Howard et al., arXiv:1704.04861, table 1; layers and names as in `keras.applications.mobilenet`.

use engraft_graph::{Activation, GraphBuilder, GraphError, Margins, NodeId, Op, Padding};

use crate::{
    BackboneSpec, PixelScaling, Preprocessing,
    architecture::{Architecture, CLASSES, PoolName},
    layers::{LayerNames, conv2d_with_bias, pooled_pixel},
};

/// One for each width that has weights.
pub(super) static SPECS: [BackboneSpec; 4] = [
    BackboneSpec {
        keras_name: Some("MobileNet"),
        ..spec("mobilenet", &MobileNet { width_percent: 100 }, 70.4)
    },
    spec("mobilenet_075", &MobileNet { width_percent: 75 }, 68.4),
    spec("mobilenet_050", &MobileNet { width_percent: 50 }, 63.7),
    spec("mobilenet_025", &MobileNet { width_percent: 25 }, 50.6),
];

/// Filters and stride of each block, at full width.
const BLOCKS: [(usize, usize); 13] = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
];
const STEM_FILTERS: usize = 32;
const BATCH_NORM_EPSILON: f32 = 1e-3;
const DROPOUT_RATE: f32 = 1e-3;

const fn spec(
    name: &'static str,
    architecture: &'static MobileNet,
    imagenet_top1_percent: f32,
) -> BackboneSpec {
    let (min_side_px, scaling) = (32, PixelScaling::Tf);
    BackboneSpec {
        name,
        keras_name: None,
        preprocessing: Preprocessing {
            input_side_px: 224,
            min_side_px,
            scaling,
            fit: "stretch",
            filter: "bilinear",
        },
        feature_len: architecture.filters(BLOCKS[12].0),
        imagenet_top1_percent: Some(imagenet_top1_percent),
        licence: "Apache-2.0",
        credit: "Google, via keras.applications",
        embedded: None,
        architecture,
    }
}

/// What distinguishes the variants.
#[derive(Debug)]
struct MobileNet {
    width_percent: usize,
}

impl MobileNet {
    const fn filters(&self, full_width: usize) -> usize {
        full_width * self.width_percent / 100
    }
}

impl Architecture for MobileNet {
    fn maps(
        &self,
        net: &mut GraphBuilder,
        _names: &mut LayerNames,
        image: NodeId,
        _official_weights: bool,
    ) -> Result<NodeId, GraphError> {
        let x = net.conv2d("conv1", image, self.filters(STEM_FILTERS), 3, 2, Padding::Same)?;
        let mut x = norm_and_relu6(net, "conv1", x)?;
        for (index, (filters, stride)) in (1..).zip(BLOCKS) {
            x = depthwise(net, index, x, stride)?;
            let name = format!("conv_pw_{index}");
            x = net.conv2d(&name, x, self.filters(filters), 1, 1, Padding::Same)?;
            x = norm_and_relu6(net, &name, x)?;
        }
        Ok(x)
    }

    fn pool_name(&self) -> PoolName {
        PoolName::BeforeClassifier
    }

    fn logits(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        maps: NodeId,
    ) -> Result<NodeId, GraphError> {
        let x = pooled_pixel(net, &names.next("global_average_pooling2d"), maps)?;
        let x = net.dropout("dropout", x, DROPOUT_RATE)?;
        let x = conv2d_with_bias(net, "conv_preds", x, CLASSES, 1)?;
        net.node("reshape_2", Op::Flatten, &[x])
    }
}

/// Adds a depthwise convolution; where it halves the sides, zeros stand below and on the right only.
fn depthwise(net: &mut GraphBuilder, index: usize, x: NodeId, stride: usize) -> Result<NodeId, GraphError> {
    let name = format!("conv_dw_{index}");
    let x = if stride == 1 {
        net.depthwise_conv2d(&name, x, 3, stride, Padding::Same)?
    } else {
        let margins = Margins { top: 0, bottom: 1, left: 0, right: 1 };
        let x = net.zero_padding2d(&format!("conv_pad_{index}"), x, margins)?;
        net.depthwise_conv2d(&name, x, 3, stride, Padding::Valid)?
    };
    norm_and_relu6(net, &name, x)
}

/// Adds `PREFIX_bn` and `PREFIX_relu`.
fn norm_and_relu6(net: &mut GraphBuilder, prefix: &str, x: NodeId) -> Result<NodeId, GraphError> {
    let x = net.batch_norm(&format!("{prefix}_bn"), x, BATCH_NORM_EPSILON)?;
    net.activation(&format!("{prefix}_relu"), x, Activation::Relu6)
}
