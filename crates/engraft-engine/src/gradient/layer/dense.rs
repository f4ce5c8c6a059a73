//! Dense layer over a vector.
//!
//! A batch has few rows and the kernel is large, often larger than any cache: every product goes through the kernel once, in
//! blocks of its rows that follow each other in memory, and threads share the rows.

use std::ops::Range;

use engraft_kernels::{Clamp, Gemm, KernelGradient, MatrixView, PackedMatrix, RowLayout, Segments};
use rayon::prelude::*;

use super::{Backward, Context, Forward, Group, Layer, Learn, Memory};
use crate::gradient::buffers::sized;
use crate::gradient::groups::{groups, sum_parts};
use crate::gradient::learning::{Part, Update};

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
            let len = self.block_rows() * self.units;
            let blocks = gradients[0].par_chunks_mut(len).enumerate();
            blocks.for_each(|(block, to)| self.kernel_gradient(rows, inputs[0], block, to));
            if self.bias {
                self.bias_gradient(gradient, &mut gradients[1]);
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

    fn learns_in_blocks(&self) -> bool {
        true
    }

    fn learn(&self, pass: Learn) {
        let Learn { context, inputs, rule, parameters, memory } = pass;
        let Memory { packed, values, groups, .. } = memory;
        let gradient = &values[..context.images * self.units];
        let [rows, ..] = Memory::packed(packed, context.isa, 1) else { return };
        rows.repack(MatrixView::row_major(gradient, context.images, self.units), None, None);
        let mut parameters = parameters.into_iter();
        if let Some(kernel) = parameters.next().flatten() {
            self.learn_kernel(kernel, rows, inputs[0], rule, context, groups);
        }
        if let Some(bias) = parameters.next().flatten() {
            let mut sums = vec![0.0; self.units];
            self.bias_gradient(gradient, &mut sums);
            bias.follow(rule, context.isa, &sums);
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

    /// Updates the kernel block by block: each is read and written once, and its gradient stays in the second-level cache.
    fn learn_kernel(
        &self,
        kernel: Part,
        gradient: &PackedMatrix,
        input: &[f32],
        rule: &dyn Update,
        context: Context,
        memories: &mut Vec<Group>,
    ) {
        let block_rows = self.block_rows();
        let ranges: Vec<Range<usize>> = groups(self.features.div_ceil(block_rows)).collect();
        let rows_before = |block: usize| self.features.min(block * block_rows);
        let rows_of = |blocks: &Range<usize>| rows_before(blocks.end) - rows_before(blocks.start);
        let parts = kernel.split_all(ranges.iter().map(|blocks| rows_of(blocks) * self.units));
        let memories = Memory::groups(memories, context.isa, ranges.len());
        memories.par_iter_mut().zip(parts.into_par_iter().zip(ranges)).for_each(|(group, (part, blocks))| {
            let lens = blocks.clone().map(|block| rows_of(&(block..block + 1)) * self.units);
            for ((part, len), block) in part.split_all(lens.clone()).into_iter().zip(lens).zip(blocks) {
                let block_gradient = sized(&mut group.band, len);
                self.kernel_gradient(gradient, input, block, block_gradient);
                part.follow(rule, context.isa, block_gradient);
            }
        });
    }

    /// The rows of one block of `transpose(input) x gradient`, `[features, units]`.
    fn kernel_gradient(&self, gradient: &PackedMatrix, input: &[f32], block: usize, to: &mut [f32]) {
        KernelGradient {
            output_gradient: gradient,
            output_size: [1, gradient.rows()],
            input: &input[block * self.block_rows()..],
            input_strides: [0, self.features],
            window_rows: 1,
            window_row_len: to.len() / self.units,
            window_row_stride: 0,
            accumulate: false,
        }
        .run(to);
    }

    /// The sum over all images.
    fn bias_gradient(&self, gradient: &[f32], sums: &mut [f32]) {
        sums.fill(0.0);
        for row in gradient.chunks_exact(self.units) {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
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
        output_vector_stride: None,
        residual: None,
        clamp: None,
        activation: None,
    }
    .run(output);
}
