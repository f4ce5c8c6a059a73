//! Convolution; also a dense layer over every pixel of a map.
//!
//! All three products are matrix products over the windows: the output is the windows times the kernel, the gradient of the
//! kernel is the transposed windows times the gradient of the output, and the gradient of the input is a convolution of
//! the gradient of the output, spread by the strides, with the kernel turned by half a turn.

use engraft_kernels::{
    Clamp, Gemm, InstructionSet, KernelGradient, MatrixView, PackedMatrix, RowLayout, Segments, Window,
};
use rayon::prelude::*;

use super::{Backward, Forward, Group, Layer, Memory};
use crate::gradient::buffers::sized;
use crate::gradient::groups::{groups, split, split_mut, sum_parts};

/// A convolution with `filters` output channels.
pub(crate) struct Conv2d {
    pub window: Window,
    pub filters: usize,
    pub bias: bool,
    /// Limits the output.
    pub clamp: Option<Clamp>,
}

impl Layer for Conv2d {
    fn forward(&self, pass: Forward) {
        let Forward { context, inputs, parameters, output, memory } = pass;
        let Memory { packed, groups: group_memories, .. } = memory;
        let weights = &mut Memory::packed(packed, context.isa, 1)[0];
        let kernel = MatrixView::row_major(&parameters[0], self.sum_len(), self.filters);
        weights.repack(kernel, None, self.bias.then(|| &parameters[1][..]));
        let weights = &*weights;
        let parts = split_mut(output, context.images).into_par_iter().zip(split(inputs[0], context.images));
        let group_memories = Memory::groups(group_memories, context.isa, groups(context.images).count());
        parts.zip(group_memories).for_each(|((output, input), group)| {
            let images = input.chunks_exact(self.window.input_len());
            for (image, output) in images.zip(output.chunks_exact_mut(self.output_len())) {
                self.convolve(weights, image, &mut group.bordered, output);
            }
        });
    }

    fn backward(&self, pass: Backward) {
        let Backward { context, inputs, parameters, output, output_gradient, .. } = pass;
        let Memory { packed, groups: group_memories, values, .. } = pass.memory;
        let input_gradient = pass.input_gradients[0].as_deref_mut();
        let turned = &mut Memory::packed(packed, context.isa, 2)[1];
        if input_gradient.is_some() {
            self.pack_turned(&parameters[0], values, turned);
        }
        let turned = &*turned;
        let count = groups(context.images).count();
        let group_memories = Memory::groups(group_memories, context.isa, count);
        let learns = pass.parameter_gradients.is_some();
        let input_gradients = input_gradient.map(|gradient| split_mut(gradient, context.images));
        let input_gradients = match input_gradients {
            Some(parts) => parts.into_iter().map(Some).collect(),
            None => std::iter::repeat_with(|| None).take(count).collect::<Vec<_>>(),
        };
        input_gradients
            .into_par_iter()
            .zip(split(inputs[0], context.images))
            .zip(split(output, context.images))
            .zip(split(output_gradient, context.images))
            .zip(&mut *group_memories)
            .for_each(|((((mut dx, input), output), dy), group)| {
                if learns {
                    sized(&mut group.sums, self.parameter_len()).fill(0.0);
                }
                for image in 0..input.len() / self.window.input_len() {
                    let part = |len: usize| image * len..(image + 1) * len;
                    let (inputs, outputs) = (part(self.window.input_len()), part(self.output_len()));
                    self.mask(context.isa, &output[outputs.clone()], &dy[outputs], &mut group.gradient);
                    if learns {
                        self.add_parameter_gradients(&input[inputs.clone()], group);
                    }
                    if let Some(dx) = &mut dx {
                        self.spread(&group.gradient, &mut group.spread);
                        self.convolve_turned(turned, &group.spread, &mut dx[inputs]);
                    }
                }
            });
        if let Some(gradients) = pass.parameter_gradients {
            self.sum_groups(group_memories, gradients);
        }
    }
}

impl Conv2d {
    /// Elements of a window: the length of the sums.
    fn sum_len(&self) -> usize {
        self.window.taps() * self.window.channels
    }

    fn output_len(&self) -> usize {
        self.window.output_pixels() * self.filters
    }

    /// Elements of kernel and bias.
    fn parameter_len(&self) -> usize {
        (self.sum_len() + usize::from(self.bias)) * self.filters
    }

    /// The output for one image.
    fn convolve(&self, weights: &PackedMatrix, image: &[f32], bordered: &mut Vec<f32>, output: &mut [f32]) {
        let (input, [row_stride, pixel_stride]) = self.bordered(image, bordered);
        let [strides_y, strides_x] = self.window.strides;
        let [run_count, run_len] = self.window.output_size;
        Gemm {
            weights,
            input,
            input_layout: RowLayout {
                run_stride: strides_y * row_stride,
                row_stride: strides_x * pixel_stride,
            },
            segments: Segments {
                count: self.window.window[0],
                len: self.window.window[1] * pixel_stride,
                stride: row_stride,
            },
            run_count,
            run_len,
            output_layout: RowLayout { run_stride: run_len * self.filters, row_stride: self.filters },
            output_columns: self.filters,
            residual: None,
            clamp: self.clamp,
            activation: None,
        }
        .run(output);
    }

