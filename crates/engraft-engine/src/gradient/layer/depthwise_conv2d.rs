//! Convolution of each channel with its own filter.

use engraft_kernels::{DepthwiseGradient, Window};
use rayon::prelude::*;

use super::{Backward, Forward, Group, Layer, Memory};
use crate::gradient::buffers::sized;
use crate::gradient::groups::{groups, split, sum_parts};

/// A depthwise convolution.
pub(crate) struct DepthwiseConv2d {
    pub window: Window,
    pub bias: bool,
}

impl Layer for DepthwiseConv2d {
    fn forward(&self, pass: Forward) {
        let (isa, len) = (pass.context.isa, pass.output.len() / pass.context.images);
        let layer = DepthwiseGradient { windows: self.window, filters: &pass.parameters[0] };
        let bias = self.bias.then(|| &pass.parameters[1][..]);
        let inputs = pass.inputs[0].par_chunks_exact(self.window.input_len());
        pass.output.par_chunks_exact_mut(len).zip(inputs).for_each(|(output, input)| {
            layer.forward(isa, input, bias, output);
        });
    }

    fn backward(&self, pass: Backward) {
        let (isa, images) = (pass.context.isa, pass.context.images);
        let len = pass.output.len() / images;
        let layer = DepthwiseGradient { windows: self.window, filters: &pass.parameters[0] };
        if let Some(input_gradient) = &mut pass.input_gradients[0] {
            let gradients = pass.output_gradient.par_chunks_exact(len);
            input_gradient.par_chunks_exact_mut(self.window.input_len()).zip(gradients).for_each(
                |(dx, dy)| {
                    layer.input_gradient(isa, dy, dx);
                },
            );
        }
        let Some(gradients) = pass.parameter_gradients else { return };
        let memories = Memory::groups(&mut pass.memory.groups, isa, groups(images).count());
        let parts = split(pass.inputs[0], images).into_par_iter().zip(split(pass.output_gradient, images));
        parts.zip(&mut *memories).for_each(|((input, dy), group)| {
            let sums = sized(&mut group.sums, self.parameter_len());
            sums.fill(0.0);
            let (filters, bias) = sums.split_at_mut(layer.filters.len());
            for (input, dy) in input.chunks_exact(self.window.input_len()).zip(dy.chunks_exact(len)) {
                layer.add_filter_gradient(isa, input, dy, filters);
                for pixel in dy.chunks_exact(self.window.channels) {
                    bias.iter_mut().zip(pixel).for_each(|(sum, x)| *sum += x);
                }
            }
        });
        let mut first = 0;
        for gradient in gradients {
            sum_parts(&parts_of(memories, first), gradient);
            first += gradient.len();
        }
    }
}

impl DepthwiseConv2d {
    /// Elements of filters and bias.
    fn parameter_len(&self) -> usize {
        (self.window.taps() + usize::from(self.bias)) * self.window.channels
    }
}

/// What each group has summed from element `first` on.
fn parts_of(groups: &[Group], first: usize) -> Vec<&[f32]> {
    groups.iter().map(|group| &group.sums[first..]).collect()
}
