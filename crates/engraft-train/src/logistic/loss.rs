//! Cross-entropy of a softmax over scores, its gradient and its curvature.

/// What the rows should be told to be.
pub(crate) struct Targets {
    /// Class of each row, below `classes`.
    pub labels: Vec<usize>,
    /// Weight of each row.
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
    /// Second derivative by the scores of each row, as asked for.
    pub curvature: Vec<f32>,
}

/// Which second derivative stands for all of a row's; for two classes there is only one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curvature {
    /// That in the direction of the row's errors, which the steps follow. With many classes most directions concern
    /// classes of no probability and are flat, so a mean would promise a far longer way than a step can go.
    AlongErrors,
    /// The mean over all directions but the one that changes nothing: close to a minimum the flat directions are what
    /// is left to go.
    Mean,
}

/// How much the rows of each class count in the loss of a linear head.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Weighting<'a> {
    /// All the same, unless the largest class has more than three times the rows of the smallest: then as [`Weighting::Balanced`].
    #[default]
    Automatic,
    /// Every class counts the same, however many rows it has, as scikit-learn's `class_weight="balanced"`.
    Balanced,
    /// A row of each class counts so much, above 0, as scikit-learn's `class_weight` of those numbers.
    Classes(&'a [f32]),
}

impl Targets {
    /// Rows of these classes, each of which has rows and a weight.
    pub fn new(labels: Vec<usize>, classes: usize, weighting: Weighting) -> Targets {
        let mut counts = vec![0usize; classes];
        labels.iter().for_each(|&label| counts[label] += 1);
        let (smallest, largest) = (counts.iter().min(), counts.iter().max());
        let uneven =
            matches!((smallest, largest), (Some(small), Some(large)) if *large > BALANCE_ABOVE * small);
        let weight = |label: usize| match weighting {
            Weighting::Classes(weights) => weights[label],
            Weighting::Automatic if !uneven => 1.0,
            _ => (labels.len() as f64 / (classes * counts[label]) as f64) as f32,
        };
        let weights = labels.iter().map(|&label| weight(label)).collect();
        Targets { labels, weights, classes }
    }

    /// The loss where row `i` scores `scores[i] + bias`.
    pub fn evaluate(&self, scores: &[f32], bias: &[f32], kind: Curvature) -> Evaluation {
        let mut errors = Vec::with_capacity(scores.len());
        let mut curvature = Vec::with_capacity(self.labels.len());
        let mut loss = 0.0;
        let mut row = vec![0.0; self.classes];
        let count = self.labels.len() as f32;
        for ((scores, &label), &weight) in
            scores.chunks_exact(self.classes).zip(&self.labels).zip(&self.weights)
        {
            row.iter_mut().zip(scores).zip(bias).for_each(|((row, score), bias)| *row = score + bias);
            loss += f64::from(weight) * softmax_with_loss(&mut row, label);
            curvature.push(weight * kind.of(&row, label));
            row[label] -= 1.0;
            errors.extend(row.iter().map(|error| error * weight / count));
        }
        Evaluation { loss: loss / f64::from(count), errors, curvature }
    }
}

impl Curvature {
    /// Of the softmax with these probabilities, whose Hessian by the scores is `diag(p) - p pᵀ`.
    fn of(self, probabilities: &[f32], label: usize) -> f32 {
        match self {
            Curvature::AlongErrors => curvature_along_errors(probabilities, label),
            Curvature::Mean => {
                probabilities.iter().map(|p| p * (1.0 - p)).sum::<f32>() / (probabilities.len() - 1) as f32
            }
        }
    }
}

