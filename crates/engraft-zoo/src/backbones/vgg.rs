//! VGG: 3 x 3 convolutions with ReLU in five stages, each ended by a pooling that halves the sides.
//!
//! Source: Simonyan and Zisserman, arXiv:1409.1556, table 1, columns D and E; layers and names as in
//! `keras.applications.vgg16` and `vgg19`.

use engraft_graph::{Activation, Conv2d, GraphBuilder, GraphError, NodeId, Op, Padding};

use crate::{
    BackboneSpec, PixelScaling, Preprocessing,
    architecture::{Architecture, CLASSES, PoolName},
    layers::LayerNames,
};

/// The networks with 16 and 19 layers that have weights.
pub(super) static SPECS: [BackboneSpec; 2] = [
    spec("vgg16", "VGG16", &Vgg { convolutions: [2, 2, 3, 3, 3] }),
    spec("vgg19", "VGG19", &Vgg { convolutions: [2, 2, 4, 4, 4] }),
];

/// Filters of the convolutions, per stage.
const STAGE_FILTERS: [usize; 5] = [64, 128, 256, 512, 512];

/// Units of the two dense layers before the classes.
const TOP_UNITS: usize = 4096;

const fn spec(name: &'static str, keras_name: &'static str, architecture: &'static Vgg) -> BackboneSpec {
    let (min_side_px, scaling) = (32, PixelScaling::Caffe);
    BackboneSpec {
        name,
        keras_name: Some(keras_name),
        preprocessing: Preprocessing {
            input_side_px: 224,
            min_side_px,
            scaling,
            fit: "stretch",
            filter: "bilinear",
        },
        feature_len: STAGE_FILTERS[4],
        imagenet_top1_percent: Some(71.3),
        licence: "CC-BY-4.0",
        credit: "Visual Geometry Group, University of Oxford, via keras.applications",
        embedded: None,
        architecture,
    }
}

/// What distinguishes the variants.
#[derive(Debug)]
struct Vgg {
    /// How many convolutions each stage has.
    convolutions: [usize; 5],
}

impl Architecture for Vgg {
    fn maps(
        &self,
        net: &mut GraphBuilder,
        _names: &mut LayerNames,
        image: NodeId,
        _official_weights: bool,
    ) -> Result<NodeId, GraphError> {
        let mut x = image;
        for (stage, (filters, count)) in STAGE_FILTERS.into_iter().zip(self.convolutions).enumerate() {
            let block = format!("block{}", stage + 1);
            for index in 1..=count {
                x = conv_and_relu(net, &format!("{block}_conv{index}"), x, filters)?;
            }
            x = net.max_pool2d(&format!("{block}_pool"), x, 2, 2, Padding::Valid)?;
        }
        Ok(x)
    }

    fn pool_name(&self) -> PoolName {
        PoolName::BeforeClassifier
    }

    fn logits(
        &self,
        net: &mut GraphBuilder,
        _names: &mut LayerNames,
        maps: NodeId,
    ) -> Result<NodeId, GraphError> {
        let mut x = net.flatten("flatten", maps)?;
        for name in ["fc1", "fc2"] {
            x = net.dense(name, x, TOP_UNITS)?;
            x = net.activation(&format!("{name}/relu"), x, Activation::Relu)?;
        }
        net.dense("predictions", x, CLASSES)
    }
}

fn conv_and_relu(
    net: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    filters: usize,
) -> Result<NodeId, GraphError> {
    let conv = Conv2d { filters, kernel: [3; 2], strides: [1; 2], padding: Padding::Same, bias: true };
    let x = net.node(name, Op::Conv2d(conv), &[x])?;
    net.activation(&format!("{name}/relu"), x, Activation::Relu)
}
