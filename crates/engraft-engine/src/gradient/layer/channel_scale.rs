//! A learnt factor per channel, and stored moments.

use rayon::prelude::*;

use super::{Backward, Forward, Layer};
use crate::gradient::groups::sum_images;

/// `output = input * gamma`, channel by channel.
pub(crate) struct LayerScale;

impl Layer for LayerScale {
    fn forward(&self, pass: Forward) {
        scale(pass.inputs[0], &pass.parameters[0], None, pass.output);
    }

    fn backward(&self, pass: Backward) {
        let (input, dy, gamma) = (pass.inputs[0], pass.output_gradient, &pass.parameters[0]);
        if let Some([gradient]) = pass.parameter_gradients {
            let len = input.len() / pass.context.images;
            let sums = sum_images(pass.context.images, gamma.len(), |image, sums| {
                let image = image * len..(image + 1) * len;
                let pixels = input[image.clone()].chunks_exact(gamma.len());
                for (x, dy) in pixels.zip(dy[image].chunks_exact(gamma.len())) {
                    for (c, sum) in sums.iter_mut().enumerate() {
                        *sum += f64::from(x[c]) * f64::from(dy[c]);
                    }
                }
            });
            gradient.iter_mut().zip(sums).for_each(|(to, sum)| *to = sum as f32);
        }
        if let Some(input_gradient) = &mut pass.input_gradients[0] {
            scale(dy, gamma, None, input_gradient);
        }
    }
}

/// `output = (input - mean) / max(sqrt(variance), 1e-7)`, channel by channel; not learnt.
pub(crate) struct Normalization;

impl Normalization {
    fn factors(variance: &[f32]) -> Vec<f32> {
        variance.iter().map(|variance| 1.0 / variance.sqrt().max(1e-7)).collect()
    }
}

impl Layer for Normalization {
    fn forward(&self, pass: Forward) {
        let [mean, variance, ..] = &*pass.parameters else { return };
        scale(pass.inputs[0], &Normalization::factors(variance), Some(mean), pass.output);
    }

    fn backward(&self, pass: Backward) {
        let Some(input_gradient) = &mut pass.input_gradients[0] else { return };
        scale(pass.output_gradient, &Normalization::factors(&pass.parameters[1]), None, input_gradient);
    }
}

/// `output = (input - mean) * factor`, pixel by pixel.
fn scale(input: &[f32], factor: &[f32], mean: Option<&[f32]>, output: &mut [f32]) {
    let pixels = output.par_chunks_exact_mut(factor.len()).zip(input.par_chunks_exact(factor.len()));
    pixels.for_each(|(output, input)| {
        for (c, y) in output.iter_mut().enumerate() {
            *y = (input[c] - mean.map_or(0.0, |mean| mean[c])) * factor[c];
        }
    });
}
