//! The maximum in a sliding window.

use rayon::prelude::*;

use super::{Backward, Forward, Layer};
use crate::gradient::buffers::sized;
use crate::gradient::window::Window;

/// Passes each gradient to the element that was the maximum.
pub(crate) struct MaxPool2d {
    kernel: engraft_kernels::MaxPool2d,
    input_len: usize,
    output_len: usize,
}

impl MaxPool2d {
    pub(crate) fn new(window: Window) -> MaxPool2d {
        let Window { size, channels, window: pixels, strides, before, output_size } = window;
        MaxPool2d {
            kernel: engraft_kernels::MaxPool2d {
                size,
                channels,
                window: pixels,
                strides,
                before,
                output_size,
            },
            input_len: size[0] * size[1] * channels,
            output_len: window.pixels() * channels,
        }
    }
}

impl Layer for MaxPool2d {
    fn forward(&self, pass: Forward) {
        let places = sized(&mut pass.memory.places, pass.output.len());
        pass.output
            .par_chunks_exact_mut(self.output_len)
            .zip(places.par_chunks_exact_mut(self.output_len))
            .zip(pass.inputs[0].par_chunks_exact(self.input_len))
            .for_each(|((output, places), input)| {
                self.kernel.forward(pass.context.isa, input, output, places);
            });
    }

    fn backward(&self, pass: Backward) {
        let Some(input_gradient) = &mut pass.input_gradients[0] else { return };
        input_gradient
            .par_chunks_exact_mut(self.input_len)
            .zip(pass.output_gradient.par_chunks_exact(self.output_len))
            .zip(pass.memory.places.par_chunks_exact(self.output_len))
            .for_each(|((dx, dy), places)| self.kernel.backward(pass.context.isa, places, dy, dx));
    }
}
