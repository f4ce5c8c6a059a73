//! A linear classifier on feature rows.

use crate::{Error, features::Standardisation, logistic::softmax};

/// Standardises a feature row and scores it against each class.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearHead {
    standardisation: Standardisation,
    /// `[dim, classes]`
    weight: Vec<f32>,
    /// `[classes]`
    bias: Vec<f32>,
}

/// Bias of a class that was never trained: its probability is zero beside any score.
const UNTRAINED_BIAS: f32 = -1e30;

impl LinearHead {
    /// A head from stored tensors: `mean` and `scale` `[dim]`, `weight` `[dim, classes]`, `bias` `[classes]`.
    ///
    /// # Errors
    /// If the lengths do not agree, a value is not finite, or a scale is not positive.
    pub fn new(
        mean: Vec<f32>,
        scale: Vec<f32>,
        weight: Vec<f32>,
        bias: Vec<f32>,
    ) -> Result<LinearHead, Error> {
        check_count("feature scales", mean.len(), scale.len())?;
        check_count("head weights", mean.len() * bias.len(), weight.len())?;
        let finite = [&mean, &scale, &weight, &bias].into_iter().flatten().all(|value| value.is_finite());
        if !finite || bias.is_empty() || mean.is_empty() || scale.iter().any(|&scale| scale <= 0.0) {
            return Err(Error::Head);
        }
        Ok(LinearHead { standardisation: Standardisation { mean, scale }, weight, bias })
    }

    /// A head whose `weight` `[dim, present]` and `bias` `[present]` cover the classes `present` of `classes`.
    pub(crate) fn from_parts(
        standardisation: Standardisation,
        weight: &[f32],
        bias: &[f32],
        present: &[usize],
        classes: usize,
    ) -> LinearHead {
        let spread = |row: &[f32], absent: f32| {
            let mut full = vec![absent; classes];
            row.iter().zip(present).for_each(|(&value, &class)| full[class] = value);
            full
        };
        LinearHead {
            weight: weight.chunks_exact(present.len()).flat_map(|row| spread(row, 0.0)).collect(),
            bias: spread(bias, UNTRAINED_BIAS),
            standardisation,
        }
    }

    /// Number of features of a row.
    pub fn dim(&self) -> usize {
        self.mean().len()
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.bias.len()
    }

    /// Mean of each feature over the training rows, `[dim]`.
    pub fn mean(&self) -> &[f32] {
        &self.standardisation.mean
    }

    /// Divisor of each feature, `[dim]`, all positive.
    pub fn scale(&self) -> &[f32] {
        &self.standardisation.scale
    }

    /// Weights for standardised features, `[dim, classes]`.
    pub fn weight(&self) -> &[f32] {
        &self.weight
    }

    /// Bias of each class, `[classes]`.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// The probability of each class, in one fixed order of summation: equal heads give equal bits.
    ///
    /// # Panics
    /// If `row` has not [`dim`](Self::dim) features.
    pub fn probabilities(&self, row: &[f32]) -> Vec<f32> {
        assert_eq!(row.len(), self.dim(), "a row has one value per feature");
        let mut scores = self.bias.clone();
        let features = self.standardisation.standardised(row);
        for (feature, weights) in features.zip(self.weight.chunks_exact(self.bias.len())) {
            scores.iter_mut().zip(weights).for_each(|(score, weight)| *score += feature * weight);
        }
        softmax(&mut scores);
        scores
    }

    /// The mean probability of each class over `rows` `[views, dim]`, the views of one image.
    ///
    /// # Panics
    /// If `rows` is empty or has not whole rows.
    pub fn mean_probabilities(&self, rows: &[f32]) -> Vec<f32> {
        assert!(!rows.is_empty(), "an image has one row at least");
        let mut mean = vec![0.0; self.bias.len()];
        for row in rows.chunks(self.dim()) {
            mean.iter_mut().zip(self.probabilities(row)).for_each(|(sum, p)| *sum += p);
        }
        let views = (rows.len() / self.dim()) as f32;
        mean.iter_mut().for_each(|sum| *sum /= views);
        mean
    }

    /// The most probable class of the mean over `rows` `[views, dim]`; the first of equals.
    ///
    /// # Panics
    /// As [`mean_probabilities`](Self::mean_probabilities).
    pub fn predict(&self, rows: &[f32]) -> usize {
        most_probable(&self.mean_probabilities(rows))
    }
}

/// The index of the largest value; the first of equals.
pub(crate) fn most_probable(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, index| if values[index] > values[best] { index } else { best })
}

fn check_count(what: &'static str, expected: usize, found: usize) -> Result<(), Error> {
    if expected == found { Ok(()) } else { Err(Error::Count { what, expected, found }) }
}

#[cfg(test)]
mod tests {
    use engraft_testing::noise;

    use super::*;
    use crate::{Features, Silent, Weighting, fit};

    #[test]
    fn several_views_are_judged_by_their_mean() {
        let head = LinearHead::new(vec![0.0], vec![1.0], vec![1.0, -1.0], vec![0.0, 0.0]).unwrap();
        assert_eq!(head.mean_probabilities(&[0.7]), head.probabilities(&[0.7]));
        let (sure, unsure) = (head.probabilities(&[3.0]), head.probabilities(&[-0.5]));
        let mean = head.mean_probabilities(&[3.0, -0.5, -0.5]);
        let want = (sure[0] + 2.0 * unsure[0]) / 3.0;
        assert!((mean[0] - want).abs() < 1e-6, "{mean:?}, want {want}");
        assert_eq!((head.predict(&[-0.5]), head.predict(&[3.0, -0.5, -0.5])), (1, 0));
    }

    #[test]
    fn a_head_from_its_own_tensors_predicts_the_same_bits() {
        let values = noise(1, 60);
        let features = Features::new(&values, 6).unwrap();
        let head = fit(features, &[0, 1, 2, 0, 1, 2, 0, 1, 2, 0], 4, Weighting::Automatic, 0.01, &Silent)
            .unwrap()
            .head;
        let tensors = [head.mean(), head.scale(), head.weight(), head.bias()].map(<[f32]>::to_vec);
        let [mean, scale, weight, bias] = tensors;
        let reloaded = LinearHead::new(mean, scale, weight, bias).unwrap();
        for row in 0..features.len() {
            assert_eq!(head.probabilities(features.row(row)), reloaded.probabilities(features.row(row)));
            assert_eq!(head.predict(features.row(row)), [0, 1, 2][row % 3]);
        }
    }

    #[test]
    fn broken_tensors_are_refused() {
        let ones = |count: usize| vec![1.0; count];
        assert!(matches!(LinearHead::new(ones(2), ones(1), ones(4), ones(2)), Err(Error::Count { .. })));
        assert!(matches!(LinearHead::new(ones(2), ones(2), ones(3), ones(2)), Err(Error::Count { .. })));
        for (scale, weight) in [(0.0, 1.0), (1.0, f32::NAN), (f32::INFINITY, 1.0)] {
            let head = LinearHead::new(ones(1), vec![scale], vec![weight], ones(1));
            assert!(matches!(head, Err(Error::Head)), "scale {scale}, weight {weight}");
        }
    }
}
