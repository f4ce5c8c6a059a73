//! Cross-entropy of a softmax over scores, its gradient and its curvature.

/// What the rows should be told to be.
pub(crate) struct Targets {
    /// Class of each row, below `classes`.
    pub labels: Vec<usize>,
    /// Weight of each row, 1 on average.
    pub weights: Vec<f32>,
    /// Number of classes, each with at least one row.
    pub classes: usize,
}

/// The loss at some scores.
pub(crate) struct Evaluation {
    /// Weighted mean cross-entropy, in nats.
    pub loss: f64,
    /// Derivative of the loss by each score, `[n, classes]`.
    pub errors: Vec<f32>,
    /// Mean second derivative by the scores of each row, over all directions but the one that changes nothing.
    pub curvature: Vec<f32>,
}

impl Targets {
    /// Rows of these classes, balanced where the largest class has more than [`BALANCE_ABOVE`] times the rows of the
    /// smallest: each class then weighs the same, as scikit-learn's `class_weight="balanced"`.
    pub fn new(labels: Vec<usize>, classes: usize) -> Targets {
        let mut counts = vec![0usize; classes];
        labels.iter().for_each(|&label| counts[label] += 1);
        let (smallest, largest) = (counts.iter().min(), counts.iter().max());
        let balanced =
            matches!((smallest, largest), (Some(small), Some(large)) if *large > BALANCE_ABOVE * small);
        let weight = |label: usize| labels.len() as f64 / (classes * counts[label]) as f64;
        let weights = labels.iter().map(|&label| if balanced { weight(label) as f32 } else { 1.0 }).collect();
        Targets { labels, weights, classes }
    }

    /// The loss where row `i` scores `scores[i] + bias`.
    pub fn evaluate(&self, scores: &[f32], bias: &[f32]) -> Evaluation {
        let mut errors = Vec::with_capacity(scores.len());
        let mut curvature = Vec::with_capacity(self.labels.len());
        let mut loss = 0.0;
        let mut row = vec![0.0; self.classes];
        let count = self.labels.len() as f32;
        for ((scores, &label), &weight) in
            scores.chunks_exact(self.classes).zip(&self.labels).zip(&self.weights)
        {
            row.iter_mut().zip(scores).zip(bias).for_each(|((row, score), bias)| *row = score + bias);
            loss += f64::from(weight) * cross_entropy(&row, label);
            softmax(&mut row);
            let impurity: f32 = row.iter().map(|p| p * (1.0 - p)).sum();
            curvature.push(weight * impurity / (self.classes - 1) as f32);
            row[label] -= 1.0;
            errors.extend(row.iter().map(|error| error * weight / count));
        }
        Evaluation { loss: loss / f64::from(count), errors, curvature }
    }
}

/// Imbalance between the largest and the smallest class above which classes are weighted.
const BALANCE_ABOVE: usize = 3;

/// Replaces scores by probabilities; safe for scores of any size.
pub(crate) fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    scores.iter_mut().for_each(|score| *score = (*score - largest).exp());
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// The negative logarithm of the softmax of `scores` at `label`, in nats.
///
/// Summed over the other classes, because `ln(1 + small)` keeps what `1 - p` would round away.
pub(crate) fn cross_entropy(scores: &[f32], label: usize) -> f64 {
    let own = f64::from(scores[label]);
    let above = scores.iter().fold(0.0, |above: f64, &score| above.max(f64::from(score) - own));
    let others = scores.iter().enumerate().filter(|&(class, _)| class != label);
    let sum: f64 = others.map(|(_, &score)| (f64::from(score) - own - above).exp()).sum();
    if above == 0.0 { sum.ln_1p() } else { above + (sum + (-above).exp()).ln() }
}

#[cfg(test)]
mod tests {
    use engraft_testing::noise;

    use super::*;

    #[test]
    fn errors_are_the_derivative_of_the_loss() {
        let targets = Targets::new(vec![0, 2, 1, 0, 0, 0], 3);
        assert_ne!(targets.weights[0], targets.weights[1]);
        let (scores, bias) = (noise(1, 18), noise(2, 3));
        let errors = targets.evaluate(&scores, &bias).errors;
        for (index, error) in errors.iter().enumerate() {
            let shifted = |by: f32| {
                let mut scores = scores.clone();
                scores[index] += by;
                targets.evaluate(&scores, &bias).loss
            };
            let slope = (shifted(1e-2) - shifted(-1e-2)) / 2e-2;
            // The third derivative times the square of the step.
            assert!((slope - f64::from(*error)).abs() < 1e-5, "score {index}: {slope} against {error}");
        }
    }

    #[test]
    fn imbalance_above_three_is_weighted() {
        assert_eq!(Targets::new(vec![0, 0, 0, 1], 2).weights, [1.0; 4]);
        assert_eq!(Targets::new(vec![0, 0, 0, 0, 1], 2).weights, [0.625, 0.625, 0.625, 0.625, 2.5]);
    }

    #[test]
    fn huge_scores_neither_overflow_nor_vanish() {
        assert_eq!(cross_entropy(&[1e30, 0.0], 0), 0.0);
        assert_eq!(cross_entropy(&[1000.0, 0.0], 1), 1000.0);
        assert!((cross_entropy(&[30.0, 0.0], 0) - (-30f64).exp()).abs() < 1e-18);
        assert!((cross_entropy(&[1.0, 1.0, 1.0], 1) - 3f64.ln()).abs() < 1e-15);
        let mut scores = [f32::MAX, -f32::MAX, 0.0];
        softmax(&mut scores);
        assert_eq!(scores, [1.0, 0.0, 0.0]);
    }
}
