//! EfficientNetV2: EfficientNet with full convolutions in its early stages.
//!
//! Source: Tan and Le, arXiv:2104.00298, table 4 and section 3.3; layers and names as in `keras.applications.efficientnet_v2`.

use engraft_graph::{GraphBuilder, GraphError, NodeId, Padding};

use crate::{
    BackboneSpec, PixelScaling, Preprocessing,
    architecture::Architecture,
    layers::LayerNames,
    mbconv::{
        Block,
        BlockKind::{self, Depthwise, Fused},
        norm_and_silu, stochastic_depth_rate,
    },
    pixel_scaling::standardisation,
};

/// B0 to B3, S, M and L.
pub(super) static SPECS: [BackboneSpec; 7] = [
    spec("efficientnet_v2_b0", "EfficientNetV2B0", &b(100, 100), 224, 78.7),
    spec("efficientnet_v2_b1", "EfficientNetV2B1", &b(100, 110), 240, 79.8),
    spec("efficientnet_v2_b2", "EfficientNetV2B2", &b(110, 120), 260, 80.5),
    spec("efficientnet_v2_b3", "EfficientNetV2B3", &b(120, 140), 300, 82.0),
    spec("efficientnet_v2_s", "EfficientNetV2S", &unscaled(&STAGES_S, 24), 384, 83.9),
    spec("efficientnet_v2_m", "EfficientNetV2M", &unscaled(&STAGES_M, 24), 480, 85.3),
    spec("efficientnet_v2_l", "EfficientNetV2L", &unscaled(&STAGES_L, 32), 480, 85.7),
];

/// B0 to B3, before scaling.
const STAGES_B: [Stage; 6] = [
    (Fused, 1, 16, 1, 1),
    (Fused, 4, 32, 2, 2),
    (Fused, 4, 48, 2, 2),
    (Depthwise, 4, 96, 3, 2),
    (Depthwise, 6, 112, 5, 1),
    (Depthwise, 6, 192, 8, 2),
];

const STAGES_S: [Stage; 6] = [
    (Fused, 1, 24, 2, 1),
    (Fused, 4, 48, 4, 2),
    (Fused, 4, 64, 4, 2),
    (Depthwise, 4, 128, 6, 2),
    (Depthwise, 6, 160, 9, 1),
    (Depthwise, 6, 256, 15, 2),
];

const STAGES_M: [Stage; 7] = [
    (Fused, 1, 24, 3, 1),
    (Fused, 4, 48, 5, 2),
    (Fused, 4, 80, 5, 2),
    (Depthwise, 4, 160, 7, 2),
    (Depthwise, 6, 176, 14, 1),
    (Depthwise, 6, 304, 18, 2),
    (Depthwise, 6, 512, 5, 1),
];

const STAGES_L: [Stage; 7] = [
    (Fused, 1, 32, 4, 1),
    (Fused, 4, 64, 7, 2),
    (Fused, 4, 96, 7, 2),
    (Depthwise, 4, 192, 10, 2),
    (Depthwise, 6, 224, 19, 1),
    (Depthwise, 6, 384, 25, 2),
    (Depthwise, 6, 640, 7, 1),
];

/// (Kind, expansion, channels, repeats, first stride), before scaling; all kernels are 3 x 3.
type Stage = (BlockKind, usize, usize, usize, usize);

const KERNEL: usize = 3;
const HEAD_CHANNELS: usize = 1280;
const DROPOUT_RATE: f32 = 0.2;

const fn spec(
    name: &'static str,
    keras_name: &'static str,
    architecture: &'static EfficientNetV2,
    input_side_px: usize,
    imagenet_top1_percent: f32,
) -> BackboneSpec {
    BackboneSpec {
        name,
        keras_name: Some(keras_name),
        preprocessing: Preprocessing {
            input_side_px,
            min_side_px: 32,
            scaling: PixelScaling::InNetwork,
            fit: "stretch",
            filter: "bicubic",
        },
        feature_len: architecture.channels(HEAD_CHANNELS),
        imagenet_top1_percent: Some(imagenet_top1_percent),
        licence: "Apache-2.0",
        credit: "Google, via keras.applications",
        embedded: None,
        architecture,
    }
}