/// The Rayleigh quotient of the Hessian and the errors `p - e`, `e` being 1 at `label`.
fn curvature_along_errors(probabilities: &[f32], label: usize) -> f32 {
    let (mut squared, mut along, mut weighted) = (0.0, 0.0, 0.0);
    for (class, &p) in probabilities.iter().enumerate() {
        let error = if class == label { p - 1.0 } else { p };
        squared += error * error;
        along += p * error;
        weighted += p * error * error;
    }
    if squared > f32::MIN_POSITIVE { (weighted - along * along) / squared } else { 0.0 }
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

/// Replaces scores by probabilities and returns the cross-entropy at `label`, in nats.
///
/// Where `label` scores highest, the loss is `ln(1 + rest)` over the other classes, which keeps what `1 - p` would
/// round away.
pub(crate) fn softmax_with_loss(scores: &mut [f32], label: usize) -> f64 {
    let largest = scores.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let below = f64::from(largest) - f64::from(scores[label]);
    scores.iter_mut().for_each(|score| *score = (*score - largest).exp());
    let sum: f32 = scores.iter().sum();
    let others: f64 =
        scores.iter().enumerate().filter(|&(class, _)| class != label).map(|(_, &x)| f64::from(x)).sum();
    let loss = if below == 0.0 { others.ln_1p() } else { below + (others + (-below).exp()).ln() };
    scores.iter_mut().for_each(|score| *score /= sum);
    loss
}

#[cfg(test)]
mod tests {
    use engraft_testing::noise;

    use super::*;

    #[test]
    fn errors_are_the_derivative_of_the_loss() {
        let targets = Targets::new(vec![0, 2, 1, 0, 0, 0], 3, Weighting::Automatic);
        assert_ne!(targets.weights[0], targets.weights[1]);
        let (scores, bias) = (noise(1, 18), noise(2, 3));
        let errors = targets.evaluate(&scores, &bias, Curvature::Mean).errors;
        for (index, error) in errors.iter().enumerate() {
            let shifted = |by: f32| {
                let mut scores = scores.clone();
                scores[index] += by;
                targets.evaluate(&scores, &bias, Curvature::Mean).loss
            };
            let slope = (shifted(1e-2) - shifted(-1e-2)) / 2e-2;
            // The third derivative times the square of the step.
            assert!((slope - f64::from(*error)).abs() < 1e-5, "score {index}: {slope} against {error}");
        }
    }

    #[test]
    fn both_curvatures_of_two_classes_are_the_same() {
        for p in [0.5f32, 0.1, 0.999] {
            let [along, mean] =
                [Curvature::AlongErrors, Curvature::Mean].map(|kind| kind.of(&[p, 1.0 - p], 0));
            assert!((along - mean).abs() < 1e-6 && (mean - 2.0 * p * (1.0 - p)).abs() < 1e-6, "{p}");
        }
        // Of three classes, two share all of the probability: the third has no part in it.
        let along = Curvature::AlongErrors.of(&[0.25, 0.75, 0.0], 0);
        assert!((along - 0.375).abs() < 1e-6, "{along}");
    }

    #[test]
    fn imbalance_above_three_is_weighted() {
        let weights = |labels: &[usize], weighting| Targets::new(labels.to_vec(), 2, weighting).weights;
        assert_eq!(weights(&[0, 0, 0, 1], Weighting::Automatic), [1.0; 4]);
        assert_eq!(weights(&[0, 0, 0, 0, 1], Weighting::Automatic), [0.625, 0.625, 0.625, 0.625, 2.5]);
        assert_eq!(weights(&[0, 0, 1], Weighting::Balanced), [0.75, 0.75, 1.5]);
        assert_eq!(weights(&[0, 0, 0, 0, 1], Weighting::Classes(&[2.0, 0.5])), [2.0, 2.0, 2.0, 2.0, 0.5]);
    }

    #[test]
    fn huge_scores_neither_overflow_nor_vanish() {
        let loss = |scores: &[f32], label| softmax_with_loss(&mut scores.to_vec(), label);
        assert_eq!(loss(&[1e30, 0.0], 0), 0.0);
        assert_eq!(loss(&[1000.0, 0.0], 1), 1000.0);
        assert!((loss(&[30.0, 0.0], 0) - (-30f64).exp()).abs() < 1e-19);
        assert!((loss(&[1.0, 1.0, 1.0], 1) - 3f64.ln()).abs() < 1e-15);
        let mut scores = [f32::MAX, -f32::MAX, 0.0];
        softmax(&mut scores);
        assert_eq!(scores, [1.0, 0.0, 0.0]);
    }
}