    /// The image with the zeros that windows cover around it, and the elements between its rows and between its pixels.
    fn bordered<'a>(&self, image: &'a [f32], buffer: &'a mut Vec<f32>) -> (&'a [f32], [usize; 2]) {
        let Window { size, channels, before, .. } = self.window;
        let covered = self.window.covered();
        if before == [0; 2] && covered[0] <= size[0] && covered[1] <= size[1] {
            return (image, [size[1] * channels, channels]);
        }
        let row_stride = covered[1] * channels;
        let buffer = sized(buffer, covered[0] * row_stride);
        buffer.fill(0.0);
        let len = size[1].min(covered[1] - before[1]) * channels;
        let rows = buffer.chunks_exact_mut(row_stride).skip(before[0]);
        for (to, from) in rows.zip(image.chunks_exact(size[1] * channels)) {
            to[before[1] * channels..][..len].copy_from_slice(&from[..len]);
        }
        (buffer, [row_stride, channels])
    }

    /// The gradient of the output before it was limited.
    fn mask(&self, isa: InstructionSet, output: &[f32], gradient: &[f32], masked: &mut Vec<f32>) {
        let masked = sized(masked, gradient.len());
        match self.clamp {
            Some(clamp) => clamp.gradient(isa, output, gradient, masked),
            None => masked.copy_from_slice(gradient),
        }
    }

    /// Adds what one image says about kernel and bias to the sums of its group.
    fn add_parameter_gradients(&self, image: &[f32], group: &mut Group) {
        let Group { packed, bordered, gradient, sums, .. } = group;
        let (kernel, bias) = sums[..self.parameter_len()].split_at_mut(self.sum_len() * self.filters);
        packed.repack(MatrixView::row_major(gradient, self.window.output_pixels(), self.filters), None, None);
        let (input, [row_stride, pixel_stride]) = self.bordered(image, bordered);
        let [stride_y, stride_x] = self.window.strides;
        KernelGradient {
            output_gradient: packed,
            output_size: self.window.output_size,
            input,
            input_strides: [stride_y * row_stride, stride_x * pixel_stride],
            window_rows: self.window.window[0],
            window_row_len: self.window.window[1] * pixel_stride,
            window_row_stride: row_stride,
        }
        .run(kernel);
        if self.bias {
            for pixel in gradient.chunks_exact(self.filters) {
                bias.iter_mut().zip(pixel).for_each(|(sum, x)| *sum += x);
            }
        }
    }

    /// Adds the sums of all groups.
    fn sum_groups(&self, groups: &[Group], gradients: &mut [Vec<f32>]) {
        let kernel_len = self.sum_len() * self.filters;
        let kernels: Vec<&[f32]> = groups.iter().map(|group| &group.sums[..kernel_len]).collect();
        sum_parts(&kernels, &mut gradients[0]);
        if self.bias {
            let biases: Vec<&[f32]> = groups.iter().map(|group| &group.sums[kernel_len..]).collect();
            sum_parts(&biases, &mut gradients[1]);
        }
    }

    /// Packs the kernel turned by half a turn, inputs and outputs exchanged.
    fn pack_turned(&self, kernel: &[f32], turned: &mut Vec<f32>, packed: &mut PackedMatrix) {
        let (channels, taps) = (self.window.channels, self.window.taps());
        let turned = sized(turned, kernel.len());
        let tap_len = channels * self.filters;
        for (tap, to) in turned.chunks_exact_mut(tap_len).enumerate() {
            let from = &kernel[(taps - 1 - tap) * tap_len..][..tap_len];
            for (filter, to) in to.chunks_exact_mut(channels).enumerate() {
                let column = from[filter..].iter().step_by(self.filters);
                to.iter_mut().zip(column).for_each(|(to, x)| *to = *x);
            }
        }
        packed.repack(MatrixView::row_major(turned, taps * self.filters, channels), None, None);
    }

    /// Rows and columns of the spread gradient of the output: each window of it belongs to an element of the input.
    fn spread_size(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.window.size[axis] + self.window.window[axis] - 1)
    }

    /// Spreads the gradient of the output by the strides, with zeros between and around.
    fn spread(&self, gradient: &[f32], spread: &mut Vec<f32>) {
        let Window { window, strides, before, output_size, .. } = self.window;
        let [rows, columns] = self.spread_size();
        let filters = self.filters;
        let spread = sized(spread, rows * columns * filters);
        spread.fill(0.0);
        let [top, left] = [0, 1].map(|axis| window[axis] - 1 - before[axis]);
        for (y, row) in gradient.chunks_exact(output_size[1] * filters).enumerate() {
            let to = &mut spread[(top + y * strides[0]) * columns * filters + left * filters..];
            if strides[1] == 1 {
                to[..row.len()].copy_from_slice(row);
                continue;
            }
            let to = to.chunks_mut(strides[1] * filters);
            for (to, pixel) in to.zip(row.chunks_exact(filters)) {
                to[..filters].copy_from_slice(pixel);
            }
        }
    }

    /// The gradient of the input for one image.
    fn convolve_turned(&self, turned: &PackedMatrix, spread: &[f32], input_gradient: &mut [f32]) {
        let ([height, width], channels) = (self.window.size, self.window.channels);
        let row_stride = self.spread_size()[1] * self.filters;
        Gemm {
            weights: turned,
            input: spread,
            input_layout: RowLayout { run_stride: row_stride, row_stride: self.filters },
            segments: Segments {
                count: self.window.window[0],
                len: self.window.window[1] * self.filters,
                stride: row_stride,
            },
            run_count: height,
            run_len: width,
            output_layout: RowLayout { run_stride: width * channels, row_stride: channels },
            output_columns: channels,
            residual: None,
            clamp: None,
            activation: None,
        }
        .run(input_gradient);
    }
}
