//! EfficientNet: one network, scaled in width, depth and resolution together.
//!
//! Source: Tan and Le, arXiv:1905.11946, table 1 and section 3.3; layers and names as in `keras.applications.efficientnet`.

use engraft_graph::{GraphBuilder, GraphError, NodeId, Op, Padding};

use crate::{
    BackboneSpec, PixelScaling, Preprocessing,
    architecture::Architecture,
    layers::{LayerNames, channels_of_8, pad_for_stride_2},
    mbconv::{Block, BlockKind, norm_and_silu, stochastic_depth_rate},
    pixel_scaling::TORCH_STANDARD_DEVIATION,
};

/// B0 to B7.
pub(super) static SPECS: [BackboneSpec; 8] = [
    spec("efficientnet_b0", "EfficientNetB0", &B0, 224, 77.1),
    spec("efficientnet_b1", "EfficientNetB1", &B1, 240, 79.1),
    spec("efficientnet_b2", "EfficientNetB2", &B2, 260, 80.1),
    spec("efficientnet_b3", "EfficientNetB3", &B3, 300, 81.6),
    spec("efficientnet_b4", "EfficientNetB4", &B4, 380, 82.9),
    spec("efficientnet_b5", "EfficientNetB5", &B5, 456, 83.6),
    spec("efficientnet_b6", "EfficientNetB6", &B6, 528, 84.0),
    spec("efficientnet_b7", "EfficientNetB7", &B7, 600, 84.3),
];

const B0: EfficientNet = EfficientNet { width_percent: 100, depth_percent: 100, dropout_rate: 0.2 };
const B1: EfficientNet = EfficientNet { width_percent: 100, depth_percent: 110, dropout_rate: 0.2 };
const B2: EfficientNet = EfficientNet { width_percent: 110, depth_percent: 120, dropout_rate: 0.3 };
const B3: EfficientNet = EfficientNet { width_percent: 120, depth_percent: 140, dropout_rate: 0.3 };
const B4: EfficientNet = EfficientNet { width_percent: 140, depth_percent: 180, dropout_rate: 0.4 };
const B5: EfficientNet = EfficientNet { width_percent: 160, depth_percent: 220, dropout_rate: 0.4 };
const B6: EfficientNet = EfficientNet { width_percent: 180, depth_percent: 260, dropout_rate: 0.5 };
const B7: EfficientNet = EfficientNet { width_percent: 200, depth_percent: 310, dropout_rate: 0.5 };

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

const STEM_CHANNELS: usize = 32;
const HEAD_CHANNELS: usize = 1280;

const fn spec(
    name: &'static str,
    keras_name: &'static str,
    architecture: &'static EfficientNet,
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
struct EfficientNet {
    width_percent: usize,
    depth_percent: usize,
    dropout_rate: f32,
}

impl Architecture for EfficientNet {
    fn maps(
        &self,
        net: &mut GraphBuilder,
        _names: &mut LayerNames,
        image: NodeId,
        official_weights: bool,
    ) -> Result<NodeId, GraphError> {
        let x = net.rescale("rescaling", image, &[1.0 / 255.0], &[0.0])?;
        let mut x = net.node("normalization", Op::Normalization, &[x])?;
        if official_weights {
            // Those networks were trained on pixels divided by the variance where Keras divides by its root.
            let scale = TORCH_STANDARD_DEVIATION.map(|deviation| (1.0 / deviation.sqrt()) as f32);
            x = net.rescale("rescaling_1", x, &scale, &[0.0])?;
        }
        x = pad_for_stride_2(net, "stem_conv_pad", x, 3)?;
        x = net.conv2d("stem_conv", x, self.channels(STEM_CHANNELS), 3, 2, Padding::Valid)?;
        x = norm_and_silu(net, "stem", x)?;
        for block in self.blocks() {
            x = block.add_to(net, x)?;
        }
        let x = net.conv2d("top_conv", x, self.channels(HEAD_CHANNELS), 1, 1, Padding::Same)?;
        norm_and_silu(net, "top", x)
    }

    fn top_dropout_rate(&self) -> Option<f32> {
        Some(self.dropout_rate)
    }
}

impl EfficientNet {
    /// A scaled number of channels.
    const fn channels(&self, channels: usize) -> usize {
        channels_of_8(channels * self.width_percent, 100)
    }

    /// All blocks in order; block `b` of stage 2 is called `block2b`.
    fn blocks(&self) -> Vec<Block> {
        let scaled = STAGES.map(|(_, _, repeats, ..)| (repeats * self.depth_percent).div_ceil(100));
        let count: usize = scaled.iter().sum();
        let mut blocks = Vec::new();
        for (stage, (expansion, channels, _, first_stride, kernel)) in STAGES.into_iter().enumerate() {
            for (index, letter) in ('a'..='z').take(scaled[stage]).enumerate() {
                blocks.push(Block {
                    prefix: format!("block{}{letter}", stage + 1),
                    kind: BlockKind::PaddedDepthwise,
                    expansion,
                    channels: self.channels(channels),
                    stride: if index == 0 { first_stride } else { 1 },
                    kernel,
                    stochastic_depth_rate: stochastic_depth_rate(blocks.len(), count),
                });
            }
        }
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ending, GraphSettings, backbone};

    #[test]
    fn official_weights_see_pixels_scaled_once_more() {
        let spec = backbone("efficientnet_b0").unwrap();
        for (official_weights, want) in [(false, "stem_conv_pad"), (true, "rescaling_1")] {
            let settings = GraphSettings { input_px: [32, 32], ending: Ending::Features, official_weights };
            let graph = spec.graph_with(&settings).unwrap();
            assert_eq!(graph.nodes()[3].name, want);
            assert_eq!(graph.parameter_count(), spec.graph(Ending::Features).parameter_count());
        }
    }

    #[test]
    fn the_last_block_is_skipped_as_often_as_in_keras() {
        for (architecture, last, want) in
            [(&B0, "block7a", 0.1875), (&B4, "block7b", 0.19375), (&B7, "block7d", 0.196_363_64)]
        {
            let block = architecture.blocks().pop().unwrap();
            assert_eq!((block.prefix.as_str(), block.stochastic_depth_rate), (last, want));
        }
    }
}
