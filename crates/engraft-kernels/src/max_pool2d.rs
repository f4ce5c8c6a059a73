//! The maximum of each channel in a sliding window, for training: where it stood is kept for the way back.
//!
//! Source: Keras `MaxPooling2D`; of equal values the first one gets the gradient, as in TensorFlow.

use crate::arch::{Isa, SimdOp};
use crate::{InstructionSet, Window};

/// The greatest value in each window.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2d {
    /// The windows, of at most 65536 pixels each.
    pub windows: Window,
}

impl MaxPool2d {
    /// Writes the maxima into `output`, and into `places` where in its window each of them stands, row by row.
    ///
    /// # Panics
    /// If a length does not fit or a window lies outside the map.
    pub fn forward(&self, isa: InstructionSet, input: &[f32], output: &mut [f32], places: &mut [u16]) {
        self.check(input.len(), output.len(), places.len());
        isa.run(Forward { layer: self, input, output, places });
    }

    /// Gives each element of `input_gradient` the gradients of the maxima that it was.
    ///
    /// # Panics
    /// If a length does not fit or a window lies outside the map.
    pub fn backward(
        &self,
        isa: InstructionSet,
        places: &[u16],
        output_gradient: &[f32],
        input_gradient: &mut [f32],
    ) {
        self.check(input_gradient.len(), output_gradient.len(), places.len());
        isa.run(Backward { layer: self, places, output_gradient, input_gradient });
    }

    fn check(&self, input: usize, output: usize, places: usize) {
        let outputs = self.windows.output_pixels() * self.windows.channels;
        let expected = [self.windows.input_len(), outputs, outputs];
        assert_eq!([input, output, places], expected, "elements of input, output and places");
        assert!(self.windows.taps() <= 1 << 16, "pixels of a window");
    }
}

struct Forward<'a> {
    layer: &'a MaxPool2d,
    input: &'a [f32],
    output: &'a mut [f32],
    places: &'a mut [u16],
}

impl SimdOp for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let Forward { layer, input, output, places } = self;
        let channels = layer.windows.channels;
        let pixels = output.chunks_exact_mut(channels).zip(places.chunks_exact_mut(channels));
        for (pixel, (output, places)) in pixels.enumerate() {
            output.fill(f32::NEG_INFINITY);
            places.fill(0);
            layer.windows.each_pixel(pixel, |place, start| {
                let place = place as u16;
                let input = &input[start..][..channels];
                for ((&x, greatest), at) in input.iter().zip(&mut *output).zip(&mut *places) {
                    let greater = x > *greatest;
                    *at = if greater { place } else { *at };
                    *greatest = if greater { x } else { *greatest };
                }
            });
        }
    }
}

struct Backward<'a> {
    layer: &'a MaxPool2d,
    places: &'a [u16],
    output_gradient: &'a [f32],
    input_gradient: &'a mut [f32],
}

impl SimdOp for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let Backward { layer, places, output_gradient, input_gradient } = self;
        let channels = layer.windows.channels;
        input_gradient.fill(0.0);
        let pixels = output_gradient.chunks_exact(channels).zip(places.chunks_exact(channels));
        for (pixel, (gradient, places)) in pixels.enumerate() {
            layer.windows.each_pixel(pixel, |place, start| {
                let place = place as u16;
                let to = &mut input_gradient[start..][..channels];
                for ((&gradient, &at), to) in gradient.iter().zip(places).zip(to) {
                    *to += if at == place { gradient } else { 0.0 };
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_values_gets_the_gradient() {
        let windows = Window {
            size: [2, 3],
            channels: 1,
            window: [2, 2],
            strides: [1, 1],
            before: [0, 0],
            output_size: [1, 2],
        };
        for isa in InstructionSet::available() {
            let (mut output, mut places) = ([0.0; 2], [9; 2]);
            let pool = MaxPool2d { windows };
            pool.forward(isa, &[1.0, 5.0, 2.0, 5.0, 0.0, 7.0], &mut output, &mut places);
            assert_eq!((output, places), ([5.0, 7.0], [1, 3]));
            let mut gradient = [f32::NAN; 6];
            pool.backward(isa, &places, &[1.0, 2.0], &mut gradient);
            assert_eq!(gradient, [0.0, 1.0, 0.0, 0.0, 0.0, 2.0]);
        }
    }
}
