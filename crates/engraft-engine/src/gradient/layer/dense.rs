//! Dense layer over a vector.
//!
//! A batch has few rows and the kernel is large, so every product goes through the kernel once, split over threads by its
//! columns (forward) or by its rows (both gradients).

use engraft_kernels::{Clamp, Gemm, KernelGradient, MatrixView, PackedMatrix, RowLayout, Segments};
use rayon::prelude::*;

use super::{Backward, Forward, Layer, Memory};
use crate::gradient::buffers::sized;

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

/// Columns of the kernel that a thread takes at a time: whole panels of any instruction set.
const BLOCK_COLUMNS: usize = 96;

/// Rows of the kernel that a thread takes at a time.
const BLOCK_ROWS: usize = 240;

impl Layer for Dense {
    fn forward(&self, pass: Forward) {
        let Forward { context, inputs, parameters, output, memory } = pass;
        let Memory { packed, values, .. } = memory;
        let packed = Memory::packed(packed, context.isa, self.units.div_ceil(BLOCK_COLUMNS));
        let blocks = sized(values, context.images * self.units);
        let parameters = &*parameters;
        packed
            .par_iter_mut()
            .zip(blocks.par_chunks_mut(context.images * BLOCK_COLUMNS))
            .enumerate()
            .for_each(|(block, (weights, output))| {
                self.multiply(block, weights, inputs[0], parameters, output)
            });
        for (block, from) in blocks.chunks(context.images * BLOCK_COLUMNS).enumerate() {
            let columns = from.len() / context.images;
            let rows = output.chunks_exact_mut(self.units).zip(from.chunks_exact(columns));
            rows.for_each(|(to, from)| to[block * BLOCK_COLUMNS..][..columns].copy_from_slice(from));
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
        let first_free = self.units.div_ceil(BLOCK_COLUMNS);
        let [rows, columns] = &mut Memory::packed(packed, isa, first_free + 2)[first_free..] else { return };
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

    /// The columns of one block for all images.
    fn multiply(
        &self,
        block: usize,
        weights: &mut PackedMatrix,
        input: &[f32],
        parameters: &[Vec<f32>],
        output: &mut [f32],
    ) {
        let first = block * BLOCK_COLUMNS;
        let columns = BLOCK_COLUMNS.min(self.units - first);
        let kernel = MatrixView {
            values: &parameters[0][first..],
            rows: self.features,
            columns,
            row_stride: self.units,
            column_stride: 1,
        };
        weights.repack(kernel, None, self.bias.then(|| &parameters[1][first..]));
        product(weights, input, output, self.clamp);
    }

    /// `transpose(input) x gradient`, `[features, units]`.
    fn kernel_gradient(&self, gradient: &PackedMatrix, input: &[f32], kernel_gradient: &mut [f32]) {
        kernel_gradient.par_chunks_mut(BLOCK_ROWS * self.units).enumerate().for_each(|(block, to)| {
            to.fill(0.0);
            KernelGradient {
                output_gradient: gradient,
                output_size: [1, gradient.rows()],
                input: &input[block * BLOCK_ROWS..],
                input_strides: [0, self.features],
                window_rows: 1,
                window_row_len: to.len() / self.units,
                window_row_stride: 0,
            }
            .run(to);
        });
    }

    /// `kernel x transpose(gradient)`, `[features, images]`: the kernel is read where it lies.
    fn input_gradient(&self, gradient: &PackedMatrix, kernel: &[f32], transposed: &mut [f32]) {
        transposed
            .par_chunks_mut(BLOCK_ROWS * gradient.columns())
            .zip(kernel.par_chunks(BLOCK_ROWS * self.units))
            .for_each(|(to, kernel)| product(gradient, kernel, to, None));
    }
}

/// `output = clamp(rows x weights)` for as many rows as there are.
fn product(weights: &PackedMatrix, rows: &[f32], output: &mut [f32], clamp: Option<Clamp>) {
    Gemm {
        weights,
        input: rows,
        input_layout: RowLayout { run_stride: 0, row_stride: weights.rows() },
        segments: Segments::one(weights.rows()),
        run_count: 1,
        run_len: output.len() / weights.columns(),
        output_layout: RowLayout { run_stride: 0, row_stride: weights.columns() },
        output_columns: weights.columns(),
        residual: None,
        clamp,
        activation: None,
    }
    .run(output);
}
