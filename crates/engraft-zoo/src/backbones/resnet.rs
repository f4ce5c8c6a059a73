//! ResNet and ResNet V2: residual blocks of a 3 x 3 convolution between two of 1 x 1.
//!
//! Source: He et al., arXiv:1512.03385, table 1, and arXiv:1603.05027, figure 1; layers and names as in
//! `keras.applications.resnet` and `resnet_v2`, which in the first version put the stride into the first convolution and in
//! the second into the last block of a stage.

use engraft_graph::{Activation, Conv2d, GraphBuilder, GraphError, Margins, NodeId, Op, Padding};

use crate::{BackboneSpec, PixelScaling, Preprocessing, architecture::Architecture, layers::LayerNames};

/// Three depths of each version.
pub(super) static SPECS: [BackboneSpec; 6] = [
    spec("resnet50", "ResNet50", &ResNet { blocks: [3, 4, 6, 3], version: Version::One }, 74.9),
    spec("resnet101", "ResNet101", &ResNet { blocks: [3, 4, 23, 3], version: Version::One }, 76.4),
    spec("resnet152", "ResNet152", &ResNet { blocks: [3, 8, 36, 3], version: Version::One }, 76.6),
    spec("resnet50_v2", "ResNet50V2", &ResNet { blocks: [3, 4, 6, 3], version: Version::Two }, 76.0),
    spec("resnet101_v2", "ResNet101V2", &ResNet { blocks: [3, 4, 23, 3], version: Version::Two }, 77.2),
    spec("resnet152_v2", "ResNet152V2", &ResNet { blocks: [3, 8, 36, 3], version: Version::Two }, 78.0),
];

/// Filters inside the blocks, per stage; a block has four times as many output channels.
const STAGE_FILTERS: [usize; 4] = [64, 128, 256, 512];
const EXPANSION: usize = 4;
const STEM_FILTERS: usize = 64;
const BATCH_NORM_EPSILON: f32 = 1.001e-5;

const fn spec(
    name: &'static str,
    keras_name: &'static str,
    architecture: &'static ResNet,
    imagenet_top1_percent: f32,
) -> BackboneSpec {
    let (scaling, licence, credit) = match architecture.version {
        Version::One => (PixelScaling::Caffe, "MIT", "Kaiming He, via keras.applications"),
        Version::Two => (PixelScaling::Tf, "BSD-3-Clause", "Facebook, via keras.applications"),
    };
    BackboneSpec {
        name,
        keras_name: Some(keras_name),
        preprocessing: Preprocessing {
            input_side_px: 224,
            min_side_px: 32,
            scaling,
            fit: "stretch",
            filter: "bilinear",
        },
        feature_len: STAGE_FILTERS[3] * EXPANSION,
        imagenet_top1_percent: Some(imagenet_top1_percent),
        licence,
        credit,
        embedded: None,
        architecture,
    }
}

/// What distinguishes the variants.
#[derive(Debug)]
struct ResNet {
    /// How many blocks each stage has.
    blocks: [usize; 4],
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// Normalisation and ReLU follow a convolution.
    One,
    /// Normalisation and ReLU precede a convolution.
    Two,
}

impl Architecture for ResNet {
    fn maps(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        image: NodeId,
        _official_weights: bool,
    ) -> Result<NodeId, GraphError> {
        let mut x = self.stem(net, image)?;
        for block in self.all_blocks() {
            x = match self.version {
                Version::One => block.first_version(net, x)?,
                Version::Two => block.second_version(net, names, x)?,
            };
        }
        match self.version {
            Version::One => Ok(x),
            Version::Two => norm_and_relu(net, "post", x),
        }
    }
}

/// A residual block.
struct Block {
    name: String,
    /// Inside the block.
    filters: usize,
    stride: usize,
    /// Whether a convolution stands in the connection around it.
    projects: bool,
}

impl ResNet {
    fn stem(&self, net: &mut GraphBuilder, image: NodeId) -> Result<NodeId, GraphError> {
        let x = net.zero_padding2d("conv1_pad", image, margins(3))?;
        let mut x = biased_conv(net, "conv1_conv", x, STEM_FILTERS, [7, 2], Padding::Valid)?;
        if self.version == Version::One {
            x = norm_and_relu(net, "conv1", x)?;
        }
        let x = net.zero_padding2d("pool1_pad", x, margins(1))?;
        net.max_pool2d("pool1_pool", x, 3, 2, Padding::Valid)
    }

