//! Eigenvalues and eigenvectors of a symmetric matrix.

/// Each eigenvalue with its unit eigenvector, in no particular order, or nothing once `is_cancelled`. Only the lower triangle has
/// to be right.
///
/// Source: the cyclic Jacobi method, G. Golub and C. Van Loan, "Matrix Computations", section 8.5.
pub fn symmetric_eigen(
    mut matrix: Vec<Vec<f64>>,
    is_cancelled: &dyn Fn() -> bool,
) -> Option<Vec<(f64, Vec<f64>)>> {
    let n = matrix.len();
    // Row i is the eigenvector of entry (i, i) in the end.
    let mut vectors: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _ in 0..MAX_SWEEPS {
        if is_diagonal(&matrix) {
            break;
        }
        for p in 1..n {
            if is_cancelled() {
                return None;
            }
            for q in 0..p {
                rotate(&mut matrix, &mut vectors, p, q);
            }
        }
    }
    Some(vectors.into_iter().enumerate().map(|(i, vector)| (matrix[i][i], vector)).collect())
}

/// The method converges quadratically; ten are needed for a thousand rows.
const MAX_SWEEPS: usize = 50;

fn is_diagonal(matrix: &[Vec<f64>]) -> bool {
    let (mut beside, mut along) = (0.0, 0.0);
    for (i, row) in matrix.iter().enumerate() {
        beside += row[..i].iter().map(|value| value * value).sum::<f64>();
        along += row[i] * row[i];
    }
    beside <= along * f64::EPSILON * f64::EPSILON
}

/// Turns the plane of axes `p` and `q` so that entry `(p, q)` becomes 0.
fn rotate(matrix: &mut [Vec<f64>], vectors: &mut [Vec<f64>], p: usize, q: usize) {
    let entry = matrix[p][q];
    if entry == 0.0 {
        return;
    }
    let (first, second) = (matrix[q][q], matrix[p][p]);
    let theta = (second - first) / (2.0 * entry);
    let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    turn_rows(matrix, p, q, cosine, sine);
    for row in matrix.iter_mut() {
        let (at_q, at_p) = (row[q], row[p]);
        row[q] = cosine * at_q - sine * at_p;
        row[p] = sine * at_q + cosine * at_p;
    }
    matrix[p][q] = 0.0;
    matrix[q][p] = 0.0;
    turn_rows(vectors, p, q, cosine, sine);
}

fn turn_rows(rows: &mut [Vec<f64>], p: usize, q: usize, cosine: f64, sine: f64) {
    let (upper, lower) = rows.split_at_mut(p);
    for (at_q, at_p) in upper[q].iter_mut().zip(&mut lower[0]) {
        (*at_q, *at_p) = (cosine * *at_q - sine * *at_p, sine * *at_q + cosine * *at_p);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_solve_the_eigenvalue_equation() {
        for n in [1, 2, 5, 24] {
            let entry = |i: usize, j: usize| ((i.min(j) * 7 + i.max(j) * 13) % 19) as f64 - 9.0;
            let matrix: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| entry(i, j)).collect()).collect();
            for (value, vector) in symmetric_eigen(matrix.clone(), &|| false).unwrap() {
                let length: f64 = vector.iter().map(|v| v * v).sum();
                assert!((length - 1.0).abs() < 1e-12, "n {n}");
                for (row, own) in matrix.iter().zip(&vector) {
                    let product: f64 = row.iter().zip(&vector).map(|(a, b)| a * b).sum();
                    assert!((product - value * own).abs() < 1e-10, "n {n}: eigenvalue {value}");
                }
            }
        }
    }

    #[test]
    fn zero_and_diagonal_matrices_are_done_at_once() {
        let values = |matrix| {
            let pairs = symmetric_eigen(matrix, &|| false).unwrap();
            pairs.into_iter().map(|(value, _)| value).collect::<Vec<_>>()
        };
        assert_eq!(values(vec![vec![0.0; 2]; 2]), [0.0, 0.0]);
        assert_eq!(values(vec![vec![3.0, 0.0], vec![0.0, -2.0]]), [3.0, -2.0]);
    }
}
