//! Scale, offset, sum and clamp of feature maps, for what could not be fused into a convolution.
//!
//! Source: Keras `BatchNormalization` at inference, `Rescaling`, `Add` and `ReLU`.

use crate::arch::{Isa, SimdOp};
use crate::{Activation, Clamp, InstructionSet};

/// `output = activation(clamp(input * scale + offset + addend))` for neighbouring pixels, each padded to whole vectors.
#[derive(Clone, Copy)]
pub struct Elementwise<'a> {
    /// Elements of a pixel; a multiple of the vector length.
    pub pixel_len: usize,
    /// The pixels.
    pub input: &'a [f32],
    /// A factor and a summand for each element of a pixel.
    pub affine: Option<(&'a [f32], &'a [f32])>,
    /// As many pixels, added to the scaled ones.
    pub addend: Option<&'a [f32]>,
    /// Limits the output.
    pub clamp: Option<Clamp>,
    /// Applied last.
    pub activation: Option<Activation>,
}

impl Elementwise<'_> {
    /// Computes as many pixels as `output` holds.
    ///
    /// # Panics
    /// If lengths differ or are not multiples of `pixel_len`.
    pub fn run(self, isa: InstructionSet, output: &mut [f32]) {
        assert_eq!(self.input.len(), output.len(), "input and output");
        assert!(self.addend.is_none_or(|addend| addend.len() == output.len()), "addend and output");
        assert!(output.len().is_multiple_of(self.pixel_len), "whole pixels");
        isa.run(ElementwiseInto { layer: self, output });
    }
}

struct ElementwiseInto<'a> {
    layer: Elementwise<'a>,
    output: &'a mut [f32],
}

impl SimdOp for ElementwiseInto<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ElementwiseInto { layer, output } = self;
        assert!(layer.pixel_len.is_multiple_of(I::LANES), "whole vectors");
        for (pixel, output) in output.chunks_exact_mut(layer.pixel_len).enumerate() {
            let start = pixel * layer.pixel_len;
            for (vector, output) in output.chunks_exact_mut(I::LANES).enumerate() {
                let channel = vector * I::LANES;
                let mut x = isa.load(&layer.input[start + channel..]);
                if let Some((scale, offset)) = layer.affine {
                    x = isa.mul_add(x, isa.load(&scale[channel..]), isa.load(&offset[channel..]));
                }
                if let Some(addend) = layer.addend {
                    x = isa.add(x, isa.load(&addend[start + channel..]));
                }
                if let Some(clamp) = layer.clamp {
                    x = clamp.apply(isa, x);
                }
                isa.store(x, output);
            }
            if let Some(activation) = layer.activation {
                activation.apply_to_rows(isa, output, 1, layer.pixel_len, layer.pixel_len);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Tolerance, assert_close, noise};

    use super::*;

    #[test]
    fn every_combination_equals_the_naive_loop() {
        for isa in InstructionSet::available() {
            let pixel_len = 3 * isa.lanes();
            let len = 5 * pixel_len;
            let (input, other) = (noise(1, len), noise(2, len));
            let (scale, offset) = (noise(3, pixel_len), noise(4, pixel_len));
            for choice in 0..8 {
                let affine = (choice & 1 != 0).then_some((&scale[..], &offset[..]));
                let addend = (choice & 2 != 0).then_some(&other[..]);
                let clamp = (choice & 4 != 0).then_some(Clamp { low: -0.25, high: 0.5 });
                let want: Vec<f32> = (0..len)
                    .map(|i| {
                        let c = i % pixel_len;
                        let x = affine.map_or(input[i], |(scale, offset)| input[i] * scale[c] + offset[c]);
                        let x = x + addend.map_or(0.0, |addend| addend[i]);
                        clamp.map_or(x, |clamp| x.clamp(clamp.low, clamp.high))
                    })
                    .collect();
                let mut got = vec![f32::NAN; len];
                Elementwise { pixel_len, input: &input, affine, addend, clamp, activation: None }
                    .run(isa, &mut got);
                assert_close(&got, &want, Tolerance::abs(3e-7));
            }
        }
    }

    #[test]
    fn clamping_keeps_nan() {
        for isa in InstructionSet::available() {
            let input = vec![f32::NAN; isa.lanes()];
            let mut got = vec![0.0; isa.lanes()];
            let clamp = Some(Clamp::RELU6);
            Elementwise {
                pixel_len: isa.lanes(),
                input: &input,
                affine: None,
                addend: None,
                clamp,
                activation: None,
            }
            .run(isa, &mut got);
            assert!(got.iter().all(|x| x.is_nan()), "{}", isa.name());
        }
    }
}
