//! Dense layer over a vector.
//!
//! A batch has few rows and the kernel is large, often larger than any cache: every product goes through the kernel once, in
//! blocks of its rows that follow each other in memory, and threads share the rows.

use std::ops::Range;

use engraft_kernels::{Clamp, Gemm, KernelGradient, MatrixView, PackedMatrix, RowLayout, Segments};
use rayon::prelude::*;

use super::{Backward, Forward, Group, Layer, Memory};
use crate::gradient::buffers::sized;
use crate::gradient::groups::{groups, sum_parts};

/// `output = clamp(input x kernel + bias)`
pub(crate) struct Dense {
    /// Rows of the kernel.
    features: usize,
    /// Columns of the kernel.
    units: usize,
    bias: bool,
    /// Limits the output.
    clamp: Option<Clamp>,
}

/// Elements of the kernel that are packed and multiplied at a time: they stay in the second-level cache.
const BLOCK_ELEMENTS: usize = 64 << 10;

impl Layer for Dense {
    fn forward(&self, pass: Forward) {
        let Forward { context, inputs, parameters, output, memory } = pass;
        let (kernel, sums_len) = (&parameters[0], output.len());
        let blocks: Vec<Range<usize>> = groups(self.features.div_ceil(self.block_rows())).collect();
        let memories = Memory::groups(&mut memory.groups, context.isa, blocks.len());
        memories.par_iter_mut().zip(blocks).for_each(|(group, blocks)| {
            let rows = blocks.start * self.block_rows()..self.features.min(blocks.end * self.block_rows());
            self.add_products(rows, inputs[0], kernel, group, sums_len);
        });
        let sums: Vec<&[f32]> = memories.iter().map(|group| &group.sums[..sums_len]).collect();
        sum_parts(&sums, output);
        if self.bias {
            for row in output.chunks_exact_mut(self.units) {
                row.iter_mut().zip(&parameters[1]).for_each(|(sum, bias)| *sum += bias);
            }
        }
        if let Some(clamp) = self.clamp {
            clamp.run(context.isa, output);
        }
    }

    fn backward(&self, pass: Backward) {
        let Backward { context, inputs, parameters, output, output_gradient, .. } = pass;
        let Memory { packed, values, .. } = pass.memory;
        let (images, isa) = (context.images, context.isa);
        let (gradient, transposed) =
            sized(values, images * (self.units + self.features)).split_at_mut(images * self.units);
        match self.clamp {
            Some(clamp) => clamp.gradient(isa, output, output_gradient, gradient),
            None => gradient.copy_from_slice(output_gradient),
        }
        let [rows, columns] = Memory::packed(packed, isa, 2) else { return };
        let matrix = MatrixView::row_major(gradient, images, self.units);
        if let Some(gradients) = pass.parameter_gradients {
            rows.repack(matrix, None, None);
            self.kernel_gradient(rows, inputs[0], &mut gradients[0]);
            if self.bias {
                gradients[1].fill(0.0);
                for row in gradient.chunks_exact(self.units) {
                    gradients[1].iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
                }
            }
        }
        if let Some(input_gradient) = &mut pass.input_gradients[0] {
            columns.repack(matrix.transposed(), None, None);
            self.input_gradient(columns, &parameters[0], transposed);
            for (image, to) in input_gradient.chunks_exact_mut(self.features).enumerate() {
                let column = transposed[image..].iter().step_by(images);
                to.iter_mut().zip(column).for_each(|(to, x)| *to = *x);
            }
        }
    }

    fn fuse_clamp(&mut self, clamp: Clamp) -> bool {
        self.clamp.replace(clamp).is_none()
    }
}

impl Dense {
    /// Without limits.
    pub(crate) fn new(features: usize, units: usize, bias: bool) -> Dense {
        Dense { features, units, bias, clamp: None }
    }

    /// Rows of the kernel in a block.
    fn block_rows(&self) -> usize {
        (BLOCK_ELEMENTS / self.units).clamp(1, self.features)
    }

    /// Sums what some rows of the kernel add to the output of all images into `group.sums`.
    fn add_products(
        &self,
        rows: Range<usize>,
        input: &[f32],
        kernel: &[f32],
        group: &mut Group,
        sums_len: usize,
    ) {
        let Group { packed, band: products, sums, .. } = group;
        let sums = sized(sums, sums_len);
        sums.fill(0.0);
        for first in rows.clone().step_by(self.block_rows()) {
            let count = self.block_rows().min(rows.end - first);
            let block = &kernel[first * self.units..][..count * self.units];
            packed.repack(MatrixView::row_major(block, count, self.units), None, None);
            let products = sized(products, sums_len);
            product(packed, &input[first..], self.features, products);
            sums.iter_mut().zip(products).for_each(|(sum, x)| *sum += *x);
        }
    }

    /// `transpose(input) x gradient`, `[features, units]`.
    fn kernel_gradient(&self, gradient: &PackedMatrix, input: &[f32], kernel_gradient: &mut [f32]) {
        let rows = self.block_rows();
        kernel_gradient.par_chunks_mut(rows * self.units).enumerate().for_each(|(block, to)| {
            KernelGradient {
                output_gradient: gradient,
                output_size: [1, gradient.rows()],
                input: &input[block * rows..],
                input_strides: [0, self.features],
                window_rows: 1,
                window_row_len: to.len() / self.units,
                window_row_stride: 0,
                accumulate: false,
            }
            .run(to);
        });
    }

    /// `kernel x transpose(gradient)`, `[features, images]`: the kernel is read where it lies.
    fn input_gradient(&self, gradient: &PackedMatrix, kernel: &[f32], transposed: &mut [f32]) {
        let rows = self.block_rows();
        transposed
            .par_chunks_mut(rows * gradient.columns())
            .zip(kernel.par_chunks(rows * self.units))
            .for_each(|(to, kernel)| product(gradient, kernel, self.units, to));
    }
}

/// `output = rows x weights` for as many rows as there are, `row_stride` apart.
fn product(weights: &PackedMatrix, rows: &[f32], row_stride: usize, output: &mut [f32]) {
    Gemm {
        weights,
        input: rows,
        input_layout: RowLayout { run_stride: 0, row_stride },
        segments: Segments::one(weights.rows()),
        run_count: 1,
        run_len: output.len() / weights.columns(),
        output_layout: RowLayout { run_stride: 0, row_stride: weights.columns() },
        output_columns: weights.columns(),
        residual: None,
        clamp: None,
        activation: None,
    }
    .run(output);
}
