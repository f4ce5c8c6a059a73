//! The maximum in a sliding window.

use engraft_kernels::{MaxPool2d, Window};
use rayon::prelude::*;

use super::{Backward, Forward, Layer};
use crate::gradient::buffers::sized;

/// Passes each gradient to the element that was the maximum.
pub(crate) struct MaxPool(pub Window);

impl Layer for MaxPool {
    fn forward(&self, pass: Forward) {
        let (isa, len) = (pass.context.isa, pass.output.len() / pass.context.images);
        let places = sized(&mut pass.memory.places, pass.output.len());
        pass.output
            .par_chunks_exact_mut(len)
            .zip(places.par_chunks_exact_mut(len))
            .zip(pass.inputs[0].par_chunks_exact(self.0.input_len()))
            .for_each(|((output, places), input)| {
                MaxPool2d { windows: self.0 }.forward(isa, input, output, places);
            });
    }

    fn backward(&self, pass: Backward) {
        let Some(input_gradient) = &mut pass.input_gradients[0] else { return };
        let (isa, len) = (pass.context.isa, pass.output.len() / pass.context.images);
        input_gradient
            .par_chunks_exact_mut(self.0.input_len())
            .zip(pass.output_gradient.par_chunks_exact(len))
            .zip(pass.memory.places.par_chunks_exact(len))
            .for_each(|((dx, dy), places)| MaxPool2d { windows: self.0 }.backward(isa, places, dy, dx));
    }
}
