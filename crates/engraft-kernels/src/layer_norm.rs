//! Normalisation of each pixel over its channels.
//!
//! Source: Keras `LayerNormalization` with `axis=-1`; Ba, Kiros and Hinton, arXiv:1607.06450.

use crate::InstructionSet;
use crate::arch::{Isa, SimdOp};

/// `output = (x - mean) / sqrt(variance + epsilon) * gamma + beta` for neighbouring pixels, each padded to whole vectors.
#[derive(Clone, Copy)]
pub struct LayerNorm<'a> {
    /// Channels of a pixel; what stands beyond them does not count.
    pub channels: usize,
    /// Elements of a pixel; a multiple of the vector length.
    pub pixel_len: usize,
    /// The pixels.
    pub input: &'a [f32],
    /// One factor for each element of a pixel, zero beyond the channels.
    pub gamma: &'a [f32],
    /// One summand for each element of a pixel, zero beyond the channels.
    pub beta: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
}

impl LayerNorm<'_> {
    /// Computes as many pixels as `output` holds; elements beyond the channels become zero.
    ///
    /// # Panics
    /// If lengths differ or are not multiples of `pixel_len`.
    pub fn run(self, isa: InstructionSet, output: &mut [f32]) {
        assert_eq!(self.input.len(), output.len(), "input and output");
        assert!(output.len().is_multiple_of(self.pixel_len), "whole pixels");
        assert!(self.gamma.len() == self.pixel_len && self.beta.len() == self.pixel_len, "gamma and beta");
        isa.run(NormInto { layer: self, output });
    }
}

struct NormInto<'a> {
    layer: LayerNorm<'a>,
    output: &'a mut [f32],
}

impl SimdOp for NormInto<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let NormInto { layer, output } = self;
        let pixels = layer.input.chunks_exact(layer.pixel_len).zip(output.chunks_exact_mut(layer.pixel_len));
        for (input, output) in pixels {
            let channels = &input[..layer.channels];
            let count = layer.channels as f32;
            let mean = sum(isa, channels, |x| x, |x| x) / count;
            let centred = isa.splat(-mean);
            let squared = |x| {
                let x = isa.add(x, centred);
                isa.mul(x, x)
            };
            let variance = sum(isa, channels, squared, |x| (x - mean) * (x - mean)) / count;
            let factor = isa.splat(1.0 / (variance + layer.epsilon).sqrt());
            for (vector, output) in output.chunks_exact_mut(I::LANES).enumerate() {
                let at = vector * I::LANES;
                let x = isa.mul(isa.add(isa.load(&input[at..]), centred), factor);
                isa.store(isa.mul_add(x, isa.load(&layer.gamma[at..]), isa.load(&layer.beta[at..])), output);
            }
        }
    }
}

/// Partial sums kept apart, so that additions need not wait for each other.
const PARTS: usize = 4;

/// The sum of a function of all elements, the same for whole vectors and for the rest.
#[inline(always)]
fn sum<I: Isa>(
    isa: I,
    values: &[f32],
    of_vector: impl Fn(I::Vector) -> I::Vector,
    of_one: impl Fn(f32) -> f32,
) -> f32 {
    let mut sums = [isa.splat(0.0); PARTS];
    let mut chunks = values.chunks_exact(I::LANES);
    for (index, chunk) in (&mut chunks).enumerate() {
        let part = &mut sums[index % PARTS];
        *part = isa.add(*part, of_vector(isa.load(chunk)));
    }
    let whole = isa.add(isa.add(sums[0], sums[1]), isa.add(sums[2], sums[3]));
    let mut lanes = [0.0; 16];
    isa.store(whole, &mut lanes);
    let rest: f32 = chunks.remainder().iter().map(|&x| of_one(x)).sum();
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Tolerance, assert_close, noise};

    use super::*;

    #[test]
    fn pixels_equal_the_definition_whatever_stands_beyond_the_channels() {
        for isa in InstructionSet::available() {
            for channels in [1, 2, 15, 16, 17, 96, 131] {
                let pixel_len = isa.padded(channels);
                let mut input: Vec<f32> = noise(1, 3 * pixel_len).iter().map(|x| 5.0 + 2.0 * x).collect();
                let pad = |mut values: Vec<f32>| {
                    values.resize(pixel_len, 0.0);
                    values
                };
                let (gamma, beta) = (pad(noise(2, channels)), pad(noise(3, channels)));
                let mut want = vec![0.0; input.len()];
                for (pixel, want) in input.chunks_exact(pixel_len).zip(want.chunks_exact_mut(pixel_len)) {
                    let x: Vec<f64> = pixel[..channels].iter().map(|&x| f64::from(x)).collect();
                    let mean = x.iter().sum::<f64>() / channels as f64;
                    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / channels as f64;
                    for c in 0..channels {
                        let normal = (x[c] - mean) / (variance + 1e-6).sqrt();
                        want[c] = (normal * f64::from(gamma[c]) + f64::from(beta[c])) as f32;
                    }
                }
                input.chunks_exact_mut(pixel_len).for_each(|pixel| pixel[channels..].fill(1e9));
                let mut got = vec![f32::NAN; input.len()];
                LayerNorm { channels, pixel_len, input: &input, gamma: &gamma, beta: &beta, epsilon: 1e-6 }
                    .run(isa, &mut got);
                assert_close(&got, &want, Tolerance::abs(3e-5));
            }
        }
    }
}
