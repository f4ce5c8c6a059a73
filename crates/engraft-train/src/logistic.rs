//! Multinomial logistic regression with an L2 penalty.
//!
//! Minimises `mean(weight * cross-entropy) + l2 / 2 * |W|²` over weights `W` and an unpenalised bias, on features
//! standardised by the training rows. With `n` rows that is scikit-learn's `LogisticRegression` at `C = 1 / (n l2)`.

mod descent;
mod loss;
mod space;

pub(crate) use descent::{Descent, Optimum, Point};
pub(crate) use loss::{Targets, softmax, softmax_with_loss};
pub(crate) use space::{Space, cheaper_space};

use crate::{Error, Features, LinearHead, features::Standardisation, matrix::Matrix};

/// A head at the optimum, and what it reached.
#[derive(Clone, Debug)]
pub struct Solution {
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
pub fn fit(features: Features<'_>, labels: &[usize], classes: usize, l2: f64) -> Result<Solution, Error> {
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
    Ok(Solution { head, objective, excess })
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

    fn fit_golden(golden: &Golden, problem: &str, l2: f64) -> (Solution, Vec<f32>) {
        let values = golden.f32(&format!("{problem}/features"));
        let features = Features::new(&values, golden.shape(&format!("{problem}/features"))[1]).unwrap();
        let labels = golden.usize(&format!("{problem}/labels"));
        let fit = fit(features, &labels, labels.iter().max().unwrap() + 1, l2).unwrap();
        let probabilities =
            (0..features.len()).flat_map(|row| fit.head.probabilities(features.row(row))).collect();
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
                // The weakest penalty leaves directions that single precision cannot tell apart.
                let (objective_part, probability) = if l2 < 1e-5 { (2e-4, 2e-3) } else { (1e-6, 2e-4) };
                let (want, name) = (objectives[index], format!("{problem} at {l2:e}"));
                let difference = (fit.objective - want).abs();
                assert!(difference <= objective_part * want, "{name}: {} against {want}", fit.objective);
                let want = &probabilities[index * per_strength..][..per_strength];
                assert_close(&found, want, Tolerance::abs(probability));
            }
        }
    }

    #[test]
    fn both_spaces_have_the_same_optimum() {
        let (dim, classes) = (20, 3);
        let train = noise(4, 30 * dim);
        let labels: Vec<usize> = (0..30).map(|row| row % classes).collect();
        let targets = Targets::new(labels, classes);
        let rows = Matrix::new(&train, dim);
        let spaces: [Box<dyn Space>; 2] = [
            Box::new(space::RowSpace::new(rows, Matrix::new(&train, dim))),
            Box::new(space::WeightSpace::new(train.clone(), train.clone(), dim)),
        ];
        let [by_rows, by_features] = spaces.map(|space| {
            let descent = Descent { space: space.as_ref(), targets: &targets, l2: 0.1, tolerance: 1e-9 };
            let weights = descent.run(Point::zero(space.as_ref(), &targets)).point.weights;
            assert_close(
                &space.held_out_scores(&weights, classes),
                &space.scores(&weights, classes),
                Tolerance::EXACT,
            );
            space.feature_weights(weights, rows, classes)
        });
        // Weights of about 0.1, known to the square root of the tolerance.
        assert_close(&by_rows, &by_features, Tolerance::abs(1e-4));
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_objective() {
        let (rows, dim, classes, l2) = (9, 4, 3, 0.3);
        let train = noise(5, rows * dim);
        let targets = Targets::new((0..rows).map(|row| row % classes).collect(), classes);
        let space = cheaper_space(train, Vec::new(), dim);
        let weights = noise(6, dim * classes);
        let objective = |weights: &[f32]| {
            let loss = targets.evaluate(&space.scores(weights, classes), &[0.0; 3]).loss;
            loss + l2 / 2.0 * weights.iter().map(|&w| f64::from(w * w)).sum::<f64>()
        };
        let errors = targets.evaluate(&space.scores(&weights, classes), &[0.0; 3]).errors;
        let gradient = space.gradient(&errors, classes);
        for index in 0..weights.len() {
            let shifted = |by: f32| {
                let mut weights = weights.clone();
                weights[index] += by;
                objective(&weights)
            };
            let slope = (shifted(1e-2) - shifted(-1e-2)) / 2e-2;
            let found = f64::from(gradient[index]) + l2 * f64::from(weights[index]);
            assert!((slope - found).abs() < 1e-4, "weight {index}: {found} against {slope}");
        }
    }

    #[test]
    fn degenerate_rows_still_give_probabilities() {
        let identical = [1.0; 12];
        let scales: Vec<f32> =
            noise(7, 12).iter().enumerate().map(|(i, x)| x * [1e-18, 1e18, 1.0][i % 3]).collect();
        for (name, values, labels) in [
            ("one row a class", vec![0.0, 1.0, 5.0, 2.0], vec![0, 1]),
            ("constant features", identical.to_vec(), vec![0, 1, 0, 0]),
            ("scales", scales, vec![0, 1, 1, 0]),
            ("separable", vec![-1.0, 1.0], vec![0, 1]),
        ] {
            let dim = values.len() / labels.len();
            for l2 in [1e-6, 1.0, 1e5] {
                let features = Features::new(&values, dim).unwrap();
                let head = fit(features, &labels, 3, l2).unwrap().head;
                for row in 0..labels.len() {
                    let probabilities = head.probabilities(features.row(row));
                    let sum: f32 = probabilities.iter().sum();
                    assert!(
                        (sum - 1.0).abs() < 1e-6 && probabilities[2] == 0.0,
                        "{name} at {l2}: {probabilities:?}"
                    );
                }
            }
        }
        let constant = fit(Features::new(&identical, 3).unwrap(), &[0, 1, 0, 0], 2, 1.0).unwrap().head;
        assert_close(&constant.probabilities(&[1.0; 3]), &[0.75, 0.25], Tolerance::abs(1e-4));
    }

    #[test]
    fn bad_input_is_refused() {
        let features = Features::new(&[1.0, 2.0, 3.0], 1).unwrap();
        assert!(matches!(fit(features, &[0, 1], 2, 1.0), Err(Error::Count { .. })));
        assert!(matches!(
            fit(features, &[0, 1, 2], 2, 1.0),
            Err(Error::Label { row: 2, label: 2, classes: 2 })
        ));
        assert!(matches!(fit(features, &[1, 1, 1], 2, 1.0), Err(Error::TooFewClasses { found: 1 })));
        for l2 in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(fit(features, &[0, 1, 1], 2, l2), Err(Error::Strength { .. })));
        }
    }
}
