//! Numbers of the beta distribution, which MixUp and CutMix draw their shares from.

use crate::rng::Rng;

/// A number in 0..=1 of the distribution Beta(`alpha`, `alpha`), for `alpha` above 0.
pub(super) fn beta(alpha: f64, rng: &mut Rng) -> f64 {
    let (a, b) = (log_gamma_variate(alpha, rng), log_gamma_variate(alpha, rng));
    1.0 / (1.0 + (b - a).exp())
}

/// The logarithm of a number of the gamma distribution: for small `shape` the number itself is often too small for a float.
///
/// Source: G. Marsaglia and W. Tsang, "A simple method for generating gamma variables" (2000).
fn log_gamma_variate(shape: f64, rng: &mut Rng) -> f64 {
    if shape < 1.0 {
        let boost = (1.0 - rng.uniform()).ln() / shape;
        return log_gamma_variate(shape + 1.0, rng) + boost;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = rng.normal();
        let v = (1.0 + c * x).powi(3);
        let u = 1.0 - rng.uniform();
        if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return (d * v).ln();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_variance_are_those_of_the_distribution() {
        let mut rng = Rng::new(10);
        for alpha in [0.05, 0.2, 1.0, 4.0] {
            let values: Vec<f64> = (0..50_000).map(|_| beta(alpha, &mut rng)).collect();
            assert!(values.iter().all(|value| (0.0..=1.0).contains(value)), "alpha {alpha}");
            let mean = values.iter().sum::<f64>() / 5e4;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 5e4;
            let want = 0.25 / (2.0 * alpha + 1.0);
            assert!(
                (mean - 0.5).abs() < 0.01 && (variance - want).abs() < 0.005,
                "alpha {alpha}: {mean}, {variance}"
            );
        }
    }
}
