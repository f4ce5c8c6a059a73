//! Operations that only move values: what they do is undone by moving the gradients back.

use rayon::prelude::*;

use super::{Backward, Forward, Layer};

/// Zeros around a map, or a map without its border: an output pixel is the input pixel `offset` further, if there is one.
pub(crate) struct Frame {
    /// Rows and columns.
    pub input_size: [usize; 2],
    /// Rows and columns.
    pub output_size: [usize; 2],
    pub channels: usize,
    /// Rows and columns.
    pub offset: [isize; 2],
}

impl Layer for Frame {
    fn forward(&self, pass: Forward) {
        self.shift(pass.inputs[0], self.input_size, self.offset, pass.output, self.output_size);
    }

    fn backward(&self, pass: Backward) {
        let Some(input_gradient) = &mut pass.input_gradients[0] else { return };
        let back = self.offset.map(|offset| -offset);
        self.shift(pass.output_gradient, self.output_size, back, input_gradient, self.input_size);
    }
}

impl Frame {
    fn shift(
        &self,
        from: &[f32],
        from_size: [usize; 2],
        offset: [isize; 2],
        to: &mut [f32],
        size: [usize; 2],
    ) {
        let (image, from_image) =
            (size[0] * size[1] * self.channels, from_size[0] * from_size[1] * self.channels);
        to.par_chunks_exact_mut(image).zip(from.par_chunks_exact(from_image)).for_each(|(to, from)| {
            for (pixel, to) in to.chunks_exact_mut(self.channels).enumerate() {
                let row = (pixel / size[1]).checked_add_signed(offset[0]).filter(|&row| row < from_size[0]);
                let column = (pixel % size[1]).checked_add_signed(offset[1]).filter(|&x| x < from_size[1]);
                match (row, column) {
                    (Some(row), Some(column)) => {
                        let start = (row * from_size[1] + column) * self.channels;
                        to.copy_from_slice(&from[start..][..self.channels]);
                    }
                    _ => to.fill(0.0),
                }
            }
        });
    }
}

/// The channels of all inputs, one input after the other.
pub(crate) struct Concatenate {
    /// Channels of each input.
    pub channels: Vec<usize>,
}

impl Concatenate {
    /// The channels that come from each input.
    fn ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let mut first = 0;
        self.channels.iter().map(move |&channels| {
            first += channels;
            first - channels..first
        })
    }
}

impl Layer for Concatenate {
    fn forward(&self, pass: Forward) {
        let total = self.channels.iter().sum();
        for (range, input) in self.ranges().zip(pass.inputs) {
            let pixels = pass.output.par_chunks_exact_mut(total).zip(input.par_chunks_exact(range.len()));
            pixels.for_each(|(output, input)| output[range.clone()].copy_from_slice(input));
        }
    }

    fn backward(&self, pass: Backward) {
        let total = self.channels.iter().sum();
        for (range, gradient) in self.ranges().zip(&mut *pass.input_gradients) {
            let Some(gradient) = gradient else { continue };
            let pixels = gradient.par_chunks_exact_mut(range.len());
            pixels
                .zip(pass.output_gradient.par_chunks_exact(total))
                .for_each(|(dx, dy)| dx.copy_from_slice(&dy[range.clone()]));
        }
    }
}

/// The channels in the opposite order.
pub(crate) struct ReverseChannels {
    pub channels: usize,
}

impl ReverseChannels {
    fn run(&self, from: &[f32], to: &mut [f32]) {
        let pixels = to.par_chunks_exact_mut(self.channels).zip(from.par_chunks_exact(self.channels));
        pixels.for_each(|(to, from)| to.iter_mut().zip(from.iter().rev()).for_each(|(to, x)| *to = *x));
    }
}

impl Layer for ReverseChannels {
    fn forward(&self, pass: Forward) {
        self.run(pass.inputs[0], pass.output);
    }

    fn backward(&self, pass: Backward) {
        if let Some(input_gradient) = &mut pass.input_gradients[0] {
            self.run(pass.output_gradient, input_gradient);
        }
    }
}
