//! Static shapes of activations, without the batch dimension.

use std::fmt;

/// The shape of one image's activation. A batch of them is `[n, height, width, channels]` or `[n, features]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A feature map, stored row by row with the channels innermost.
    Map {
        /// Rows, in pixels.
        height: usize,
        /// Columns, in pixels.
        width: usize,
        /// Values per pixel.
        channels: usize,
    },
    /// A plain vector.
    Vector {
        /// Its length.
        features: usize,
    },
}

impl Shape {
    /// A feature map of `height` x `width` pixels with `channels` values each.
    pub const fn map(height: usize, width: usize, channels: usize) -> Shape {
        Shape::Map { height, width, channels }
    }

    /// A vector of `features` values.
    pub const fn vector(features: usize) -> Shape {
        Shape::Vector { features }
    }

    /// The innermost length: channels of a map, features of a vector.
    pub const fn channels(self) -> usize {
        match self {
            Shape::Map { channels, .. } => channels,
            Shape::Vector { features } => features,
        }
    }

    /// Number of elements.
    pub const fn len(self) -> usize {
        match self {
            Shape::Map { height, width, channels } => height * width * channels,
            Shape::Vector { features } => features,
        }
    }

    /// The lengths of all dimensions: `[height, width, channels]` or `[features]`.
    pub fn lens(self) -> Vec<usize> {
        match self {
            Shape::Map { height, width, channels } => vec![height, width, channels],
            Shape::Vector { features } => vec![features],
        }
    }

    /// Whether there are no elements. Never true of a shape in a [`crate::Graph`].
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Shape::Map { height, width, channels } => write!(f, "[{height}, {width}, {channels}]"),
            Shape::Vector { features } => write!(f, "[{features}]"),
        }
    }
}

/// Zero padding `(before, after)` along one axis for Keras `padding="same"`.
///
/// The output has `len.div_ceil(stride)` positions; an odd total puts the extra zero last. Lengths are in pixels;
/// `kernel` and `stride` must be at least 1.
///
/// Source: TensorFlow `tf.nn` guide, "Notes on padding".
pub fn same_padding(len: usize, kernel: usize, stride: usize) -> (usize, usize) {
    let out_len = len.div_ceil(stride);
    let total = ((out_len.max(1) - 1) * stride + kernel).saturating_sub(len);
    (total / 2, total - total / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_puts_the_odd_zero_last() {
        for (len, kernel, stride, want) in
            [(224, 3, 2, (0, 1)), (5, 3, 1, (1, 1)), (7, 2, 2, (0, 1)), (1, 5, 1, (2, 2)), (4, 1, 2, (0, 0))]
        {
            assert_eq!(
                same_padding(len, kernel, stride),
                want,
                "len {len}, kernel {kernel}, stride {stride}"
            );
        }
    }

    #[test]
    fn shapes_print_as_lists() {
        assert_eq!(Shape::map(2, 3, 4).to_string(), "[2, 3, 4]");
        assert_eq!(Shape::vector(7).to_string(), "[7]");
        assert_eq!((Shape::map(2, 3, 4).len(), Shape::map(2, 3, 4).channels()), (24, 4));
    }
}
