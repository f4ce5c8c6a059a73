//! What an operation costs to compute.

use super::Op;
use crate::Shape;

impl Op {
    /// Multiply-adds for one image, as papers count them: those of convolutions and dense layers.
    pub fn multiply_adds(&self, inputs: &[Shape], output: Shape) -> u64 {
        let in_channels = inputs.first().map_or(0, |shape| shape.channels());
        let per_value = match self {
            Op::Conv2d(conv) => conv.kernel[0] * conv.kernel[1] * in_channels,
            Op::DepthwiseConv2d(conv) => conv.kernel[0] * conv.kernel[1],
            Op::Dense(_) => in_channels,
            _ => 0,
        };
        output.len() as u64 * per_value as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conv2d, Dense, DepthwiseConv2d, Padding};

    #[test]
    fn multiply_adds_are_counted_per_output_value() {
        let (kernel, strides, padding, bias) = ([3, 5], [2, 2], Padding::Same, true);
        for (op, input, want) in [
            (
                Op::Conv2d(Conv2d { filters: 8, kernel, strides, padding, bias }),
                Shape::map(4, 6, 3),
                2 * 3 * 8 * 45,
            ),
            (
                Op::DepthwiseConv2d(DepthwiseConv2d { kernel, strides, padding, bias }),
                Shape::map(4, 6, 3),
                2 * 3 * 3 * 15,
            ),
            (Op::Dense(Dense { units: 7, bias }), Shape::vector(5), 35),
            (Op::Flatten, Shape::map(2, 2, 2), 0),
        ] {
            let output = op.output_shape("n", &[input]).unwrap();
            assert_eq!(op.multiply_adds(&[input], output), want, "{op:?}");
        }
    }
}
