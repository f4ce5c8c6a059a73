//! Two coordinate systems for the weights of a linear model, with the same optimum.
//!
//! With standardised rows `X` `[n, d]`, the optimal weights `W` `[d, classes]` are a combination `Xᵀ A` of the rows
//! (the representer theorem: Schölkopf, Herbrich and Smola, 2001). [`RowSpace`] searches over `A`, where the `[n, n]`
//! matrix of inner products stands for the features; [`WeightSpace`] searches over `W`. Inner products of weights
//! are the same numbers in both, so one descent serves both.
//!
//! A gradient is kept in the same coordinates as the weights it belongs to.

use crate::{
    cholesky::Cholesky,
    matrix::{Matrix, gram, multiply},
};

/// What the descent needs to know about weights. Weights, gradients and scores have one column per class.
pub(crate) trait Space: Send + Sync {
    /// Number of rows of a weight matrix.
    fn len(&self) -> usize;

    /// `X W`, one row per training row.
    fn scores(&self, weights: &[f32], classes: usize) -> Vec<f32>;

    /// The gradient `Xᵀ errors`, for one row of `errors` per training row.
    fn gradient(&self, errors: &[f32], classes: usize) -> Vec<f32>;

    /// The inner product of a gradient with weights whose scores are known.
    fn dot(&self, gradient: &[f32], weights: &[f32], scores: &[f32]) -> f64;

    /// The inverse of `Xᵀ diag(curvature) X / n + l2`, or of something near it, for `curvature` per training row.
    fn preconditioner(&self, curvature: &[f32], l2: f64) -> Preconditioner;

    /// The scores of the held-out rows.
    fn held_out_scores(&self, weights: &[f32], classes: usize) -> Vec<f32>;

    /// `W` in feature coordinates, given the standardised training rows `[n, d]`.
    fn feature_weights(&self, weights: Vec<f32>, rows: Matrix<'_>, classes: usize) -> Vec<f32>;
}

/// The cheaper of the two spaces for standardised training rows `[n, d]` and held-out rows `[m, d]`.
pub(crate) fn cheaper_space(train: Vec<f32>, held_out: Vec<f32>, dim: usize) -> Box<dyn Space> {
    if train.len() / dim < dim {
        Box::new(RowSpace::new(Matrix::new(&train, dim), Matrix::new(&held_out, dim)))
    } else {
        Box::new(WeightSpace::new(train, held_out, dim))
    }
}

/// Weights as combinations of the training rows.
pub(crate) struct RowSpace {
    /// `X Xᵀ`, `[n, n]`
    kernel: Vec<f32>,
    /// Inner products of held-out rows with training rows, `[m, n]`.
    held_out: Vec<f32>,
    rows: usize,
}

impl RowSpace {
    pub fn new(train: Matrix<'_>, held_out: Matrix<'_>) -> RowSpace {
        RowSpace { kernel: gram(train), held_out: multiply(held_out, train.transposed()), rows: train.rows }
    }
}

impl Space for RowSpace {
    fn len(&self) -> usize {
        self.rows
    }

    fn scores(&self, weights: &[f32], classes: usize) -> Vec<f32> {
        multiply(Matrix::new(&self.kernel, self.rows), Matrix::new(weights, classes))
    }

    fn gradient(&self, errors: &[f32], _classes: usize) -> Vec<f32> {
        errors.to_vec()
    }

    fn dot(&self, gradient: &[f32], _weights: &[f32], scores: &[f32]) -> f64 {
        dot(gradient, scores)
    }

    fn preconditioner(&self, curvature: &[f32], l2: f64) -> Preconditioner {
        let n = self.rows;
        let largest = curvature.iter().fold(f32::MIN_POSITIVE, |a, &b| a.max(b));
        let roots: Vec<f32> =
            curvature.iter().map(|&value| value.max(largest * CURVATURE_FLOOR).sqrt()).collect();
        // The inverse maps coordinates: (H K / n + l2)^-1 = T (T K T / n + l2)^-1 T^-1, with T² = H.
        let row = |(row, root): (&'_ [f32], f32)| -> Vec<f32> {
            row.iter().zip(&roots).map(|(value, other)| value * root * other / n as f32).collect()
        };
        let scaled: Vec<f32> = self.kernel.chunks_exact(n).zip(roots.iter().copied()).flat_map(row).collect();
        Preconditioner { roots: Some(roots), factor: shifted_factor(&scaled, n, l2) }
    }

    fn held_out_scores(&self, weights: &[f32], classes: usize) -> Vec<f32> {
        multiply(Matrix::new(&self.held_out, self.rows), Matrix::new(weights, classes))
    }

