//! The product of feature maps, or of a map and one factor per channel.
//!
//! Source: Keras `Multiply`, which broadcasts a map of one pixel; Hu et al., "Squeeze-and-Excitation Networks",
//! arXiv:1709.01507.

use crate::InstructionSet;
use crate::arch::{Isa, SimdOp};

/// `output = input * factor` for neighbouring pixels, each padded to whole vectors.
#[derive(Clone, Copy)]
pub struct Multiply<'a> {
    /// The pixels.
    pub input: &'a [f32],
    /// As many pixels, or one that multiplies every pixel of the input.
    pub factor: &'a [f32],
}

impl Multiply<'_> {
    /// Computes as many pixels as `output` holds.
    ///
    /// # Panics
    /// If lengths do not fit or are not whole vectors.
    pub fn run(self, isa: InstructionSet, output: &mut [f32]) {
        assert_eq!(self.input.len(), output.len(), "input and output");
        assert!(output.len().is_multiple_of(self.factor.len()), "the factor repeats");
        assert!(self.factor.len().is_multiple_of(isa.lanes()), "whole vectors");
        isa.run(MultiplyInto { layer: self, output });
    }
}

struct MultiplyInto<'a> {
    layer: Multiply<'a>,
    output: &'a mut [f32],
}

impl SimdOp for MultiplyInto<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let MultiplyInto { layer: Multiply { input, factor }, output } = self;
        for (input, output) in input.chunks_exact(factor.len()).zip(output.chunks_exact_mut(factor.len())) {
            let vectors = input.chunks_exact(I::LANES).zip(factor.chunks_exact(I::LANES));
            for ((x, y), output) in vectors.zip(output.chunks_exact_mut(I::LANES)) {
                isa.store(isa.mul(isa.load(x), isa.load(y)), output);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use engraft_testing::noise;

    use super::*;

    #[test]
    fn a_factor_of_one_pixel_repeats() {
        for isa in InstructionSet::available() {
            let pixel = 3 * isa.lanes();
            let (input, factor) = (noise(1, 5 * pixel), noise(2, 5 * pixel));
            for factor in [&factor[..], &factor[..pixel]] {
                let want: Vec<f32> =
                    input.iter().zip(factor.iter().cycle()).map(|(x, factor)| x * factor).collect();
                let mut got = vec![f32::NAN; input.len()];
                Multiply { input: &input, factor }.run(isa, &mut got);
                assert_eq!(got, want, "{}", isa.name());
            }
        }
    }
}
