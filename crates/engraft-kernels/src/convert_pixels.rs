//! Image bytes to scaled numbers.
//!
//! Source: Keras `Rescaling` after a cast to float.

use crate::InstructionSet;
use crate::arch::{Isa, SimdOp};

/// `x * scale + offset`, channel by channel, from pixels without gaps to pixels that may have gaps.
#[derive(Clone, Debug)]
pub struct ConvertPixels {
    isa: InstructionSet,
    channels: usize,
    /// One factor and one summand for each element of some neighbouring pixels, in the image's order.
    scale: Vec<f32>,
    offset: Vec<f32>,
    /// Whether the channels of the image come last first.
    reversed: bool,
}

/// Neighbouring pixels treated alike: their elements fill whole vectors, however many channels there are, and make a long loop.
const PIXELS: usize = 128;

impl ConvertPixels {
    /// A conversion with one factor and one summand per channel of the result, whose channels are those of the image or,
    /// where `reversed`, those in the opposite order.
    ///
    /// # Panics
    /// If there are not as many factors as summands, or none.
    pub fn new(isa: InstructionSet, scale: &[f32], offset: &[f32], reversed: bool) -> ConvertPixels {
        assert!(scale.len() == offset.len() && !scale.is_empty(), "one factor and one summand per channel");
        let of_pixels = |values: &[f32]| {
            let mut values = values.repeat(PIXELS);
            if reversed {
                values.reverse();
            }
            values
        };
        let (channels, scale, offset) = (scale.len(), of_pixels(scale), of_pixels(offset));
        ConvertPixels { isa, channels, scale, offset, reversed }
    }

    /// Converts the pixels of `from` to pixels of `pixel_len` elements; those beyond the channels become zero.
    ///
    /// # Panics
    /// If `to` is too short or `pixel_len` is less than the number of channels.
    pub fn run<T: Copy + Into<f32>>(&self, from: &[T], to: &mut [f32], pixel_len: usize) {
        self.isa.run(ConvertInto { conversion: self, from, to, pixel_len });
    }
}

struct ConvertInto<'a, T> {
    conversion: &'a ConvertPixels,
    from: &'a [T],
    to: &'a mut [f32],
    pixel_len: usize,
}

impl<T: Copy + Into<f32>> SimdOp for ConvertInto<'_, T> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let ConvertPixels { channels, scale, offset, reversed, .. } = self.conversion;
        if self.pixel_len == *channels {
            let to = &mut self.to[..self.from.len()];
            for (from, to) in self.from.chunks(scale.len()).zip(to.chunks_mut(scale.len())) {
                convert(from, scale, offset, to);
                if *reversed {
                    to.chunks_exact_mut(*channels).for_each(<[f32]>::reverse);
                }
            }
            return;
        }
        let pixels = self.from.chunks_exact(*channels).zip(self.to.chunks_exact_mut(self.pixel_len));
        for (from, to) in pixels {
            let (values, rest) = to.split_at_mut(*channels);
            convert(from, scale, offset, values);
            if *reversed {
                values.reverse();
            }
            rest.fill(0.0);
        }
    }
}

#[inline(always)]
fn convert<T: Copy + Into<f32>>(from: &[T], scale: &[f32], offset: &[f32], to: &mut [f32]) {
    for (((&x, scale), offset), to) in from.iter().zip(scale).zip(offset).zip(to) {
        *to = x.into() * scale + offset;
    }
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Tolerance, assert_close, noise_u8};

    use super::*;

    #[test]
    fn bytes_and_floats_equal_the_naive_loop() {
        for isa in InstructionSet::available() {
            for (channels, pixel_len) in [(1, 1), (3, 3), (3, 4), (3, 16), (5, 5)] {
                let scale: Vec<f32> = (1..=channels).map(|c| 1.0 / (100 + c) as f32).collect();
                let offset: Vec<f32> = (1..=channels).map(|c| -1.0 / c as f32).collect();
                for (pixels, reversed) in
                    (1..40).chain([127, 128, 129, 300]).flat_map(|pixels| [(pixels, false), (pixels, true)])
                {
                    let conversion = ConvertPixels::new(isa, &scale, &offset, reversed);
                    let bytes = noise_u8(pixels as u64, pixels * channels);
                    let mut want = vec![0.0; pixels * pixel_len];
                    for (i, &byte) in bytes.iter().enumerate() {
                        let c = if reversed { channels - 1 - i % channels } else { i % channels };
                        want[i / channels * pixel_len + c] = f32::from(byte) * scale[c] + offset[c];
                    }
                    let mut got = vec![f32::NAN; want.len()];
                    conversion.run(&bytes, &mut got, pixel_len);
                    assert_close(&got, &want, Tolerance::EXACT);
                    let floats: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte)).collect();
                    conversion.run(&floats, &mut got, pixel_len);
                    assert_close(&got, &want, Tolerance::EXACT);
                }
            }
        }
    }
}
