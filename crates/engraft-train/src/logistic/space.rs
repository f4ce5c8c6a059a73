//! Two coordinate systems for the weights of a linear model, with the same optimum.
//!
//! With standardised rows `X` `[n, d]`, the optimal weights `W` `[d, classes]` are a combination `Xᵀ A` of the rows
//! (the representer theorem: Schölkopf, Herbrich and Smola, 2001). [`RowSpace`] searches over `A`, where the `[n, n]`
//! matrix of inner products stands for the features; [`WeightSpace`] searches over `W`. Inner products of weights
//! are the same numbers in both, so one descent serves both.
//!
//! A gradient is kept in the same coordinates as the weights it belongs to.

use crate::{
    Features,
    cholesky::Cholesky,
    features::Standardisation,
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
}

/// Whether [`RowSpace`] is the cheaper space. Up to somewhat more rows than features it is: it has one product a step
/// instead of two, and knows the curvature of each row.
pub(crate) fn rows_are_cheaper(rows: usize, dim: usize) -> bool {
    4 * rows < 5 * dim
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
    /// The space of standardised training rows `[n, d]`, with held-out rows `[m, d]`.
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
        let scaled = || {
            let mut scaled = self.kernel.clone();
            for (row, root) in scaled.chunks_exact_mut(n).zip(&roots) {
                let root = root / n as f32;
                row.iter_mut().zip(&roots).for_each(|(value, other)| *value *= root * other);
            }
            scaled
        };
        let inverse = ShiftedInverse::of(scaled, n, l2);
        Preconditioner { roots: Some(roots), inverse }
    }

    fn held_out_scores(&self, weights: &[f32], classes: usize) -> Vec<f32> {
        multiply(Matrix::new(&self.held_out, self.rows), Matrix::new(weights, classes))
    }
}

/// All rows of a feature matrix, standardised together: what the [`WeightSpace`]s of its folds have in common.
pub(crate) struct SharedRows {
    /// What the rows were standardised by.
    pub standardisation: Standardisation,
    /// `[n, d]`
    rows: Vec<f32>,
    /// `[d, n]`
    transposed: Vec<f32>,
    /// Inner products of the columns, `[d, d]`.
    products: Vec<f32>,
    dim: usize,
}

impl SharedRows {
    /// Standardises all rows of `features`.
    pub fn new(features: Features<'_>) -> SharedRows {
        let all: Vec<usize> = (0..features.len()).collect();
        let (dim, standardisation) = (features.dim(), Standardisation::of(features, &all));
        let rows = standardisation.apply(features, &all);
        let transposed = Matrix::new(&rows, dim).transposed().to_rows();
        let products = gram(Matrix::new(&transposed, features.len()));
        SharedRows { standardisation, rows, transposed, products, dim }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len() / self.dim
    }

    /// Inner products of the columns over all rows but `left_out`.
    fn products_without(&self, left_out: &[usize]) -> Vec<f32> {
        let mut products = self.products.clone();
        if !left_out.is_empty() {
            let row = |&row: &usize| &self.rows[row * self.dim..][..self.dim];
            let rows: Vec<f32> = left_out.iter().flat_map(row).copied().collect();
            let columns = Matrix::new(&rows, self.dim).transposed().to_rows();
            let minus = gram(Matrix::new(&columns, left_out.len()));
            products.iter_mut().zip(minus).for_each(|(product, minus)| *product -= minus);
        }
        products
    }
}

/// Weights as they are, for features standardised by some of the shared rows.
///
/// No row is copied: the standardisation of the training rows is applied to weights and gradients instead.
pub(crate) struct WeightSpace<'a> {
    shared: &'a SharedRows,
    train: Vec<usize>,
    held_out: Vec<usize>,
    /// What standardises the shared rows for the training rows.
    standardisation: Standardisation,
    /// `Xᵀ X / n`, `[d, d]`
    covariance: Vec<f32>,
}

impl<'a> WeightSpace<'a> {
    /// The space of all rows.
    pub fn of_all(shared: &'a SharedRows) -> WeightSpace<'a> {
        let standardisation = Standardisation { mean: vec![0.0; shared.dim], scale: vec![1.0; shared.dim] };
        WeightSpace::new(shared, standardisation, (0..shared.len()).collect(), Vec::new())
    }

    /// The space of the rows `train`, sorted and standardised by them alone. Rows in neither list do not count.
    pub fn of_fold(shared: &'a SharedRows, train: Vec<usize>, held_out: Vec<usize>) -> WeightSpace<'a> {
        let standardisation = Standardisation::of_rows(&shared.rows, shared.dim, &train);
        WeightSpace::new(shared, standardisation, train, held_out)
    }

    fn new(
        shared: &'a SharedRows,
        standardisation: Standardisation,
        train: Vec<usize>,
        held_out: Vec<usize>,
    ) -> WeightSpace<'a> {
        let Standardisation { mean, scale } = &standardisation;
        let count = train.len() as f32;
        let mut covariance = shared.products_without(&missing(&train, shared.len()));
        for ((row, mean_r), scale_r) in covariance.chunks_exact_mut(shared.dim).zip(mean).zip(scale) {
            for ((value, mean_c), scale_c) in row.iter_mut().zip(mean).zip(scale) {
                *value = (*value / count - mean_r * mean_c) / (scale_r * scale_c);
            }
        }
        WeightSpace { shared, train, held_out, standardisation, covariance }
    }

    /// The scores of the shared rows at `rows`.
    fn scores_of(&self, rows: &[usize], weights: &[f32], classes: usize) -> Vec<f32> {
        let Standardisation { mean, scale } = &self.standardisation;
        let mut scaled = weights.to_vec();
        let mut offsets = vec![0.0f64; classes];
        for ((row, mean), scale) in scaled.chunks_exact_mut(classes).zip(mean).zip(scale) {
            for (weight, offset) in row.iter_mut().zip(&mut offsets) {
                *weight /= scale;
                *offset += f64::from(mean * *weight);
            }
        }
        let all = multiply(Matrix::new(&self.shared.rows, self.shared.dim), Matrix::new(&scaled, classes));
        let mut scores = Vec::with_capacity(rows.len() * classes);
        for &row in rows {
            let row = all[row * classes..][..classes].iter().zip(&offsets);
            scores.extend(row.map(|(score, offset)| score - *offset as f32));
        }
        scores
    }
}

/// The numbers below `len` that are not in `sorted`.
fn missing(sorted: &[usize], len: usize) -> Vec<usize> {
    let mut rest = sorted.iter().copied().peekable();
    (0..len).filter(|row| rest.next_if_eq(row).is_none()).collect()
}

impl Space for WeightSpace<'_> {
    fn len(&self) -> usize {
        self.shared.dim
    }

