//! Normalisation of each pixel over its channels.

use rayon::prelude::*;

use super::{Backward, Forward, Layer};
use crate::gradient::groups::sum_images;

/// `output = (input - mean) / sqrt(variance + epsilon) * gamma + beta`, pixel by pixel.
pub(crate) struct LayerNorm {
    pub channels: usize,
    pub epsilon: f32,
}

impl Layer for LayerNorm {
    fn forward(&self, pass: Forward) {
        let [gamma, beta] = &*pass.parameters else { return };
        let pixels = pass.output.par_chunks_exact_mut(self.channels);
        pixels.zip(pass.inputs[0].par_chunks_exact(self.channels)).for_each(|(output, input)| {
            let (mean, factor) = self.statistics(input);
            for (c, y) in output.iter_mut().enumerate() {
                *y = ((f64::from(input[c]) - mean) * factor) as f32 * gamma[c] + beta[c];
            }
        });
    }

    fn backward(&self, pass: Backward) {
        let (input, dy, gamma) = (pass.inputs[0], pass.output_gradient, &pass.parameters[0]);
        if let Some(to) = pass.parameter_gradients {
            let len = input.len() / pass.context.images;
            let sums = sum_images(pass.context.images, 2 * self.channels, |image, sums| {
                let image = image * len..(image + 1) * len;
                self.add_gradients(&input[image.clone()], &dy[image], sums);
            });
            let sums = sums.chunks_exact(self.channels);
            to.iter_mut().zip(sums).for_each(|(to, sums)| write_f32(sums, to));
        }
        let Some(input_gradient) = &mut pass.input_gradients[0] else { return };
        input_gradient
            .par_chunks_exact_mut(self.channels)
            .zip(input.par_chunks_exact(self.channels).zip(dy.par_chunks_exact(self.channels)))
            .for_each(|(dx, (x, dy))| self.input_gradient(x, dy, gamma, dx));
    }
}

impl LayerNorm {
    /// The mean of a pixel and what its distance from it is multiplied by.
    fn statistics(&self, pixel: &[f32]) -> (f64, f64) {
        let count = pixel.len() as f64;
        let mean = pixel.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let variance = pixel.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
        (mean, 1.0 / (variance + f64::from(self.epsilon)).sqrt())
    }

    /// Adds the gradients of gamma, then of beta.
    fn add_gradients(&self, input: &[f32], output_gradient: &[f32], sums: &mut [f64]) {
        let (gamma, beta) = sums.split_at_mut(self.channels);
        let gradients = output_gradient.chunks_exact(self.channels);
        for (x, dy) in input.chunks_exact(self.channels).zip(gradients) {
            let (mean, factor) = self.statistics(x);
            for (c, &dy) in dy.iter().enumerate() {
                gamma[c] += f64::from(dy) * (f64::from(x[c]) - mean) * factor;
                beta[c] += f64::from(dy);
            }
        }
    }

    /// For one pixel: mean and variance depend on each of its channels.
    fn input_gradient(&self, x: &[f32], dy: &[f32], gamma: &[f32], dx: &mut [f32]) {
        let (mean, factor) = self.statistics(x);
        let scaled = |c: usize| f64::from(dy[c]) * f64::from(gamma[c]);
        let normal = |c: usize| (f64::from(x[c]) - mean) * factor;
        let count = x.len() as f64;
        let of_mean = (0..x.len()).map(scaled).sum::<f64>() / count;
        let of_variance = (0..x.len()).map(|c| scaled(c) * normal(c)).sum::<f64>() / count;
        for (c, dx) in dx.iter_mut().enumerate() {
            *dx = (factor * (scaled(c) - of_mean - normal(c) * of_variance)) as f32;
        }
    }
}

fn write_f32(from: &[f64], to: &mut [f32]) {
    to.iter_mut().zip(from).for_each(|(to, &x)| *to = x as f32);
}
