//! Figures from true and predicted classes, equal to scikit-learn's on the same predictions.

use serde::{Deserialize, Serialize};

use crate::Error;

/// How well predictions agree with the truth. All shares are in 0..=1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Share of right predictions.
    pub accuracy: f64,
    /// Wilson's 95 % interval of the accuracy, low and high.
    pub ci95: [f64; 2],
    /// Mean F1 of all classes; one that neither stands in the truth nor is predicted counts as 0, as in
    /// scikit-learn with `labels` given and `zero_division=0`.
    pub macro_f1: f64,
    /// The accuracy of always naming the most frequent true class.
    pub majority_baseline: f64,
    /// Figures of each class, in class order.
    pub per_class: Vec<ClassScore>,
    /// Images by true class (rows) and predicted class (columns), in class order.
    pub confusion: Vec<Vec<usize>>,
}

/// The figures of one class; a share without a denominator is 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// Name of the class.
    pub class: String,
    /// Share of the images predicted as this class that are of it.
    pub precision: f64,
    /// Share of the images of this class that are predicted as it.
    pub recall: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Images of this class.
    pub support: usize,
}

/// A way of being wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// The true class.
    pub truth: usize,
    /// The class predicted instead.
    pub predicted: usize,
    /// How many images.
    pub images: usize,
}

impl Score {
    /// Judges predictions, given as positions in `classes`.
    ///
    /// # Errors
    /// If there is no image, the lists differ in length, or a position stands for no class.
    pub fn new(truth: &[usize], predicted: &[usize], classes: &[String]) -> Result<Score, Error> {
        check(truth, predicted, classes.len())?;
        let mut confusion = vec![vec![0; classes.len()]; classes.len()];
        truth.iter().zip(predicted).for_each(|(&truth, &predicted)| confusion[truth][predicted] += 1);
        let per_class: Vec<_> =
            (0..classes.len()).map(|class| class_score(&confusion, class, classes)).collect();
        let right: usize = (0..classes.len()).map(|class| confusion[class][class]).sum();
        let most_frequent = per_class.iter().map(|class| class.support).max().unwrap_or(0);
        Ok(Score {
            accuracy: share(right, truth.len()),
            ci95: wilson_interval(right, truth.len()),
            macro_f1: per_class.iter().map(|class| class.f1).sum::<f64>() / classes.len() as f64,
            majority_baseline: share(most_frequent, truth.len()),
            per_class,
            confusion,
        })
    }

    /// Number of images judged.
    pub fn images(&self) -> usize {
        self.per_class.iter().map(|class| class.support).sum()
    }

    /// Every pair of classes that was confused, the most frequent first, then in class order.
    pub fn confusions(&self) -> Vec<Confusion> {
        let mut confusions = Vec::new();
        for (truth, row) in self.confusion.iter().enumerate() {
            let wrong =
                row.iter().enumerate().filter(|&(predicted, &images)| predicted != truth && images > 0);
            confusions.extend(wrong.map(|(predicted, &images)| Confusion { truth, predicted, images }));
        }
        confusions.sort_by_key(|confusion| std::cmp::Reverse(confusion.images));
        confusions
    }
}

/// Wilson's 95 % score interval for `successes` of `trials`, low and high; `[0, 1]` without trials.
///
/// Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927); the figures
/// are those of `scipy.stats.binomtest(..).proportion_ci(method="wilson")`.
pub fn wilson_interval(successes: usize, trials: usize) -> [f64; 2] {
    /// The 97.5 % point of the standard normal distribution.
    const Z: f64 = 1.959_963_984_540_054;
    if trials == 0 {
        return [0.0, 1.0];
    }
    let (n, p) = (trials as f64, share(successes, trials));
    let centre = p + Z * Z / (2.0 * n);
    let reach = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    let low = if successes == 0 { 0.0 } else { (centre - reach) / scale };
    let high = if successes == trials { 1.0 } else { (centre + reach) / scale };
    [low, high]
}

