//! Matrix products: the only place of this crate where the bulk of the arithmetic happens.
//!
//! Everything else calls [`multiply`] and [`gram`], so that another kernel can take over here without being seen
//! elsewhere. Each output element is summed in one order, whatever the number of threads.

use std::{borrow::Cow, sync::LazyLock};

use engraft_kernels::{Gemm, InstructionSet, MatrixView, PackedMatrix, RowLayout, Segments};
use rayon::prelude::*;

/// A borrowed matrix of any layout; element `(r, c)` is `values[r * row_stride + c * column_stride]`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    pub rows: usize,
    pub columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix that fills `values`.
    pub fn new(values: &'a [f32], columns: usize) -> Matrix<'a> {
        debug_assert_eq!(values.len() % columns, 0);
        Matrix { values, rows: values.len() / columns, columns, row_stride: columns, column_stride: 1 }
    }

    pub fn transposed(self) -> Matrix<'a> {
        Matrix {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// The rectangle whose first element is `(row, column)`.
    pub fn block(self, row: usize, column: usize, rows: usize, columns: usize) -> Matrix<'a> {
        debug_assert!(row + rows <= self.rows && column + columns <= self.columns);
        let start = (row * self.row_stride + column * self.column_stride).min(self.values.len());
        Matrix { values: &self.values[start..], rows, columns, ..self }
    }

    pub fn at(&self, row: usize, column: usize) -> f32 {
        self.values[row * self.row_stride + column * self.column_stride]
    }
}

/// The product of `a` `[m, k]` and `b` `[k, n]`, row-major `[m, n]`.
pub(crate) fn multiply(a: Matrix<'_>, b: Matrix<'_>) -> Vec<f32> {
    debug_assert_eq!(a.columns, b.rows);
    let mut product = vec![0.0; a.rows * b.columns];
    if product.is_empty() || a.columns == 0 {
        return product;
    }
    let packed = PackedMatrix::pack(*INSTRUCTION_SET, b.view(), None, None);
    let band = |(index, out): (usize, &mut [f32])| {
        let rows = out.len() / b.columns;
        multiply_band(a.block(index * BAND_ROWS, 0, rows, a.columns), &packed, out);
    };
    // Handing a small product to other threads costs more than computing it.
    if a.rows * a.columns * b.columns < SMALL_PRODUCT {
        product.chunks_mut(BAND_ROWS * b.columns).enumerate().for_each(band);
    } else {
        product.par_chunks_mut(BAND_ROWS * b.columns).enumerate().for_each(band);
    }
    product
}

/// The symmetric product of `a` `[m, k]` with its own transpose, row-major `[m, m]`.
pub(crate) fn gram(a: Matrix<'_>) -> Vec<f32> {
    let mut product = vec![0.0; a.rows * a.rows];
    for first in (0..a.rows).step_by(GRAM_ROWS) {
        let last = (first + GRAM_ROWS).min(a.rows);
        let left = a.block(first, 0, last - first, a.columns);
        let part = multiply(left, a.block(0, 0, last, a.columns).transposed());
        for (row, values) in (first..last).zip(part.chunks_exact(last)) {
            product[row * a.rows..row * a.rows + last].copy_from_slice(values);
        }
    }
    mirror_lower(&mut product, a.rows);
    product
}

/// Copies the lower triangle of a square matrix onto the upper one.
fn mirror_lower(square: &mut [f32], side: usize) {
    for row in 0..side {
        for column in row + 1..side {
            square[row * side + column] = square[column * side + row];
        }
    }
}

/// The one that `ENGRAFT_ISA` names, or the best; a name that does not exist is an error of the plan, not of a product.
static INSTRUCTION_SET: LazyLock<InstructionSet> =
    LazyLock::new(|| InstructionSet::from_env().unwrap_or_else(|_| InstructionSet::best()));

/// Rows of the product computed by one task.
const BAND_ROWS: usize = 96;
/// Side of the tiles in which a matrix is copied to another layout; a tile's source and target lie in the fastest cache.
const TILE: usize = 16;
/// Rows of a Gram matrix computed at once; the part right of the diagonal block is skipped.
const GRAM_ROWS: usize = 256;
/// Multiplications below which a product stays on one thread.
const SMALL_PRODUCT: usize = 1 << 23;

