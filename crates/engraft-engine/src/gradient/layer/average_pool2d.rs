//! The mean in a sliding window; over the whole map where the window is as large.

use engraft_kernels::{AveragePool2d, Window};
use rayon::prelude::*;

use super::{Backward, Forward, Layer};

/// Every pixel of a window has an equal share in its mean.
pub(crate) struct AveragePool(pub Window);

impl Layer for AveragePool {
    fn forward(&self, pass: Forward) {
        let (isa, len) = (pass.context.isa, pass.output.len() / pass.context.images);
        let inputs = pass.inputs[0].par_chunks_exact(self.0.input_len());
        pass.output.par_chunks_exact_mut(len).zip(inputs).for_each(|(output, input)| {
            AveragePool2d { windows: self.0 }.forward(isa, input, output);
        });
    }

    fn backward(&self, pass: Backward) {
        let Some(input_gradient) = &mut pass.input_gradients[0] else { return };
        let (isa, len) = (pass.context.isa, pass.output.len() / pass.context.images);
        let gradients = pass.output_gradient.par_chunks_exact(len);
        input_gradient.par_chunks_exact_mut(self.0.input_len()).zip(gradients).for_each(|(dx, dy)| {
            AveragePool2d { windows: self.0 }.backward(isa, dy, dx);
        });
    }
}
