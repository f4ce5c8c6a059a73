//! What heads of one strength predicted for images they had not seen, and which of several outcomes is best.

/// Strengths in a row without better accuracy that end the first pass.
pub(super) const PATIENCE: usize = 2;
/// Part of the loss at the strongest penalty that shows that something was learned.
const WELL_BELOW: f64 = 0.9;

/// The out-of-fold predictions at one strength.
pub(super) struct Outcome {
    pub strength: usize,
    /// Sum over held-out images, in nats.
    pub loss: f64,
    pub predicted: Vec<Option<usize>>,
}

impl Outcome {
    pub fn accuracy(&self, labels: &[usize]) -> f64 {
        let scored = self.predicted.iter().flatten().count();
        self.right(labels) as f64 / scored as f64
    }

    /// Number of images predicted right.
    pub fn right(&self, labels: &[usize]) -> usize {
        let pairs = self.predicted.iter().zip(labels);
        pairs.filter(|&(&predicted, &label)| predicted == Some(label)).count()
    }
}

/// The first of the outcomes with the most right predictions.
pub(super) fn most_accurate(outcomes: &[Outcome], labels: &[usize]) -> usize {
    let accuracy = |index: usize| outcomes[index].accuracy(labels);
    (1..outcomes.len()).fold(0, |best, index| if accuracy(index) > accuracy(best) { index } else { best })
}

/// Whether [`PATIENCE`] strengths in a row brought no better accuracy, once the loss is well below that of the
/// strongest penalty: before that the accuracy may rest for decades.
pub(super) fn past_the_best(tried: &[Outcome], labels: &[usize]) -> bool {
    let learned = tried.iter().any(|outcome| outcome.loss < WELL_BELOW * tried[0].loss);
    learned && tried.len() > most_accurate(tried, labels) + PATIENCE
}

/// The first candidate unless the best is better by more than one standard error, else the best.
///
/// Source: McNemar's test of paired answers, with the continuity correction of Edwards, Psychometrika 13 (1948).
pub(super) fn first_or_best(outcomes: &[Outcome], labels: &[usize]) -> usize {
    let best = most_accurate(outcomes, labels);
    let right = |outcome: &Outcome, image: usize| outcome.predicted[image] == Some(labels[image]);
    let differs = |image: &usize| right(&outcomes[best], *image) != right(&outcomes[0], *image);
    let different: Vec<usize> = (0..labels.len()).filter(differs).collect();
    let gained = different.iter().filter(|&&image| right(&outcomes[best], image)).count() as f64;
    let lost = different.len() as f64 - gained;
    if gained - lost - 1.0 > (gained + lost).sqrt() { best } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_outcomes_is_taken() {
        let outcome = |strength, predicted: [usize; 2]| Outcome {
            strength,
            loss: 0.0,
            predicted: predicted.map(Some).to_vec(),
        };
        let outcomes = [outcome(9, [1, 1]), outcome(8, [0, 0]), outcome(7, [0, 0]), outcome(6, [1, 0])];
        assert_eq!(most_accurate(&outcomes, &[0, 0]), 1);
    }

    #[test]
    fn an_image_or_two_decide_nothing() {
        // Images that only the second of two candidates gets right, those that only the first does, and the choice.
        for (gained, lost, want) in
            [(0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 1), (4, 1, 0), (5, 1, 1), (9, 5, 0)]
        {
            let outcome = |classes: [usize; 2]| {
                let predicted = [vec![Some(classes[0]); lost], vec![Some(classes[1]); gained]].concat();
                Outcome { strength: 0, loss: 0.0, predicted }
            };
            let [first, second] = [outcome([0, 1]), outcome([1, 0])];
            let labels = vec![0; gained + lost];
            assert_eq!(first_or_best(&[first, second], &labels), want, "{gained} gained, {lost} lost");
        }
    }
}
