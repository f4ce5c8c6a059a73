//! Turns scores into probabilities.
//!
//! Source: Keras `softmax`.

/// `exp(x) / sum(exp(x))`, in place. The greatest score is subtracted first, so nothing overflows; NaN spoils the whole
/// vector. The sum runs from first to last in double precision.
pub fn softmax(scores: &mut [f32]) {
    let greatest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in &mut *scores {
        *score = (*score - greatest).exp();
        sum += f64::from(*score);
    }
    for score in scores {
        *score = (f64::from(*score) / sum) as f32;
    }
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Tolerance, assert_close, noise};

    use super::*;

    #[test]
    fn probabilities_equal_the_definition() {
        for len in 1..40 {
            let scores: Vec<f32> = noise(len, len as usize).iter().map(|x| x * 20.0).collect();
            let sum: f64 = scores.iter().map(|&x| f64::from(x).exp()).sum();
            let want: Vec<f32> = scores.iter().map(|&x| (f64::from(x).exp() / sum) as f32).collect();
            let mut got = scores;
            softmax(&mut got);
            assert_close(&got, &want, Tolerance { abs: 1e-9, rel: 3e-6 });
        }
    }

    #[test]
    fn large_scores_do_not_overflow_and_nan_shows() {
        let mut scores = [1e30, 0.0, 1e30];
        softmax(&mut scores);
        assert_eq!(scores, [0.5, 0.0, 0.5]);
        let mut scores = [1.0, f32::NAN];
        softmax(&mut scores);
        assert!(scores.iter().all(|x| x.is_nan()));
    }
}
