//! ConvNeXt: a convolutional network with the proportions and the layers of a vision transformer.
//!
//! Source: Liu et al., arXiv:2201.03545, section 3 and appendix A.4; layers and names as in `keras.applications.convnext`.

use engraft_graph::{Activation, Conv2d, DepthwiseConv2d, GraphBuilder, GraphError, NodeId, Op, Padding};

use crate::{
    BackboneSpec, PixelScaling, Preprocessing,
    architecture::{Architecture, CLASSES, Pooling},
    layers::LayerNames,
    pixel_scaling::standardisation,
};

/// All sizes that have weights.
pub(super) static SPECS: [BackboneSpec; 5] = [
    spec("ConvNeXtTiny", &TINY, 81.3),
    spec("ConvNeXtSmall", &SMALL, 82.3),
    spec("ConvNeXtBase", &BASE, 85.3),
    spec("ConvNeXtLarge", &LARGE, 86.3),
    spec("ConvNeXtXLarge", &XLARGE, 86.7),
];

const TINY: ConvNeXt =
    ConvNeXt { name: "convnext_tiny", depths: [3, 3, 9, 3], channels: [96, 192, 384, 768] };
const SMALL: ConvNeXt =
    ConvNeXt { name: "convnext_small", depths: [3, 3, 27, 3], channels: [96, 192, 384, 768] };
const BASE: ConvNeXt =
    ConvNeXt { name: "convnext_base", depths: [3, 3, 27, 3], channels: [128, 256, 512, 1024] };
const LARGE: ConvNeXt =
    ConvNeXt { name: "convnext_large", depths: [3, 3, 27, 3], channels: [192, 384, 768, 1536] };
const XLARGE: ConvNeXt =
    ConvNeXt { name: "convnext_xlarge", depths: [3, 3, 27, 3], channels: [256, 512, 1024, 2048] };

const LAYER_NORM_EPSILON: f32 = 1e-6;

const fn spec(
    keras_name: &'static str,
    architecture: &'static ConvNeXt,
    imagenet_top1_percent: f32,
) -> BackboneSpec {
    BackboneSpec {
        name: architecture.name,
        keras_name: Some(keras_name),
        preprocessing: Preprocessing {
            input_side_px: 224,
            min_side_px: 32,
            scaling: PixelScaling::InNetwork,
            fit: "stretch",
            filter: "bicubic",
        },
        feature_len: architecture.channels[3],
        imagenet_top1_percent: Some(imagenet_top1_percent),
        licence: "MIT",
        credit: "Facebook, via keras.applications",
        embedded: None,
        architecture,
    }
}

/// What distinguishes the variants.
#[derive(Debug)]
struct ConvNeXt {
    /// Stands before the names of its layers.
    name: &'static str,
    /// Blocks of each stage.
    depths: [usize; 4],
    /// Channels of each stage.
    channels: [usize; 4],
}

impl Architecture for ConvNeXt {
    fn maps(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        image: NodeId,
        _official_weights: bool,
    ) -> Result<NodeId, GraphError> {
        let [scale, offset] = standardisation(255.0);
        let mut x = net.rescale(&format!("{}_prestem_normalization", self.name), image, &scale, &offset)?;
        for (stage, depth) in self.depths.into_iter().enumerate() {
            x = if stage == 0 { self.stem(net, x)? } else { self.downsampling(net, stage, x)? };
            for block in 0..depth {
                let prefix = format!("{}_stage_{stage}_block_{block}", self.name);
                let residual = residual(net, &prefix, x)?;
                x = net.add(&names.next("add"), x, residual)?;
            }
        }
        Ok(x)
    }

    /// Without a classifier, the last normalisation stands behind the pooling, or behind the map where there is none.
    fn finished(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        maps: NodeId,
    ) -> Result<NodeId, GraphError> {
        layer_norm(net, &names.next("layer_normalization"), maps)
    }

    fn pooled(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        maps: NodeId,
        pooling: Pooling,
    ) -> Result<NodeId, GraphError> {
        let features = pooling.unnamed(net, names, maps)?;
        self.finished(net, names, features)
    }

    fn logits(
        &self,
        net: &mut GraphBuilder,
        _names: &mut LayerNames,
        maps: NodeId,
    ) -> Result<NodeId, GraphError> {
        let name = self.name;
        let features = net.global_average_pool2d(&format!("{name}_head_gap"), maps)?;
        let features = layer_norm(net, &format!("{name}_head_layernorm"), features)?;
        net.dense(&format!("{name}_head_dense"), features, CLASSES)
    }
}

impl ConvNeXt {
    /// Cuts the image into patches of 4 x 4 pixels.
    fn stem(&self, net: &mut GraphBuilder, x: NodeId) -> Result<NodeId, GraphError> {
        let name = self.name;
        let x = patches(net, &format!("{name}_stem/{name}_stem_conv"), x, self.channels[0], 4)?;
        layer_norm(net, &format!("{name}_stem/{name}_stem_layernorm"), x)
    }

    /// Halves the sides before a later stage.
    fn downsampling(&self, net: &mut GraphBuilder, stage: usize, x: NodeId) -> Result<NodeId, GraphError> {
        let (name, index) = (self.name, stage - 1);
        let layer = format!("{name}_downsampling_block_{index}");
        let x = layer_norm(net, &format!("{layer}/{name}_downsampling_layernorm_{index}"), x)?;
        patches(net, &format!("{layer}/{name}_downsampling_conv_{index}"), x, self.channels[stage], 2)
    }
}

/// What a block adds to its input.
fn residual(net: &mut GraphBuilder, prefix: &str, x: NodeId) -> Result<NodeId, GraphError> {
    let channels = net.shape(x).channels();
    let conv = DepthwiseConv2d { kernel: [7; 2], strides: [1; 2], padding: Padding::Same, bias: true };
    let x = net.node(&format!("{prefix}_depthwise_conv"), Op::DepthwiseConv2d(conv), &[x])?;
    let x = layer_norm(net, &format!("{prefix}_layernorm"), x)?;
    let x = net.dense(&format!("{prefix}_pointwise_conv_1"), x, 4 * channels)?;
    let x = net.activation(&format!("{prefix}_gelu"), x, Activation::Gelu)?;
    let x = net.dense(&format!("{prefix}_pointwise_conv_2"), x, channels)?;
    let x = net.node(&format!("{prefix}_layer_scale"), Op::LayerScale, &[x])?;
    // The paper's stochastic depth, which Keras leaves out.
    net.node(&format!("{prefix}_identity"), Op::StochasticDepth { rate: 0.0 }, &[x])
}

/// A convolution with a bias whose windows touch but do not overlap.
fn patches(
    net: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    filters: usize,
    side_px: usize,
) -> Result<NodeId, GraphError> {
    let (kernel, strides, padding) = ([side_px; 2], [side_px; 2], Padding::Valid);
    net.node(name, Op::Conv2d(Conv2d { filters, kernel, strides, padding, bias: true }), &[x])
}

fn layer_norm(net: &mut GraphBuilder, name: &str, x: NodeId) -> Result<NodeId, GraphError> {
    net.node(name, Op::LayerNorm { epsilon: LAYER_NORM_EPSILON }, &[x])
}
