//! The mean of each channel over all pixels.

use rayon::prelude::*;

use super::{Backward, Forward, Layer};

/// Every pixel has an equal share in the mean.
pub(crate) struct GlobalAveragePool2d {
    pub channels: usize,
}

impl Layer for GlobalAveragePool2d {
    fn forward(&self, pass: Forward) {
        let len = pass.inputs[0].len() / pass.context.images;
        let share = self.channels as f32 / len as f32;
        pass.output.par_chunks_exact_mut(self.channels).zip(pass.inputs[0].par_chunks_exact(len)).for_each(
            |(means, input)| {
                means.fill(0.0);
                for pixel in input.chunks_exact(self.channels) {
                    means.iter_mut().zip(pixel).for_each(|(mean, x)| *mean += x);
                }
                means.iter_mut().for_each(|mean| *mean *= share);
            },
        );
    }

    fn backward(&self, pass: Backward) {
        let Some(input_gradient) = &mut pass.input_gradients[0] else { return };
        let len = input_gradient.len() / pass.context.images;
        let share = self.channels as f32 / len as f32;
        let gradients = pass.output_gradient.par_chunks_exact(self.channels);
        input_gradient.par_chunks_exact_mut(len).zip(gradients).for_each(|(dx, dy)| {
            for pixel in dx.chunks_exact_mut(self.channels) {
                pixel.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = dy * share);
            }
        });
    }
}
