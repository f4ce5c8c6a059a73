//! MobileNetV3: inverted residuals found by search, with squeeze-and-excite and hard swish.
//!
//! Source: Howard et al., arXiv:1905.02244, tables 1 and 2; layers and names as in `keras.applications.mobilenet_v3`. The
//! minimalistic variants do without kernels of 5 x 5, squeeze-and-excite and hard swish.

use engraft_graph::{Activation, GraphBuilder, GraphError, NodeId, Padding};

use crate::{
    BackboneSpec, PixelScaling, Preprocessing,
    architecture::{Architecture, CLASSES},
    layers::{LayerNames, channels_of_8, conv2d_with_bias, pad_for_stride_2, pooled_pixel},
};

/// All variants that have weights.
pub(super) static SPECS: [BackboneSpec; 6] = [
    spec("mobilenet_v3_small", Some("MobileNetV3Small"), &SMALL_100, 576, 68.1),
    spec("mobilenet_v3_small_075", None, &SMALL_75, 432, 65.4),
    spec("mobilenet_v3_small_minimalistic", None, &SMALL_MINIMALISTIC, 576, 61.9),
    spec("mobilenet_v3_large", Some("MobileNetV3Large"), &LARGE_100, 960, 75.6),
    spec("mobilenet_v3_large_075", None, &LARGE_75, 720, 73.3),
    spec("mobilenet_v3_large_minimalistic", None, &LARGE_MINIMALISTIC, 960, 72.3),
];

const SMALL_100: MobileNetV3 = MobileNetV3 { table: &SMALL, width_percent: 100, minimalistic: false };
const SMALL_75: MobileNetV3 = MobileNetV3 { width_percent: 75, ..SMALL_100 };
const SMALL_MINIMALISTIC: MobileNetV3 = MobileNetV3 { minimalistic: true, ..SMALL_100 };
const LARGE_100: MobileNetV3 = MobileNetV3 { table: &LARGE, width_percent: 100, minimalistic: false };
const LARGE_75: MobileNetV3 = MobileNetV3 { width_percent: 75, ..LARGE_100 };
const LARGE_MINIMALISTIC: MobileNetV3 = MobileNetV3 { minimalistic: true, ..LARGE_100 };

const LARGE: Table = Table { rows: &LARGE_ROWS, head_channels: 1280 };
const SMALL: Table = Table { rows: &SMALL_ROWS, head_channels: 1024 };

/// Table 1 without its first and last rows.
const LARGE_ROWS: [Row; 15] = [
    row(3, 16, 16, PLAIN, Activation::Relu, 1),
    row(3, 64, 24, PLAIN, Activation::Relu, 2),
    row(3, 72, 24, PLAIN, Activation::Relu, 1),
    row(5, 72, 40, SQUEEZE, Activation::Relu, 2),
    row(5, 120, 40, SQUEEZE, Activation::Relu, 1),
    row(5, 120, 40, SQUEEZE, Activation::Relu, 1),
    row(3, 240, 80, PLAIN, Activation::HardSilu, 2),
    row(3, 200, 80, PLAIN, Activation::HardSilu, 1),
    row(3, 184, 80, PLAIN, Activation::HardSilu, 1),
    row(3, 184, 80, PLAIN, Activation::HardSilu, 1),
    row(3, 480, 112, SQUEEZE, Activation::HardSilu, 1),
    row(3, 672, 112, SQUEEZE, Activation::HardSilu, 1),
    row(5, 672, 160, SQUEEZE, Activation::HardSilu, 2),
    row(5, 960, 160, SQUEEZE, Activation::HardSilu, 1),
    row(5, 960, 160, SQUEEZE, Activation::HardSilu, 1),
];

/// Table 2 without its first and last rows.
const SMALL_ROWS: [Row; 11] = [
    row(3, 16, 16, SQUEEZE, Activation::Relu, 2),
    row(3, 72, 24, PLAIN, Activation::Relu, 2),
    row(3, 88, 24, PLAIN, Activation::Relu, 1),
    row(5, 96, 40, SQUEEZE, Activation::HardSilu, 2),
    row(5, 240, 40, SQUEEZE, Activation::HardSilu, 1),
    row(5, 240, 40, SQUEEZE, Activation::HardSilu, 1),
    row(5, 120, 48, SQUEEZE, Activation::HardSilu, 1),
    row(5, 144, 48, SQUEEZE, Activation::HardSilu, 1),
    row(5, 288, 96, SQUEEZE, Activation::HardSilu, 2),
    row(5, 576, 96, SQUEEZE, Activation::HardSilu, 1),
    row(5, 576, 96, SQUEEZE, Activation::HardSilu, 1),
];

