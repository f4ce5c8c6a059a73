//! Convolution of each channel with its own filter, for training.
//!
//! Source: Keras `DepthwiseConv2D` with `depth_multiplier=1`; the chain rule.

use crate::arch::{Isa, SimdOp};
use crate::{InstructionSet, Window};

/// The windows of a depthwise convolution and its filters.
#[derive(Clone, Copy, Debug)]
pub struct DepthwiseGradient<'a> {
    /// The windows; zeros lie outside the map.
    pub windows: Window,
    /// `[window_height, window_width, channels]`
    pub filters: &'a [f32],
}

impl DepthwiseGradient<'_> {
    /// `output = depthwise(input) + bias`
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn forward(&self, isa: InstructionSet, input: &[f32], bias: Option<&[f32]>, output: &mut [f32]) {
        isa.run(Forward { layer: self, input, bias, output });
    }

    /// The gradient of the input.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn input_gradient(&self, isa: InstructionSet, output_gradient: &[f32], input_gradient: &mut [f32]) {
        isa.run(InputGradient { layer: self, output_gradient, input_gradient });
    }

    /// Adds the gradient of the filters to `filter_gradient`.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn add_filter_gradient(
        &self,
        isa: InstructionSet,
        input: &[f32],
        output_gradient: &[f32],
        filter_gradient: &mut [f32],
    ) {
        isa.run(FilterGradient { layer: self, input, output_gradient, filter_gradient });
    }
}

struct Forward<'a> {
    layer: &'a DepthwiseGradient<'a>,
    input: &'a [f32],
    bias: Option<&'a [f32]>,
    output: &'a mut [f32],
}

impl SimdOp for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let Forward { layer: DepthwiseGradient { windows, filters }, input, bias, output } = self;
        let channels = windows.channels;
        for (pixel, output) in output.chunks_exact_mut(channels).enumerate() {
            match bias {
                Some(bias) => output.copy_from_slice(bias),
                None => output.fill(0.0),
            }
            windows.each_pixel(pixel, |tap, start| {
                let weighted = input[start..][..channels].iter().zip(&filters[tap * channels..][..channels]);
                output.iter_mut().zip(weighted).for_each(|(sum, (x, w))| *sum += x * w);
            });
        }
    }
}

struct InputGradient<'a> {
    layer: &'a DepthwiseGradient<'a>,
    output_gradient: &'a [f32],
    input_gradient: &'a mut [f32],
}

impl SimdOp for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let InputGradient { layer: DepthwiseGradient { windows, filters }, output_gradient, input_gradient } =
            self;
        let channels = windows.channels;
        input_gradient.fill(0.0);
        for (pixel, gradient) in output_gradient.chunks_exact(channels).enumerate() {
            windows.each_pixel(pixel, |tap, start| {
                let weighted = gradient.iter().zip(&filters[tap * channels..][..channels]);
                let to = &mut input_gradient[start..][..channels];
                to.iter_mut().zip(weighted).for_each(|(dx, (dy, w))| *dx += dy * w);
            });
        }
    }
}

struct FilterGradient<'a> {
    layer: &'a DepthwiseGradient<'a>,
    input: &'a [f32],
    output_gradient: &'a [f32],
    filter_gradient: &'a mut [f32],
}

impl SimdOp for FilterGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let FilterGradient { layer, input, output_gradient, filter_gradient } = self;
        let (windows, channels) = (&layer.windows, layer.windows.channels);
        for (pixel, gradient) in output_gradient.chunks_exact(channels).enumerate() {
            windows.each_pixel(pixel, |tap, start| {
                let products = gradient.iter().zip(&input[start..][..channels]);
                let to = &mut filter_gradient[tap * channels..][..channels];
                to.iter_mut().zip(products).for_each(|(dw, (dy, x))| *dw += dy * x);
            });
        }
    }
}
