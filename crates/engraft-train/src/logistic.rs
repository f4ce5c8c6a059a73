//! Multinomial logistic regression with an L2 penalty.
//!
//! Minimises `mean(weight * cross-entropy) + l2 / 2 * |W|²` over weights `W` and an unpenalised bias, on features
//! standardised by the training rows. With `n` rows that is scikit-learn's `LogisticRegression` at `C = 1 / (n l2)`.

mod descent;
mod loss;
mod space;

pub(crate) use descent::{Descent, Optimum, Point};
pub(crate) use loss::{Targets, cross_entropy, softmax};
pub(crate) use space::{Space, cheaper_space};

use crate::{Error, Features, LinearHead, features::Standardisation, matrix::Matrix};

/// A head at the optimum, and what it reached.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The head.
    pub head: LinearHead,
    /// Mean cross-entropy in nats, plus the penalty.
    pub objective: f64,
    /// Estimate of how far `objective` is above its minimum.
    pub excess: f64,
}

/// The stated accuracy of a fit: its objective is within this part of the minimum, where single precision allows.
pub const TOLERANCE: f64 = 1e-8;

/// Fits a head to all rows. Classes are weighted so that each counts the same where the largest has more than three
/// times the rows of the smallest. A class without rows gets probability zero.
///
/// # Errors
/// If labels and rows do not match, fewer than two classes have rows, or `l2` is not a positive number.
pub fn fit(features: Features<'_>, labels: &[usize], classes: usize, l2: f64) -> Result<Fit, Error> {
    check_labels(features.len(), labels, classes)?;
    if !(l2.is_finite() && l2 > 0.0) {
        return Err(Error::Strength { found: l2 });
    }
    let rows: Vec<usize> = (0..features.len()).collect();
    let present = present_classes(labels.iter().copied(), classes);
    let standardisation = Standardisation::of(features, &rows);
    let train = standardisation.apply(features, &rows);
    let space = cheaper_space(train.clone(), Vec::new(), features.dim());
    let targets = Targets::new(compress(labels.iter().copied(), &present), present.len());
    let descent = Descent { space: space.as_ref(), targets: &targets, l2, tolerance: TOLERANCE };
    let Optimum { point, objective, excess } = descent.run(Point::zero(space.as_ref(), &targets));
    let weights = space.feature_weights(point.weights, Matrix::new(&train, features.dim()), targets.classes);
    let head = LinearHead::from_parts(standardisation, &weights, &point.bias, &present, classes);
    Ok(Fit { head, objective, excess })
}

/// Checks that each row has a label of an existing class, and that there is something to tell apart.
pub(crate) fn check_labels(rows: usize, labels: &[usize], classes: usize) -> Result<(), Error> {
    if labels.len() != rows {
        return Err(Error::Count { what: "labels", expected: rows, found: labels.len() });
    }
    if let Some(row) = labels.iter().position(|&label| label >= classes) {
        return Err(Error::Label { row, label: labels[row], classes });
    }
    match present_classes(labels.iter().copied(), classes).len() {
        found @ 0..=1 => Err(Error::TooFewClasses { found }),
        _ => Ok(()),
    }
}

/// The classes that occur, ascending.
pub(crate) fn present_classes(labels: impl Iterator<Item = usize>, classes: usize) -> Vec<usize> {
    let mut seen = vec![false; classes];
    labels.for_each(|label| seen[label] = true);
    (0..classes).filter(|&class| seen[class]).collect()
}

/// Labels as positions in `present`, which holds them all.
pub(crate) fn compress(labels: impl Iterator<Item = usize>, present: &[usize]) -> Vec<usize> {
    labels.map(|label| present.partition_point(|&class| class < label)).collect()
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Golden, Tolerance, assert_close, noise};

    use super::*;

    const PROBLEMS: [&str; 7] =
        ["wide", "tall", "two_classes", "seven_classes", "weighted", "weighted_wide", "separable"];

    fn fit_golden(golden: &Golden, problem: &str, l2: f64) -> (Fit, Vec<f32>) {
        let values = golden.f32(&format!("{problem}/features"));
        let features = Features::new(&values, golden.shape(&format!("{problem}/features"))[1]).unwrap();
        let labels = golden.usize(&format!("{problem}/labels"));
        let fit = fit(features, &labels, labels.iter().max().unwrap() + 1, l2).unwrap();
        let probabilities = (0..features.len()).flat_map(|row| fit.head.probabilities(features.row(row))).collect();
        (fit, probabilities)
    }

    #[test]
    fn optima_equal_the_reference_solver() {
        let golden = Golden::open("head/logistic");
        for problem in PROBLEMS {
            let objectives = golden.f64(&format!("{problem}/objectives"));
            let probabilities = golden.f32(&format!("{problem}/probabilities"));
            let per_strength = probabilities.len() / objectives.len();
            for (index, &l2) in golden.f64("strengths").iter().enumerate() {
                let (fit, found) = fit_golden(&golden, problem, l2);
                let want = objectives[index];
                println!("{problem} {l2:e}: {} {want} rel {:e} excess {:e}", fit.objective, (fit.objective-want)/want, fit.excess/want);
                let want = &probabilities[index * per_strength..][..per_strength];
                let worst = found.iter().zip(want).map(|(a,b)| (a-b).abs()).fold(0.0, f32::max);
                println!("   worst probability {worst:e}");
            }
        }
        panic!();
    }
}