    fn feature_weights(&self, weights: Vec<f32>, rows: Matrix<'_>, classes: usize) -> Vec<f32> {
        multiply(rows.transposed(), Matrix::new(&weights, classes))
    }
}

/// Weights as they are.
pub(crate) struct WeightSpace {
    /// `X`, `[n, d]`
    train: Vec<f32>,
    /// `Xᵀ`, `[d, n]`
    transposed: Vec<f32>,
    /// `[m, d]`
    held_out: Vec<f32>,
    /// `Xᵀ X / n`, `[d, d]`
    covariance: Vec<f32>,
    dim: usize,
}

impl WeightSpace {
    pub fn new(train: Vec<f32>, held_out: Vec<f32>, dim: usize) -> WeightSpace {
        let rows = Matrix::new(&train, dim);
        let count = rows.rows as f32;
        let transposed = rows.transposed().to_rows();
        let mut covariance = gram(Matrix::new(&transposed, rows.rows));
        covariance.iter_mut().for_each(|value| *value /= count);
        WeightSpace { train, transposed, held_out, covariance, dim }
    }
}

impl Space for WeightSpace {
    fn len(&self) -> usize {
        self.dim
    }

    fn scores(&self, weights: &[f32], classes: usize) -> Vec<f32> {
        multiply(Matrix::new(&self.train, self.dim), Matrix::new(weights, classes))
    }

    fn gradient(&self, errors: &[f32], classes: usize) -> Vec<f32> {
        let rows = self.transposed.len() / self.dim;
        multiply(Matrix::new(&self.transposed, rows), Matrix::new(errors, classes))
    }

    fn dot(&self, gradient: &[f32], weights: &[f32], _scores: &[f32]) -> f64 {
        dot(gradient, weights)
    }

    fn preconditioner(&self, curvature: &[f32], l2: f64) -> Preconditioner {
        // One curvature for all rows: weighting them would cost a product as dear as all of a descent.
        let mean = (curvature.iter().sum::<f32>() / curvature.len() as f32).max(f32::MIN_POSITIVE);
        let scaled: Vec<f32> = self.covariance.iter().map(|value| value * mean).collect();
        Preconditioner { roots: None, factor: shifted_factor(&scaled, self.dim, l2) }
    }

    fn held_out_scores(&self, weights: &[f32], classes: usize) -> Vec<f32> {
        multiply(Matrix::new(&self.held_out, self.dim), Matrix::new(weights, classes))
    }

    fn feature_weights(&self, weights: Vec<f32>, _rows: Matrix<'_>, _classes: usize) -> Vec<f32> {
        weights
    }
}

/// Turns a gradient into a step of about the right length.
pub(crate) struct Preconditioner {
    roots: Option<Vec<f32>>,
    factor: Cholesky,
}

impl Preconditioner {
    /// The weights `[len, classes]` for a gradient of that shape.
    pub fn apply(&self, gradient: &[f32], classes: usize) -> Vec<f32> {
        let Some(roots) = &self.roots else { return self.factor.solve(gradient, classes) };
        let scaled: Vec<f32> = gradient
            .chunks_exact(classes)
            .zip(roots)
            .flat_map(|(row, root)| row.iter().map(move |x| x / root))
            .collect();
        let mut solved = self.factor.solve(&scaled, classes);
        solved
            .chunks_exact_mut(classes)
            .zip(roots)
            .for_each(|(row, root)| row.iter_mut().for_each(|x| *x *= root));
        solved
    }
}

/// Rows that the model is sure of keep this part of the largest curvature, or a step could not reach them.
const CURVATURE_FLOOR: f32 = 1e-3;

/// A shift below this part of the mean diagonal is lost in the rounding of f32.
const SMALLEST_SHIFT: f64 = 1e-6;

/// The factor of `matrix + l2`, with a larger shift where f32 needs one; the descent corrects for the difference.
fn shifted_factor(matrix: &[f32], side: usize, l2: f64) -> Cholesky {
    let mean_diagonal =
        (0..side).map(|index| f64::from(matrix[index * (side + 1)])).sum::<f64>() / side as f64;
    let mut shift = l2.max(SMALLEST_SHIFT * mean_diagonal).max(f64::from(f32::MIN_POSITIVE) * 1e3);
    loop {
        let mut shifted = matrix.to_vec();
        (0..side).for_each(|index| shifted[index * (side + 1)] += shift as f32);
        if let Some(factor) = Cholesky::factor(shifted, side) {
            return factor;
        }
        shift *= 10.0;
    }
}

/// The sum of products in f64, kept in several partial sums because one would wait for itself.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    const PARTS: usize = 16;
    let (a, b) = (a.as_chunks::<PARTS>(), b.as_chunks::<PARTS>());
    let mut sums = [0.0; PARTS];
    for (a, b) in a.0.iter().zip(b.0) {
        for (sum, (&a, &b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += f64::from(a) * f64::from(b);
        }
    }
    let rest = a.1.iter().zip(b.1).map(|(&a, &b)| f64::from(a) * f64::from(b));
    sums.into_iter().chain(rest).sum()
}
