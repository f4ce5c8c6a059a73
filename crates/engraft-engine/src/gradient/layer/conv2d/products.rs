//! The three matrix products of a convolution, each over the windows of the input where they lie.
//!
//! The output is the windows times the kernel; the gradient of the kernel is the transposed windows times the gradient of
//! the output; the gradient of the input is a convolution of the gradient of the output, spread by the strides, with the
//! kernel turned by half a turn.

use std::ops::Range;

use engraft_kernels::{Clamp, Gemm, KernelGradient, MatrixView, PackedMatrix, RowLayout, Segments, Window};

use crate::gradient::buffers::sized;

/// A convolution of one image.
pub(super) struct Products {
    pub window: Window,
    /// Output channels.
    pub filters: usize,
    pub bias: bool,
}

/// An image with the zeros around it that windows cover.
#[derive(Clone, Copy)]
pub(super) struct Bordered<'a> {
    values: &'a [f32],
    /// Elements between rows.
    row_stride: usize,
}

impl<'a> Bordered<'a> {
    /// A row, from its first pixel to the end of the image.
    pub(super) fn row(self, row: usize) -> &'a [f32] {
        &self.values[row * self.row_stride..]
    }
}

impl Products {
    /// Elements of a window: the length of the sums.
    fn sum_len(&self) -> usize {
        self.window.taps() * self.window.channels
    }

    /// Elements of kernel and bias.
    pub(super) fn parameter_len(&self) -> usize {
        (self.sum_len() + usize::from(self.bias)) * self.filters
    }

    /// Packs kernel and bias for [`Products::convolve`].
    pub(super) fn pack(&self, parameters: &[Vec<f32>], packed: &mut PackedMatrix) {
        let kernel = MatrixView::row_major(&parameters[0], self.sum_len(), self.filters);
        packed.repack(kernel, None, self.bias.then(|| &parameters[1][..]));
    }

    /// The image itself where no window reaches beyond it.
    pub(super) fn bordered<'a>(&self, image: &'a [f32], buffer: &'a mut Vec<f32>) -> Bordered<'a> {
        let Window { size, channels, before, .. } = self.window;
        let covered = self.window.covered();
        if before == [0; 2] && covered[0] <= size[0] && covered[1] <= size[1] {
            return Bordered { values: image, row_stride: size[1] * channels };
        }
        let row_stride = covered[1] * channels;
        let buffer = sized(buffer, covered[0] * row_stride);
        buffer.fill(0.0);
        let len = size[1].min(covered[1] - before[1]) * channels;
        let rows = buffer.chunks_exact_mut(row_stride).skip(before[0]);
        for (to, from) in rows.zip(image.chunks_exact(size[1] * channels)) {
            to[before[1] * channels..][..len].copy_from_slice(&from[..len]);
        }
        Bordered { values: buffer, row_stride }
    }

    /// Some rows of the output.
    pub(super) fn convolve(
        &self,
        weights: &PackedMatrix,
        input: Bordered,
        rows: Range<usize>,
        clamp: Option<Clamp>,
        output: &mut [f32],
    ) {
        let Window { window, strides, channels, output_size, .. } = self.window;
        let run_stride = strides[0] * input.row_stride;
        Gemm {
            weights,
            input: &input.values[rows.start * run_stride..],
            input_layout: RowLayout { run_stride, row_stride: strides[1] * channels },
            segments: Segments { count: window[0], len: window[1] * channels, stride: input.row_stride },
            run_count: rows.len(),
            run_len: output_size[1],
            output_layout: RowLayout { run_stride: output_size[1] * self.filters, row_stride: self.filters },
            output_columns: self.filters,
            output_vector_stride: None,
            residual: None,
            clamp,
            activation: None,
        }
        .run(output);
    }

    /// Adds what some rows of the gradient of the output say about kernel and bias to `sums`.
    pub(super) fn add_parameter_gradients(
        &self,
        input: Bordered,
        rows: Range<usize>,
        gradient: &[f32],
        packed: &mut PackedMatrix,
        sums: &mut [f32],
    ) {
        let Window { window, strides, channels, output_size, .. } = self.window;
        let (kernel, bias) = sums[..self.parameter_len()].split_at_mut(self.sum_len() * self.filters);
        let pixels = rows.len() * output_size[1];
        packed.repack(MatrixView::row_major(gradient, pixels, self.filters), None, None);
        KernelGradient {
            output_gradient: packed,
            output_size: [rows.len(), output_size[1]],
            input: &input.values[rows.start * strides[0] * input.row_stride..],
            input_strides: [strides[0] * input.row_stride, strides[1] * channels],
            window_rows: window[0],
            window_row_len: window[1] * channels,
            window_row_stride: input.row_stride,
            accumulate: true,
        }
        .run(kernel);
        if self.bias {
            for pixel in gradient.chunks_exact(self.filters) {
                bias.iter_mut().zip(pixel).for_each(|(sum, x)| *sum += x);
            }
        }
    }

    /// Packs the kernel turned by half a turn, inputs and outputs exchanged.
    pub(super) fn pack_turned(&self, kernel: &[f32], turned: &mut Vec<f32>, packed: &mut PackedMatrix) {
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

    /// A spread gradient of zeros.
    pub(super) fn clear_spread(&self, spread: &mut Vec<f32>) {
        let [rows, columns] = self.spread_size();
        sized(spread, rows * columns * self.filters).fill(0.0);
    }

    /// Spreads some rows of the gradient of the output by the strides.
    pub(super) fn spread(&self, gradient: &[f32], rows: Range<usize>, spread: &mut [f32]) {
        let Window { window, strides, before, output_size, .. } = self.window;
        let (filters, row_stride) = (self.filters, self.spread_size()[1] * self.filters);
        let [top, left] = [0, 1].map(|axis| window[axis] - 1 - before[axis]);
        for (y, row) in rows.zip(gradient.chunks_exact(output_size[1] * filters)) {
            let to = &mut spread[(top + y * strides[0]) * row_stride + left * filters..];
            if strides[1] == 1 {
                to[..row.len()].copy_from_slice(row);
                continue;
            }
            for (to, pixel) in to.chunks_mut(strides[1] * filters).zip(row.chunks_exact(filters)) {
                to[..filters].copy_from_slice(pixel);
            }
        }
    }

    /// The gradient of the input.
    pub(super) fn convolve_turned(&self, turned: &PackedMatrix, spread: &[f32], input_gradient: &mut [f32]) {
        let Window { window, size: [height, width], channels, .. } = self.window;
        let row_stride = self.spread_size()[1] * self.filters;
        Gemm {
            weights: turned,
            input: spread,
            input_layout: RowLayout { run_stride: row_stride, row_stride: self.filters },
            segments: Segments { count: window[0], len: window[1] * self.filters, stride: row_stride },
            run_count: height,
            run_len: width,
            output_layout: RowLayout { run_stride: width * channels, row_stride: channels },
            output_columns: channels,
            output_vector_stride: None,
            residual: None,
            clamp: None,
            activation: None,
        }
        .run(input_gradient);
    }
}
