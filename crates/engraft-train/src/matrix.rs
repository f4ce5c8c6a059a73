//! Matrix products: the only place of this crate where the bulk of the arithmetic happens.
//!
//! Everything else calls [`multiply`] and [`gram`], so that another kernel can take over here without being seen
//! elsewhere. Each output element is summed in one order, whatever the number of threads.

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
    let packed_b = pack::<TILE_COLUMNS>(b.transposed());
    product.par_chunks_mut(BAND_ROWS * b.columns).enumerate().for_each(|(band, out)| {
        let first_row = band * BAND_ROWS;
        let band = a.block(first_row, 0, BAND_ROWS.min(a.rows - first_row), a.columns);
        multiply_band(&pack::<TILE_ROWS>(band), &packed_b, a.columns, b.columns, out);
    });
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

/// Accumulators of one tile: four rows of eight columns fit the sixteen registers every x86-64 has.
const TILE_ROWS: usize = 4;
const TILE_COLUMNS: usize = 8;
/// Rows of the product computed by one task.
const BAND_ROWS: usize = 64;
/// Rows of a Gram matrix computed at once; the part right of the diagonal block is skipped.
const GRAM_ROWS: usize = 256;

/// Rows of `source` in groups of `N`, each group column by column, the last one filled up with zeros.
fn pack<const N: usize>(source: Matrix<'_>) -> Vec<[f32; N]> {
    let mut packed = Vec::with_capacity(source.rows.div_ceil(N) * source.columns);
    for first in (0..source.rows).step_by(N) {
        let height = N.min(source.rows - first);
        for column in 0..source.columns {
            let mut group = [0.0; N];
            for (row, value) in group[..height].iter_mut().enumerate() {
                *value = source.at(first + row, column);
            }
            packed.push(group);
        }
    }
    packed
}

fn multiply_band(
    a: &[[f32; TILE_ROWS]],
    b: &[[f32; TILE_COLUMNS]],
    depth: usize,
    columns: usize,
    out: &mut [f32],
) {
    for (panel, b) in b.chunks_exact(depth).enumerate() {
        let first_column = panel * TILE_COLUMNS;
        let width = TILE_COLUMNS.min(columns - first_column);
        for (a, out) in a.chunks_exact(depth).zip(out.chunks_mut(TILE_ROWS * columns)) {
            let tile = multiply_tile(a, b);
            for (out, sums) in out.chunks_mut(columns).zip(&tile) {
                out[first_column..first_column + width].copy_from_slice(&sums[..width]);
            }
        }
    }
}

fn multiply_tile(a: &[[f32; TILE_ROWS]], b: &[[f32; TILE_COLUMNS]]) -> [[f32; TILE_COLUMNS]; TILE_ROWS] {
    let mut sums = [[0.0; TILE_COLUMNS]; TILE_ROWS];
    for (a, b) in a.iter().zip(b) {
        for (sums, a) in sums.iter_mut().zip(a) {
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum += a * b;
            }
        }
    }
    sums
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