fn class_score(confusion: &[Vec<usize>], class: usize, classes: &[String]) -> ClassScore {
    let right = confusion[class][class];
    let support: usize = confusion[class].iter().sum();
    let named: usize = confusion.iter().map(|row| row[class]).sum();
    ClassScore {
        class: classes[class].clone(),
        precision: share(right, named),
        recall: share(right, support),
        f1: share(2 * right, named + support),
        support,
    }
}

/// `part / whole`, 0 where there is no whole.
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn check(truth: &[usize], predicted: &[usize], classes: usize) -> Result<(), Error> {
    if truth.is_empty() {
        return Err(Error::NothingToJudge);
    }
    if truth.len() != predicted.len() {
        return Err(Error::Count { what: "predictions", expected: truth.len(), found: predicted.len() });
    }
    for list in [truth, predicted] {
        if let Some(row) = list.iter().position(|&label| label >= classes) {
            return Err(Error::Label { row, label: list[row], classes });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use engraft_testing::Golden;

    use super::*;

    fn close(got: f64, want: f64) -> bool {
        (got - want).abs() < 1e-12
    }

    #[test]
    fn figures_equal_scikit_learn() {
        let golden = Golden::open("metrics/scores");
        for case in ["five", "unseen", "perfect", "hundred"] {
            let [truth, predicted, confusion] =
                ["truth", "predicted", "confusion"].map(|name| golden.usize(&format!("{case}/{name}")));
            let count = golden.shape(&format!("{case}/confusion"))[0];
            let classes: Vec<String> = (0..count).map(|class| class.to_string()).collect();
            let score = Score::new(&truth, &predicted, &classes).unwrap();
            assert_eq!(score.confusion.concat(), confusion, "{case}");
            let [accuracy, low, high, macro_f1, majority] = golden.f64(&format!("{case}/summary"))[..] else {
                panic!("{case}: five figures");
            };
            let found =
                [score.accuracy, score.ci95[0], score.ci95[1], score.macro_f1, score.majority_baseline];
            for (found, want) in found.into_iter().zip([accuracy, low, high, macro_f1, majority]) {
                assert!(close(found, want), "{case}: {found} against {want}");
            }
            for (class, want) in
                score.per_class.iter().zip(golden.f64(&format!("{case}/per_class")).chunks(4))
            {
                let found = [class.precision, class.recall, class.f1, class.support as f64];
                assert!(
                    found.iter().zip(want).all(|(&a, &b)| close(a, b)),
                    "{case}: {class:?} against {want:?}"
                );
            }
        }
    }

    #[test]
    fn the_most_confused_pair_comes_first() {
        let names = ["a", "b", "c"].map(str::to_owned);
        let score = Score::new(&[0, 0, 1, 2, 2, 2], &[1, 0, 0, 1, 1, 2], &names).unwrap();
        let pair = |truth, predicted, images| Confusion { truth, predicted, images };
        assert_eq!(score.confusions(), [pair(2, 1, 2), pair(0, 1, 1), pair(1, 0, 1)]);
    }

    #[test]
    fn json_keys_are_the_contract() {
        let score = Score::new(&[0], &[0], &["a".to_owned()]).unwrap();
        let json = serde_json::to_value(&score).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "accuracy": 1.0, "ci95": [score.ci95[0], 1.0], "macro_f1": 1.0, "majority_baseline": 1.0,
                "per_class": [{"class": "a", "precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}],
                "confusion": [[1]],
            })
        );
    }

    #[test]
    fn mismatched_lists_are_errors() {
        let names = ["a".to_owned()];
        assert!(matches!(Score::new(&[], &[], &names), Err(Error::NothingToJudge)));
        assert!(matches!(Score::new(&[0], &[0, 0], &names), Err(Error::Count { .. })));
        assert!(matches!(Score::new(&[0], &[1], &names), Err(Error::Label { label: 1, .. })));
    }
}
