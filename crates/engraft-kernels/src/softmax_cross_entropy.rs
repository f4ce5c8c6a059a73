//! The loss of a classifier and its gradient.
//!
//! Source: Keras `CategoricalCrossentropy` after a softmax.

use crate::softmax;

/// Settings of the loss of one image: `-sum(target * log(softmax(scores))) * weight`.
#[derive(Clone, Copy, Debug)]
pub struct SoftmaxCrossEntropy {
    /// Fraction of each target that is spread evenly over all classes, in 0..=1.
    pub label_smoothing: f32,
    /// Factor of the loss.
    pub weight: f32,
}

impl SoftmaxCrossEntropy {
    /// The loss; `gradient` receives its derivative with respect to the scores, times `share`. Targets sum to 1.
    ///
    /// # Panics
    /// If lengths differ.
    pub fn run(self, scores: &[f32], targets: &[f32], share: f32, gradient: &mut [f32]) -> f64 {
        assert_eq!([scores.len(), targets.len()], [gradient.len(); 2], "scores, targets and gradient");
        let evenly = self.label_smoothing / scores.len() as f32;
        let smooth = |target: f32| target * (1.0 - self.label_smoothing) + evenly;
        let normaliser = log_sum_exp(scores);
        let losses = scores.iter().zip(targets);
        let loss: f64 = losses.map(|(&x, &t)| f64::from(smooth(t)) * (normaliser - f64::from(x))).sum();
        gradient.copy_from_slice(scores);
        softmax(gradient);
        for (probability, &target) in gradient.iter_mut().zip(targets) {
            *probability = (*probability - smooth(target)) * self.weight * share;
        }
        loss * f64::from(self.weight)
    }
}

fn log_sum_exp(scores: &[f32]) -> f64 {
    let greatest = f64::from(scores.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    greatest + scores.iter().map(|&x| (f64::from(x) - greatest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_equals_central_differences_of_the_loss() {
        let (scores, targets) = ([0.3, -1.2, 2.0, 0.0], [0.0, 0.25, 0.75, 0.0]);
        let loss = SoftmaxCrossEntropy { label_smoothing: 0.1, weight: 1.5 };
        let mut gradient = [0.0; 4];
        let value = loss.run(&scores, &targets, 0.5, &mut gradient);
        assert!(value > 0.0);
        for at in 0..scores.len() {
            let shifted = |by: f32| {
                let mut scores = scores;
                scores[at] += by;
                loss.run(&scores, &targets, 1.0, &mut [0.0; 4])
            };
            let slope = (shifted(1e-2) - shifted(-1e-2)) / 2e-2 * 0.5;
            assert!((slope - f64::from(gradient[at])).abs() < 1e-4, "score {at}: {slope}, {}", gradient[at]);
        }
    }

    #[test]
    fn certain_scores_cost_nothing_and_wrong_ones_their_margin() {
        let loss = SoftmaxCrossEntropy { label_smoothing: 0.0, weight: 1.0 };
        assert_eq!(loss.run(&[200.0, 0.0], &[1.0, 0.0], 1.0, &mut [0.0; 2]), 0.0);
        assert_eq!(loss.run(&[200.0, 0.0], &[0.0, 1.0], 1.0, &mut [0.0; 2]), 200.0);
        assert!(loss.run(&[f32::NAN, 0.0], &[0.0, 1.0], 1.0, &mut [0.0; 2]).is_nan());
    }
}
