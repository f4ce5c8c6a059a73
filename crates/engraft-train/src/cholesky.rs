//! Cholesky factor of a symmetric positive definite matrix, and solving with it.
//!
//! Blocked and left-looking, so that nearly all work is in matrix products. Source: Golub and Van Loan, "Matrix
//! Computations", 4th edition, section 4.2.

use crate::matrix::{Matrix, multiply};

/// The lower triangular factor `L` of a matrix `L Lᵀ`.
pub(crate) struct Cholesky {
    side: usize,
    /// `[side, side]`; only the part below the diagonal blocks is read.
    lower: Vec<f32>,
    /// `Lᵀ`, `[side, side]`
    upper: Vec<f32>,
    /// Inverse of each diagonal block of `L`, row-major.
    inverse_blocks: Vec<Vec<f32>>,
}

impl Cholesky {
    /// Factors `matrix` `[side, side]`, of which only the lower triangle is read; `None` where it is not positive
    /// definite to working precision.
    pub fn factor(mut matrix: Vec<f32>, side: usize) -> Option<Cholesky> {
        let mut inverse_blocks = Vec::with_capacity(side.div_ceil(BLOCK));
        for first in (0..side).step_by(BLOCK) {
            let width = BLOCK.min(side - first);
            subtract_earlier_columns(&mut matrix, side, first, width);
            let current = Matrix::new(&matrix, side);
            let inverse = inverse_of_factor(current.block(first, first, width, width))?;
            let below = current.block(first + width, first, side - first - width, width);
            let panel = multiply(below, Matrix::new(&inverse, width).transposed());
            for (row, values) in (first + width..side).zip(panel.chunks_exact(width)) {
                matrix[row * side + first..][..width].copy_from_slice(values);
            }
            inverse_blocks.push(inverse);
        }
        let upper = Matrix::new(&matrix, side).transposed().to_rows();
        Some(Cholesky { side, lower: matrix, upper, inverse_blocks })
    }

    /// The solution `[side, columns]` of `L Lᵀ x = right`.
    pub fn solve(&self, right: &[f32], columns: usize) -> Vec<f32> {
        let mut x = right.to_vec();
        let lower = Matrix::new(&self.lower, self.side);
        let upper = Matrix::new(&self.upper, self.side);
        for (block, inverse) in self.inverse_blocks.iter().enumerate() {
            let (first, width) = self.block(block);
            let done = Matrix::new(&x[..first * columns], columns);
            let known = multiply(lower.block(first, 0, width, first), done);
            replace(&mut x[first * columns..][..width * columns], &known, Matrix::new(inverse, width));
        }
        for (block, inverse) in self.inverse_blocks.iter().enumerate().rev() {
            let (first, width) = self.block(block);
            let last = first + width;
            let done = Matrix::new(&x[last * columns..], columns);
            let known = multiply(upper.block(first, last, width, self.side - last), done);
            replace(
                &mut x[first * columns..last * columns],
                &known,
                Matrix::new(inverse, width).transposed(),
            );
        }
        x
    }

    /// First row and height of diagonal block `block`.
    fn block(&self, block: usize) -> (usize, usize) {
        (block * BLOCK, BLOCK.min(self.side - block * BLOCK))
    }
}

/// Side of the diagonal blocks.
const BLOCK: usize = 48;

/// Takes what the columns before `first` contribute out of the block column that starts there.
fn subtract_earlier_columns(matrix: &mut [f32], side: usize, first: usize, width: usize) {
    let factor = Matrix::new(matrix, side);
    let rows = factor.block(first, 0, side - first, first);
    let contribution = multiply(rows, factor.block(first, 0, width, first).transposed());
    for (row, values) in (first..side).zip(contribution.chunks_exact(width)) {
        let target = &mut matrix[row * side + first..][..width];
        target.iter_mut().zip(values).for_each(|(target, value)| *target -= value);
    }
}

/// Replaces `target` by `inverse * (target - known)`.
fn replace(target: &mut [f32], known: &[f32], inverse: Matrix<'_>) {
    target.iter_mut().zip(known).for_each(|(target, known)| *target -= known);
    let columns = target.len() / inverse.rows;
    let solved = multiply(inverse, Matrix::new(target, columns));
    target.copy_from_slice(&solved);
}

/// The inverse of the Cholesky factor of one small block, computed in f64.
fn inverse_of_factor(block: Matrix<'_>) -> Option<Vec<f32>> {
    let side = block.rows;
    let mut factor: Vec<f64> =
        (0..side * side).map(|index| block.at(index / side, index % side).into()).collect();
    for row in 0..side {
        for column in 0..=row {
            let sum: f64 = (0..column).map(|k| factor[row * side + k] * factor[column * side + k]).sum();
            let rest = factor[row * side + column] - sum;
            if row > column {
                factor[row * side + column] = rest / factor[column * side + column];
            } else if rest > f64::from(f32::MIN_POSITIVE) {
                factor[row * side + row] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    Some(inverse_of_lower(&factor, side).into_iter().map(|value| value as f32).collect())
}

/// The inverse of a lower triangular matrix, by forward substitution.
fn inverse_of_lower(lower: &[f64], side: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; side * side];
    for column in 0..side {
        inverse[column * side + column] = 1.0 / lower[column * side + column];
        for row in column + 1..side {
            let sum: f64 = (column..row).map(|k| lower[row * side + k] * inverse[k * side + column]).sum();
            inverse[row * side + column] = -sum / lower[row * side + row];
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Tolerance, assert_close, noise};

    use super::*;
    use crate::matrix::gram;

    #[test]
    fn solving_undoes_multiplying_at_awkward_sizes() {
        for side in [1, 2, 47, 48, 49, 150] {
            let noise_rows = noise(1, side * (side + 20));
            let mut matrix = gram(Matrix::new(&noise_rows, side + 20));
            (0..side).for_each(|index| matrix[index * side + index] += 1.0);
            let x = noise(2, side * 3);
            let right = multiply(Matrix::new(&matrix, side), Matrix::new(&x, 3));
            let factor = Cholesky::factor(matrix, side).unwrap();
            // The condition number is below 200, times a few rounding errors of f32.
            assert_close(&factor.solve(&right, 3), &x, Tolerance::abs(1e-4));
        }
    }

    #[test]
    fn an_indefinite_matrix_has_no_factor() {
        assert!(Cholesky::factor(vec![1.0, 2.0, 2.0, 1.0], 2).is_none());
        assert!(Cholesky::factor(vec![f32::NAN], 1).is_none());
    }
}
