//! Matrix products of row-major matrices that are used once.
//!
//! Source: BLAS `sgemm`.

use crate::{Gemm, InstructionSet, MatrixView, PackedMatrix, RowLayout, Segments};

/// `c = a x b` for row-major `a` of `[m, k]`, `b` of `[k, n]` and `c` of `[m, n]`.
///
/// Every element is summed over k from first to last, so a call for some of the rows of `a` gives those rows of `c` with
/// the same bytes. To multiply in parts, pack `b` once ([`PackedMatrix::pack`]) and run a [`Gemm`] for each.
///
/// # Panics
/// If a slice does not have the length of its shape.
pub fn matmul(isa: InstructionSet, [m, k, n]: [usize; 3], a: &[f32], b: &[f32], c: &mut [f32]) {
    assert_eq!(b.len(), k * n, "elements of b");
    multiply(&PackedMatrix::pack(isa, MatrixView::row_major(b, k, n), None, None), m, a, c);
}

/// `c = a x transpose(b)` for row-major `a` of `[m, k]`, `b` of `[n, k]` and `c` of `[m, n]`; otherwise as [`matmul`].
///
/// # Panics
/// If a slice does not have the length of its shape.
pub fn matmul_transposed(isa: InstructionSet, [m, k, n]: [usize; 3], a: &[f32], b: &[f32], c: &mut [f32]) {
    assert_eq!(b.len(), n * k, "elements of b");
    multiply(&PackedMatrix::pack(isa, MatrixView::row_major(b, n, k).transposed(), None, None), m, a, c);
}

fn multiply(b: &PackedMatrix, m: usize, a: &[f32], c: &mut [f32]) {
    let (k, n) = (b.rows(), b.columns());
    assert_eq!((a.len(), c.len()), (m * k, m * n), "elements of a and c");
    Gemm {
        weights: b,
        input: a,
        input_layout: RowLayout { run_stride: 0, row_stride: k },
        segments: Segments::one(k),
        run_count: 1,
        run_len: m,
        output_layout: RowLayout { run_stride: 0, row_stride: n },
        output_columns: n,
        output_vector_stride: None,
        residual: None,
        clamp: None,
        activation: None,
    }
    .run(c);
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Tolerance, assert_close, noise};

    use super::*;

    fn naive([m, k, n]: [usize; 3], a: &[f32], b: &[f32]) -> Vec<f32> {
        let element = |i: usize, j: usize| -> f64 {
            (0..k).map(|l| f64::from(a[i * k + l]) * f64::from(b[l * n + j])).sum()
        };
        (0..m * n).map(|at| element(at / n, at % n) as f32).collect()
    }

    #[test]
    fn products_equal_the_naive_loop() {
        for isa in InstructionSet::available() {
            for shape @ [m, k, n] in
                [[1, 1, 1], [5, 3, 2], [13, 20, 17], [50, 129, 31], [3, 1280, 102], [0, 4, 4], [2, 0, 3]]
            {
                let (a, b) = (noise(1, m * k), noise(2, k * n));
                let want = naive(shape, &a, &b);
                let tolerance = Tolerance { abs: 2e-6 * (k as f32 + 1.0).sqrt(), rel: 1e-5 };
                let mut c = vec![f32::NAN; m * n];
                matmul(isa, shape, &a, &b, &mut c);
                assert_close(&c, &want, tolerance);
                let b: Vec<f32> = (0..n * k).map(|at| b[at % k * n + at / k]).collect();
                let mut transposed = vec![f32::NAN; m * n];
                matmul_transposed(isa, shape, &a, &b, &mut transposed);
                assert_eq!(c, transposed, "{} {shape:?}", isa.name());
            }
        }
    }

    #[test]
    fn any_split_of_the_rows_gives_the_same_bytes() {
        let [m, k, n] = [37, 200, 21];
        let (a, b) = (noise(1, m * k), noise(2, k * n));
        for isa in InstructionSet::available() {
            let mut whole = vec![0.0; m * n];
            matmul(isa, [m, k, n], &a, &b, &mut whole);
            for rows in 1..m {
                let mut split = vec![0.0; m * n];
                let (top, bottom) = split.split_at_mut(rows * n);
                matmul(isa, [rows, k, n], &a[..rows * k], &b, top);
                matmul(isa, [m - rows, k, n], &a[rows * k..], &b, bottom);
                assert_eq!(split, whole, "{}, {rows} rows first", isa.name());
            }
        }
    }
}
