//! Scale and offset per channel.

use super::{Backward, Forward, Layer};
use rayon::prelude::*;

/// `output = input * scale + offset`, neither of them learnt.
pub(crate) struct Rescale {
    /// `[channels]`
    pub scale: Vec<f32>,
    /// `[channels]`
    pub offset: Vec<f32>,
}

impl Layer for Rescale {
    fn forward(&self, pass: Forward) {
        let len = pass.output.len() / pass.context.images;
        pass.output.par_chunks_exact_mut(len).zip(pass.inputs[0].par_chunks_exact(len)).for_each(
            |(output, input)| {
                let channels = self.scale.iter().zip(&self.offset).cycle();
                for ((y, x), (scale, offset)) in output.iter_mut().zip(input).zip(channels) {
                    *y = x * scale + offset;
                }
            },
        );
    }

    fn backward(&self, pass: Backward) {
        let Some(input_gradient) = &mut pass.input_gradients[0] else { return };
        let len = input_gradient.len() / pass.context.images;
        input_gradient.par_chunks_exact_mut(len).zip(pass.output_gradient.par_chunks_exact(len)).for_each(
            |(dx, dy)| {
                for ((dx, dy), scale) in dx.iter_mut().zip(dy).zip(self.scale.iter().cycle()) {
                    *dx = dy * scale;
                }
            },
        );
    }
}