/// What distinguishes the variants besides their input.
#[derive(Debug)]
struct EfficientNetV2 {
    stages: &'static [Stage],
    stem_channels: usize,
    width_percent: usize,
    depth_percent: usize,
    range: Range,
}

/// What the first layers make of pixels.
#[derive(Debug)]
enum Range {
    /// Values whose mean and standard deviation over ImageNet are 0 and 1.
    Standardised,
    /// Values in -1..1.
    Symmetric,
}

/// A variant of `STAGES_B`.
const fn b(width_percent: usize, depth_percent: usize) -> EfficientNetV2 {
    let (stages, stem_channels, range) = (&STAGES_B, 32, Range::Standardised);
    EfficientNetV2 { stages, stem_channels, width_percent, depth_percent, range }
}

const fn unscaled(stages: &'static [Stage], stem_channels: usize) -> EfficientNetV2 {
    let range = Range::Symmetric;
    EfficientNetV2 { stages, stem_channels, width_percent: 100, depth_percent: 100, range }
}

impl Architecture for EfficientNetV2 {
    fn maps(
        &self,
        net: &mut GraphBuilder,
        _names: &mut LayerNames,
        image: NodeId,
        _official_weights: bool,
    ) -> Result<NodeId, GraphError> {
        let x = self.normalised(net, image)?;
        let x = net.conv2d("stem_conv", x, self.channels(self.stem_channels), 3, 2, Padding::Same)?;
        let mut x = norm_and_silu(net, "stem", x)?;
        for block in self.blocks() {
            x = block.add_to(net, x)?;
        }
        let x = net.conv2d("top_conv", x, self.channels(HEAD_CHANNELS), 1, 1, Padding::Same)?;
        norm_and_silu(net, "top", x)
    }

    fn top_dropout_rate(&self) -> Option<f32> {
        Some(DROPOUT_RATE)
    }
}

impl EfficientNetV2 {
    /// A scaled number of channels: the nearest multiple of 8.
    const fn channels(&self, channels: usize) -> usize {
        (channels * self.width_percent + 400) / 800 * 8
    }

    fn normalised(&self, net: &mut GraphBuilder, image: NodeId) -> Result<NodeId, GraphError> {
        match self.range {
            Range::Symmetric => net.rescale("rescaling", image, &[1.0 / 128.0], &[-1.0]),
            Range::Standardised => {
                let x = net.rescale("rescaling", image, &[1.0 / 255.0], &[0.0])?;
                let [scale, offset] = standardisation(1.0);
                net.rescale("normalization", x, &scale, &offset)
            }
        }
    }

    /// All blocks in order; block `b` of stage 2 is called `block2b`.
    fn blocks(&self) -> Vec<Block> {
        // Keras measures by the unscaled number of blocks, so that the rate of a deeper network exceeds its end.
        let unscaled: usize = self.stages.iter().map(|(_, _, _, repeats, _)| repeats).sum();
        let mut blocks = Vec::new();
        for (stage, &(kind, expansion, channels, repeats, first_stride)) in self.stages.iter().enumerate() {
            let repeats = (repeats * self.depth_percent).div_ceil(100);
            for (index, letter) in ('a'..='z').take(repeats).enumerate() {
                blocks.push(Block {
                    prefix: format!("block{}{letter}", stage + 1),
                    kind,
                    expansion,
                    channels: self.channels(channels),
                    stride: if index == 0 { first_stride } else { 1 },
                    kernel: KERNEL,
                    stochastic_depth_rate: stochastic_depth_rate(blocks.len(), unscaled),
                });
            }
        }
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_block_is_skipped_as_often_as_in_keras() {
        for (architecture, last, want) in [
            (b(100, 100), "block6h", 0.190_476_2),
            (b(120, 140), "block6l", 0.295_238_1),
            (unscaled(&STAGES_S, 24), "block6o", 0.195),
        ] {
            let block = architecture.blocks().pop().unwrap();
            assert_eq!((block.prefix.as_str(), block.stochastic_depth_rate), (last, want));
        }
    }
}
