//! Batch normalisation: with the statistics of the batch, or with the stored ones where it is frozen.

use engraft_kernels::{BatchNormGradient, add_gradient_sums, add_moments};
use rayon::prelude::*;

use super::{Backward, Forward, Layer};
use crate::gradient::buffers::sized;
use crate::gradient::groups::sum_images;

/// `output = (input - mean) / sqrt(variance + epsilon) * gamma + beta`
pub(crate) struct BatchNorm {
    pub channels: usize,
    pub norm: engraft_graph::BatchNorm,
    /// Whether the stored statistics are used, and stay.
    pub frozen: bool,
}

impl Layer for BatchNorm {
    fn forward(&self, pass: Forward) {
        let Forward { context, inputs, parameters, output, memory } = pass;
        let len = output.len() / context.images;
        let (learnt, moving) = parameters.split_at_mut(self.learnt());
        let statistics = sized(&mut memory.values, 2 * self.channels);
        let (mean, factor) = statistics.split_at_mut(self.channels);
        if self.frozen {
            mean.copy_from_slice(&moving[0]);
            factor.copy_from_slice(&moving[1]);
        } else {
            self.moments(inputs[0], context.images, mean, factor);
            self.update(&mut moving[0], mean);
            self.update(&mut moving[1], factor);
        }
        for variance in &mut *factor {
            *variance = 1.0 / (*variance + self.norm.epsilon).sqrt();
        }
        let scale = self.scaled(factor, learnt);
        let zeros = vec![0.0; self.channels];
        let offset = if self.norm.center { &learnt[self.learnt() - 1] } else { &zeros };
        let norm = engraft_kernels::BatchNorm { mean, factor: &scale, offset };
        let images = output.par_chunks_exact_mut(len).zip(inputs[0].par_chunks_exact(len));
        images.for_each(|(output, input)| norm.forward(input, output));
    }

    fn backward(&self, pass: Backward) {
        let Backward { context, inputs, parameters, output_gradient, .. } = pass;
        let (input, len) = (inputs[0], output_gradient.len() / context.images);
        let (mean, factor) = pass.memory.values[..2 * self.channels].split_at(self.channels);
        let sums = sum_images(context.images, 2 * self.channels, |image, sums| {
            let image = image * len..(image + 1) * len;
            add_gradient_sums(&input[image.clone()], &output_gradient[image], mean, sums);
        });
        let (gradients, products) = sums.split_at(self.channels);
        if let Some(to) = pass.parameter_gradients {
            if self.norm.scale {
                let normal =
                    products.iter().zip(factor).map(|(sum, &factor)| (sum * f64::from(factor)) as f32);
                to[0].iter_mut().zip(normal).for_each(|(to, x)| *to = x);
            }
            if self.norm.center {
                to[self.learnt() - 1].iter_mut().zip(gradients).for_each(|(to, x)| *to = *x as f32);
            }
        }
        let Some(input_gradient) = &mut pass.input_gradients[0] else { return };
        let scale = self.scaled(factor, &parameters[..self.learnt()]);
        // The batch's own statistics depend on every input; stored ones on none.
        let share = if self.frozen { 0.0 } else { self.channels as f64 / input.len() as f64 };
        let channels = 0..self.channels;
        let offset: Vec<f32> =
            channels.clone().map(|c| (-f64::from(scale[c]) * gradients[c] * share) as f32).collect();
        let slope: Vec<f32> = channels
            .map(|c| (-f64::from(scale[c]) * f64::from(factor[c]).powi(2) * products[c] * share) as f32)
            .collect();
        let norm = BatchNormGradient { mean, factor: &scale, slope: &slope, offset: &offset };
        input_gradient
            .par_chunks_exact_mut(len)
            .zip(input.par_chunks_exact(len).zip(output_gradient.par_chunks_exact(len)))
            .for_each(|(dx, (x, dy))| norm.run(x, dy, dx));
    }
}

impl BatchNorm {
    /// Number of learnt arrays; they stand before the statistics.
    fn learnt(&self) -> usize {
        usize::from(self.norm.scale) + usize::from(self.norm.center)
    }

    /// `factor * gamma`
    fn scaled(&self, factor: &[f32], learnt: &[Vec<f32>]) -> Vec<f32> {
        if !self.norm.scale {
            return factor.to_vec();
        }
        factor.iter().zip(&learnt[0]).map(|(factor, gamma)| factor * gamma).collect()
    }

    /// Mean and variance of each channel over all pixels of all images.
    fn moments(&self, input: &[f32], images: usize, mean: &mut [f32], variance: &mut [f32]) {
        let len = input.len() / images;
        let share = self.channels as f64 / input.len() as f64;
        let moment = |centre: &[f32], power| {
            sum_images(images, self.channels, |image, sums| {
                add_moments(&input[image * len..(image + 1) * len], centre, power, sums);
            })
        };
        let sums = moment(&vec![0.0; self.channels], 1);
        mean.iter_mut().zip(sums).for_each(|(mean, sum)| *mean = (sum * share) as f32);
        let sums = moment(mean, 2);
        variance.iter_mut().zip(sums).for_each(|(variance, sum)| *variance = (sum * share) as f32);
    }
    /// Lets moving statistics follow those of the batch. Both shares are rounded from double precision, as in Keras.
    fn update(&self, moving: &mut [f32], current: &[f32]) {
        let (kept, added) = (self.norm.momentum as f32, (1.0 - self.norm.momentum) as f32);
        for (moving, current) in moving.iter_mut().zip(current) {
            *moving = *moving * kept + current * added;
        }
    }
}