const PLAIN: bool = false;
const SQUEEZE: bool = true;

const STEM_CHANNELS: usize = 16;
const DROPOUT_RATE: f32 = 0.2;
const BATCH_NORM_EPSILON: f32 = 1e-3;

#[derive(Debug)]
struct Table {
    rows: &'static [Row],
    /// Channels between the pooled features and the classes.
    head_channels: usize,
}

/// An inverted residual block of full width.
#[derive(Debug)]
struct Row {
    kernel: usize,
    expanded_channels: usize,
    channels: usize,
    squeeze: bool,
    function: Activation,
    stride: usize,
}

const fn row(
    kernel: usize,
    expanded_channels: usize,
    channels: usize,
    squeeze: bool,
    function: Activation,
    stride: usize,
) -> Row {
    Row { kernel, expanded_channels, channels, squeeze, function, stride }
}

const fn spec(
    name: &'static str,
    keras_name: Option<&'static str>,
    architecture: &'static MobileNetV3,
    feature_len: usize,
    imagenet_top1_percent: f32,
) -> BackboneSpec {
    BackboneSpec {
        name,
        keras_name,
        preprocessing: Preprocessing {
            input_side_px: 224,
            min_side_px: 32,
            scaling: PixelScaling::InNetwork,
            fit: "stretch",
            filter: "bilinear",
        },
        feature_len,
        imagenet_top1_percent: Some(imagenet_top1_percent),
        licence: "Apache-2.0",
        credit: "Google, via keras.applications",
        embedded: None,
        architecture,
    }
}

/// What distinguishes the variants.
#[derive(Debug)]
struct MobileNetV3 {
    table: &'static Table,
    width_percent: usize,
    minimalistic: bool,
}

/// An inverted residual block of a variant.
struct Block {
    prefix: String,
    /// Nothing where there is no expansion.
    expanded_channels: Option<usize>,
    kernel: usize,
    channels: usize,
    squeeze: bool,
    function: Activation,
    stride: usize,
}

impl Architecture for MobileNetV3 {
    fn maps(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        image: NodeId,
        _official_weights: bool,
    ) -> Result<NodeId, GraphError> {
        let x = net.rescale("rescaling", image, &[1.0 / 127.5], &[-1.0])?;
        let x = net.conv2d("conv", x, STEM_CHANNELS, 3, 2, Padding::Same)?;
        let x = net.batch_norm("conv_bn", x, BATCH_NORM_EPSILON)?;
        let mut x = activation(net, names, x, self.function(Activation::HardSilu))?;
        for block in self.blocks() {
            x = block.add_to(net, names, x)?;
        }
        let channels = channels_of_8(6 * net.shape(x).channels(), 1);
        let x = net.conv2d("conv_1", x, channels, 1, 1, Padding::Same)?;
        let x = net.batch_norm("conv_1_bn", x, BATCH_NORM_EPSILON)?;
        activation(net, names, x, self.function(Activation::HardSilu))
    }

    fn logits(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        maps: NodeId,
    ) -> Result<NodeId, GraphError> {
        let x = pooled_pixel(net, &names.next("global_average_pooling2d"), maps)?;
        let x = conv2d_with_bias(net, "conv_2", x, self.table.head_channels, 1)?;
        let x = activation(net, names, x, self.function(Activation::HardSilu))?;
        let x = net.dropout("dropout", x, DROPOUT_RATE)?;
        let x = conv2d_with_bias(net, "logits", x, CLASSES, 1)?;
        net.flatten("flatten", x)
    }
}