    /// All blocks in order; the stem counts as the first stage.
    fn all_blocks(&self) -> Vec<Block> {
        let mut all = Vec::new();
        for (stage, (filters, count)) in (2..).zip(STAGE_FILTERS.into_iter().zip(self.blocks)) {
            for index in 1..=count {
                let halves = match self.version {
                    Version::One => stage > 2 && index == 1,
                    Version::Two => stage < 5 && index == count,
                };
                let (name, stride) = (format!("conv{stage}_block{index}"), if halves { 2 } else { 1 });
                all.push(Block { name, filters, stride, projects: index == 1 });
            }
        }
        all
    }
}

impl Block {
    fn first_version(&self, net: &mut GraphBuilder, input: NodeId) -> Result<NodeId, GraphError> {
        let Block { name, filters, stride, projects } = self;
        let wide = filters * EXPANSION;
        let mut shortcut = input;
        if *projects {
            let name = format!("{name}_0");
            let x = biased_conv(net, &format!("{name}_conv"), input, wide, [1, *stride], Padding::Valid)?;
            shortcut = net.batch_norm(&format!("{name}_bn"), x, BATCH_NORM_EPSILON)?;
        }
        let x = biased_conv(net, &format!("{name}_1_conv"), input, *filters, [1, *stride], Padding::Valid)?;
        let x = norm_and_relu(net, &format!("{name}_1"), x)?;
        let x = biased_conv(net, &format!("{name}_2_conv"), x, *filters, [3, 1], Padding::Same)?;
        let x = norm_and_relu(net, &format!("{name}_2"), x)?;
        let x = biased_conv(net, &format!("{name}_3_conv"), x, wide, [1, 1], Padding::Valid)?;
        let x = net.batch_norm(&format!("{name}_3_bn"), x, BATCH_NORM_EPSILON)?;
        let x = net.add(&format!("{name}_add"), shortcut, x)?;
        net.activation(&format!("{name}_out"), x, Activation::Relu)
    }

    fn second_version(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        input: NodeId,
    ) -> Result<NodeId, GraphError> {
        let Block { name, filters, stride, projects } = self;
        let wide = filters * EXPANSION;
        let active = norm_and_relu(net, &format!("{name}_preact"), input)?;
        let shortcut = if *projects {
            biased_conv(net, &format!("{name}_0_conv"), active, wide, [1, *stride], Padding::Valid)?
        } else if *stride > 1 {
            net.max_pool2d(&names.next("max_pooling2d"), input, 1, *stride, Padding::Valid)?
        } else {
            input
        };
        let x = net.conv2d(&format!("{name}_1_conv"), active, *filters, 1, 1, Padding::Valid)?;
        let x = norm_and_relu(net, &format!("{name}_1"), x)?;
        let x = net.zero_padding2d(&format!("{name}_2_pad"), x, margins(1))?;
        let x = net.conv2d(&format!("{name}_2_conv"), x, *filters, 3, *stride, Padding::Valid)?;
        let x = norm_and_relu(net, &format!("{name}_2"), x)?;
        let x = biased_conv(net, &format!("{name}_3_conv"), x, wide, [1, 1], Padding::Valid)?;
        net.add(&format!("{name}_out"), shortcut, x)
    }
}

fn biased_conv(
    net: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    filters: usize,
    [kernel, stride]: [usize; 2],
    padding: Padding,
) -> Result<NodeId, GraphError> {
    let (kernel, strides) = ([kernel; 2], [stride; 2]);
    net.node(name, Op::Conv2d(Conv2d { filters, kernel, strides, padding, bias: true }), &[x])
}

const fn margins(px: usize) -> Margins {
    Margins { top: px, bottom: px, left: px, right: px }
}

/// Adds `PREFIX_bn` and `PREFIX_relu`.
fn norm_and_relu(net: &mut GraphBuilder, prefix: &str, x: NodeId) -> Result<NodeId, GraphError> {
    let x = net.batch_norm(&format!("{prefix}_bn"), x, BATCH_NORM_EPSILON)?;
    net.activation(&format!("{prefix}_relu"), x, Activation::Relu)
}
