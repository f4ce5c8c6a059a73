//! What several families of keras.applications share: layers that are several nodes, and names of unnamed layers.

use std::collections::HashMap;

use engraft_graph::{Conv2d, GraphBuilder, GraphError, Margins, NodeId, Op, Padding, Shape};

/// Keras' names of layers that were given none: `conv2d`, `conv2d_1`, `conv2d_2` and so on for each kind of layer.
#[derive(Default)]
pub(crate) struct LayerNames(HashMap<&'static str, usize>);

impl LayerNames {
    /// The name of the next unnamed layer of that kind.
    pub(crate) fn next(&mut self, kind: &'static str) -> String {
        let earlier = self.0.entry(kind).or_default();
        *earlier += 1;
        match *earlier - 1 {
            0 => kind.to_owned(),
            index => format!("{kind}_{index}"),
        }
    }
}

/// A number of channels, `numerator / denominator`, rounded to a multiple of 8 that is at least 8 and at least nine tenths
/// of it.
pub(crate) const fn channels_of_8(numerator: usize, denominator: usize) -> usize {
    let rounded = (numerator + 4 * denominator) / (8 * denominator) * 8;
    let rounded = if rounded < 8 { 8 } else { rounded };
    if rounded * denominator * 10 < numerator * 9 { rounded + 8 } else { rounded }
}

/// Adds a square convolution with a bias, in steps of one pixel.
pub(crate) fn conv2d_with_bias(
    net: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    filters: usize,
    kernel: usize,
) -> Result<NodeId, GraphError> {
    let conv = Conv2d { filters, kernel: [kernel; 2], strides: [1; 2], padding: Padding::Same, bias: true };
    net.node(name, Op::Conv2d(conv), &[x])
}

/// Adds zeros such that a window of an odd number of `kernel` pixels, moved in steps of two, sees what "same" padding would
/// show it where the sides are even, and is centred on the first pixel where they are odd.
pub(crate) fn pad_for_stride_2(
    net: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    kernel: usize,
) -> Result<NodeId, GraphError> {
    let (height, width) = match net.shape(x) {
        Shape::Map { height, width, .. } => (height, width),
        Shape::Vector { .. } => (1, 1),
    };
    let after = kernel / 2;
    let before = |len: usize| after - (len + 1) % 2;
    net.zero_padding2d(
        name,
        x,
        Margins { top: before(height), bottom: after, left: before(width), right: after },
    )
}

/// Adds a layer of two nodes, a depthwise convolution and a convolution of 1 x 1, both without a bias.
pub(crate) fn separable_conv2d(
    net: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    filters: usize,
    kernel: usize,
    stride: usize,
    padding: Padding,
) -> Result<NodeId, GraphError> {
    let x = net.depthwise_conv2d(&format!("{name}/depthwise"), x, kernel, stride, padding)?;
    net.conv2d(&format!("{name}/pointwise"), x, filters, 1, 1, Padding::Valid)
}

/// Adds the mean over all pixels as a map of one pixel, under the name of one layer.
pub(crate) fn pooled_pixel(net: &mut GraphBuilder, name: &str, x: NodeId) -> Result<NodeId, GraphError> {
    let channels = net.shape(x).channels();
    let x = net.global_average_pool2d(&format!("{name}/mean"), x)?;
    net.node(&format!("{name}/reshape"), Op::Reshape { height: 1, width: 1, channels }, &[x])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unnamed_layers_are_counted_kind_by_kind() {
        let mut names = LayerNames::default();
        let found = ["conv2d", "add", "conv2d", "conv2d", "add"].map(|kind| names.next(kind));
        assert_eq!(found, ["conv2d", "add", "conv2d_1", "conv2d_2", "add_1"]);
    }

    #[test]
    fn channels_are_rounded_to_8_and_never_lose_more_than_a_tenth() {
        for (numerator, denominator, want) in
            [(3, 1, 8), (112, 10, 16), (12, 1, 16), (18, 1, 24), (19, 1, 24), (36, 1, 40), (1792, 1, 1792)]
        {
            assert_eq!(channels_of_8(numerator, denominator), want, "{numerator} / {denominator}");
        }
    }

    #[test]
    fn even_sides_are_padded_by_one_pixel_less() {
        for (sides, kernel, want) in [([6, 7], 3, [7, 9]), ([7, 6], 5, [11, 9]), ([6, 6], 7, [11, 11])] {
            let mut net = GraphBuilder::new();
            let image = net.input("image", [sides[0], sides[1], 3]).unwrap();
            let padded = pad_for_stride_2(&mut net, "pad", image, kernel).unwrap();
            assert_eq!(net.shape(padded), Shape::map(want[0], want[1], 3), "{sides:?}, kernel {kernel}");
        }
    }
}