impl MobileNetV3 {
    fn blocks(&self) -> Vec<Block> {
        let mut in_channels = (STEM_CHANNELS, STEM_CHANNELS);
        let mut blocks = Vec::new();
        for (index, row) in self.table.rows.iter().enumerate() {
            let (full, scaled) = in_channels;
            let channels = channels_of_8(row.channels * self.width_percent, 100);
            blocks.push(Block {
                prefix: if index == 0 {
                    "expanded_conv".to_owned()
                } else {
                    format!("expanded_conv_{index}")
                },
                expanded_channels: (index > 0).then(|| channels_of_8(scaled * row.expanded_channels, full)),
                kernel: if self.minimalistic { 3 } else { row.kernel },
                channels,
                squeeze: row.squeeze && !self.minimalistic,
                function: self.function(row.function),
                stride: row.stride,
            });
            in_channels = (row.channels, channels);
        }
        blocks
    }

    fn function(&self, function: Activation) -> Activation {
        if self.minimalistic { Activation::Relu } else { function }
    }
}

impl Block {
    /// Expansion, depthwise convolution, squeeze-and-excite, projection, and the input added again where the shapes allow it.
    fn add_to(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        input: NodeId,
    ) -> Result<NodeId, GraphError> {
        let prefix = &self.prefix;
        let mut x = input;
        if let Some(channels) = self.expanded_channels {
            x = net.conv2d(&format!("{prefix}_expand"), x, channels, 1, 1, Padding::Same)?;
            x = net.batch_norm(&format!("{prefix}_expand_bn"), x, BATCH_NORM_EPSILON)?;
            x = activation(net, names, x, self.function)?;
        }
        x = self.depthwise(net, names, x)?;
        if self.squeeze {
            x = squeeze_and_excite(net, names, prefix, x)?;
        }
        x = net.conv2d(&format!("{prefix}_project"), x, self.channels, 1, 1, Padding::Same)?;
        x = net.batch_norm(&format!("{prefix}_project_bn"), x, BATCH_NORM_EPSILON)?;
        if self.stride == 1 && net.shape(input) == net.shape(x) {
            x = net.add(&format!("{prefix}_add"), input, x)?;
        }
        Ok(x)
    }

    fn depthwise(
        &self,
        net: &mut GraphBuilder,
        names: &mut LayerNames,
        mut x: NodeId,
    ) -> Result<NodeId, GraphError> {
        let Block { prefix, kernel, stride, .. } = self;
        let mut padding = Padding::Same;
        if *stride == 2 {
            x = pad_for_stride_2(net, &format!("{prefix}_depthwise_pad"), x, *kernel)?;
            padding = Padding::Valid;
        }
        let x = net.depthwise_conv2d(&format!("{prefix}_depthwise"), x, *kernel, *stride, padding)?;
        let x = net.batch_norm(&format!("{prefix}_depthwise_bn"), x, BATCH_NORM_EPSILON)?;
        activation(net, names, x, self.function)
    }
}

/// Weighs the channels by what a small network makes of their means.
fn squeeze_and_excite(
    net: &mut GraphBuilder,
    names: &mut LayerNames,
    prefix: &str,
    input: NodeId,
) -> Result<NodeId, GraphError> {
    let channels = net.shape(input).channels();
    let x = pooled_pixel(net, &format!("{prefix}_squeeze_excite_avg_pool"), input)?;
    let squeezed = channels_of_8(channels, 4);
    let x = conv2d_with_bias(net, &format!("{prefix}_squeeze_excite_conv"), x, squeezed, 1)?;
    let x = net.activation(&format!("{prefix}_squeeze_excite_relu"), x, Activation::Relu)?;
    let x = conv2d_with_bias(net, &format!("{prefix}_squeeze_excite_conv_1"), x, channels, 1)?;
    // Keras writes the hard sigmoid as arithmetic around a ReLU layer.
    let x = net.activation(&names.next("re_lu"), x, Activation::HardSigmoid)?;
    net.multiply(&format!("{prefix}_squeeze_excite_mul"), input, x)
}

/// Adds an unnamed activation.
fn activation(
    net: &mut GraphBuilder,
    names: &mut LayerNames,
    x: NodeId,
    function: Activation,
) -> Result<NodeId, GraphError> {
    let kind = if function == Activation::Relu { "re_lu" } else { "activation" };
    net.activation(&names.next(kind), x, function)
}