impl<'a> Matrix<'a> {
    fn view(self) -> MatrixView<'a> {
        let Matrix { values, rows, columns, row_stride, column_stride } = self;
        MatrixView { values, rows, columns, row_stride, column_stride }
    }

    /// The values with each row in one piece, and the distance of the rows; copied where they do not lie so.
    fn whole_rows(self) -> (Cow<'a, [f32]>, usize) {
        if self.column_stride == 1 {
            return (Cow::Borrowed(self.values), self.row_stride);
        }
        (Cow::Owned(self.to_rows()), self.columns)
    }

    /// A row-major copy, made tile by tile: a product whose left side is used often should be given one.
    pub fn to_rows(self) -> Vec<f32> {
        let mut copy = vec![0.0; self.rows * self.columns];
        for first_row in (0..self.rows).step_by(TILE) {
            for first_column in (0..self.columns).step_by(TILE) {
                for row in first_row..self.rows.min(first_row + TILE) {
                    for column in first_column..self.columns.min(first_column + TILE) {
                        copy[row * self.columns + column] = self.at(row, column);
                    }
                }
            }
        }
        copy
    }
}

/// Products of some rows with all of the packed matrix.
fn multiply_band(rows: Matrix<'_>, packed: &PackedMatrix, out: &mut [f32]) {
    let (input, row_stride) = rows.whole_rows();
    Gemm {
        weights: packed,
        input: &input,
        input_layout: RowLayout { run_stride: 0, row_stride },
        segments: Segments::one(rows.columns),
        run_count: 1,
        run_len: rows.rows,
        output_layout: RowLayout { run_stride: 0, row_stride: packed.columns() },
        output_columns: packed.columns(),
        output_vector_stride: None,
        residual: None,
        clamp: None,
        activation: None,
    }
    .run(out);
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Tolerance, assert_close, noise};

    use super::*;

    fn naive(a: Matrix<'_>, b: Matrix<'_>) -> Vec<f32> {
        let element =
            |r, c| (0..a.columns).map(|k| f64::from(a.at(r, k)) * f64::from(b.at(k, c))).sum::<f64>();
        (0..a.rows).flat_map(|r| (0..b.columns).map(move |c| element(r, c) as f32)).collect()
    }

    #[test]
    fn products_equal_the_naive_loop_at_awkward_sizes() {
        for (m, k, n) in [(1, 1, 1), (4, 8, 8), (5, 3, 9), (67, 130, 2), (3, 0, 2), (129, 17, 31)] {
            let (a, b) = (noise(1, m * k), noise(2, k * n));
            let a = Matrix { values: &a, rows: m, columns: k, row_stride: k, column_stride: 1 };
            let b = Matrix::new(&b, n);
            let b = Matrix { rows: k, ..b };
            // 130 terms below one, rounded once each.
            assert_close(&multiply(a, b), &naive(a, b), Tolerance::abs(2e-5));
            let (left, right) = (b.transposed(), a.transposed());
            assert_close(&multiply(left, right), &naive(left, right), Tolerance::abs(2e-5));
        }
    }

    #[test]
    fn a_gram_matrix_is_the_product_with_the_transpose() {
        for (rows, columns) in [(1, 3), (257, 5), (40, 64)] {
            let values = noise(3, rows * columns);
            let a = Matrix::new(&values, columns);
            assert_close(&gram(a), &naive(a, a.transposed()), Tolerance::abs(2e-5));
        }
    }

    #[test]
    fn blocks_keep_the_strides() {
        let values: Vec<f32> = (0..12).map(|value| value as f32).collect();
        let block = Matrix::new(&values, 4).block(1, 1, 2, 2);
        assert_eq!(multiply(block, Matrix::new(&[1.0, 0.0, 0.0, 1.0], 2)), [5.0, 6.0, 9.0, 10.0]);
        let transposed = block.transposed();
        assert_eq!(multiply(transposed, Matrix::new(&[1.0, 0.0, 0.0, 1.0], 2)), [5.0, 9.0, 6.0, 10.0]);
    }
}