    fn scores(&self, weights: &[f32], classes: usize) -> Vec<f32> {
        self.scores_of(&self.train, weights, classes)
    }

    fn gradient(&self, errors: &[f32], classes: usize) -> Vec<f32> {
        let Standardisation { mean, scale } = &self.standardisation;
        let mut spread = vec![0.0; self.shared.len() * classes];
        let mut sums = vec![0.0f64; classes];
        for (errors, &row) in errors.chunks_exact(classes).zip(&self.train) {
            spread[row * classes..][..classes].copy_from_slice(errors);
            sums.iter_mut().zip(errors).for_each(|(sum, &error)| *sum += f64::from(error));
        }
        let columns = Matrix::new(&self.shared.transposed, self.shared.len());
        let mut gradient = multiply(columns, Matrix::new(&spread, classes));
        for ((row, mean), scale) in gradient.chunks_exact_mut(classes).zip(mean).zip(scale) {
            for (value, sum) in row.iter_mut().zip(&sums) {
                *value = (*value - mean * *sum as f32) / scale;
            }
        }
        gradient
    }

    fn dot(&self, gradient: &[f32], weights: &[f32], _scores: &[f32]) -> f64 {
        dot(gradient, weights)
    }

    fn preconditioner(&self, curvature: &[f32], l2: f64) -> Preconditioner {
        // One curvature for all rows: weighting them would cost a product as dear as all of a descent.
        let mean = (curvature.iter().sum::<f32>() / curvature.len() as f32).max(f32::MIN_POSITIVE);
        let scaled = || self.covariance.iter().map(|value| value * mean).collect();
        Preconditioner { roots: None, inverse: ShiftedInverse::of(scaled, self.shared.dim, l2) }
    }

    fn held_out_scores(&self, weights: &[f32], classes: usize) -> Vec<f32> {
        self.scores_of(&self.held_out, weights, classes)
    }
}

/// Turns a gradient into a step of about the right length.
pub(crate) struct Preconditioner {
    roots: Option<Vec<f32>>,
    inverse: ShiftedInverse,
}

impl Preconditioner {
    /// The weights `[len, classes]` for a gradient of that shape.
    pub fn apply(&self, gradient: &[f32], classes: usize) -> Vec<f32> {
        let Some(roots) = &self.roots else { return self.inverse.apply(gradient, classes) };
        let scaled: Vec<f32> = gradient
            .chunks_exact(classes)
            .zip(roots)
            .flat_map(|(row, root)| row.iter().map(move |x| x / root))
            .collect();
        let mut solved = self.inverse.apply(&scaled, classes);
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

/// The inverse of a positive semidefinite matrix plus `l2`, or of something near it.
enum ShiftedInverse {
    /// `l2` outweighs the matrix.
    Scalar(f64),
    Factor(Cholesky),
}

impl ShiftedInverse {
    /// Of what `matrix` makes plus `l2`, with a larger shift where f32 needs one; the descent corrects for the difference.
    fn of(matrix: impl Fn() -> Vec<f32>, side: usize, l2: f64) -> ShiftedInverse {
        let mut shifted = matrix();
        let trace: f64 = (0..side).map(|index| f64::from(shifted[index * (side + 1)])).sum();
        // The trace bounds the largest eigenvalue, so all of them lie within a factor of two.
        if l2 >= trace {
            return ShiftedInverse::Scalar(l2);
        }
        let mut shift = l2.max(SMALLEST_SHIFT * trace / side as f64).max(f64::from(f32::MIN_POSITIVE) * 1e3);
        loop {
            (0..side).for_each(|index| shifted[index * (side + 1)] += shift as f32);
            if let Some(factor) = Cholesky::factor(shifted, side) {
                return ShiftedInverse::Factor(factor);
            }
            shifted = matrix();
            shift *= 10.0;
        }
    }

    fn apply(&self, right: &[f32], columns: usize) -> Vec<f32> {
        match self {
            ShiftedInverse::Scalar(l2) => right.iter().map(|&value| (f64::from(value) / l2) as f32).collect(),
            ShiftedInverse::Factor(factor) => factor.solve(right, columns),
        }
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
