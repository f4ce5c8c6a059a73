//! The mean of each channel in a sliding window, for training.
//!
//! Source: Keras `AveragePooling2D`, which counts only the pixels inside the map.

use crate::arch::{Isa, SimdOp};
use crate::{InstructionSet, Window};

/// The mean of each window.
#[derive(Clone, Copy, Debug)]
pub struct AveragePool2d {
    /// The windows.
    pub windows: Window,
}

impl AveragePool2d {
    /// Writes the means into `output`.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn forward(&self, isa: InstructionSet, input: &[f32], output: &mut [f32]) {
        isa.run(Forward { windows: &self.windows, input, output });
    }

    /// Gives each element of `input_gradient` its share of the gradients of the means that it is part of.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn backward(&self, isa: InstructionSet, output_gradient: &[f32], input_gradient: &mut [f32]) {
        isa.run(Backward { windows: &self.windows, output_gradient, input_gradient });
    }
}

struct Forward<'a> {
    windows: &'a Window,
    input: &'a [f32],
    output: &'a mut [f32],
}

impl SimdOp for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let Forward { windows, input, output } = self;
        for (pixel, output) in output.chunks_exact_mut(windows.channels).enumerate() {
            output.fill(0.0);
            windows.each_pixel(pixel, |_, start| {
                let input = &input[start..][..windows.channels];
                output.iter_mut().zip(input).for_each(|(sum, x)| *sum += x);
            });
            let share = 1.0 / windows.pixels_inside(pixel) as f32;
            output.iter_mut().for_each(|sum| *sum *= share);
        }
    }
}

struct Backward<'a> {
    windows: &'a Window,
    output_gradient: &'a [f32],
    input_gradient: &'a mut [f32],
}

impl SimdOp for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let Backward { windows, output_gradient, input_gradient } = self;
        input_gradient.fill(0.0);
        for (pixel, gradient) in output_gradient.chunks_exact(windows.channels).enumerate() {
            let share = 1.0 / windows.pixels_inside(pixel) as f32;
            windows.each_pixel(pixel, |_, start| {
                let to = &mut input_gradient[start..][..windows.channels];
                to.iter_mut().zip(gradient).for_each(|(dx, dy)| *dx += dy * share);
            });
        }
    }
}
