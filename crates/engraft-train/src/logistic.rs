//! Multinomial logistic regression with an L2 penalty.
//!
//! Minimises `mean(weight * cross-entropy) + l2 / 2 * |W|²` over weights `W` and an unpenalised bias, on features
//! standardised by the training rows. With `n` rows that is scikit-learn's `LogisticRegression` at `C = 1 / (n l2)`.

mod descent;
mod loss;
mod space;

pub(crate) use descent::{Descent, Optimum, Point};
pub use loss::Weighting;
pub(crate) use loss::{Curvature, Targets, softmax, softmax_with_loss};
pub(crate) use space::{Preconditioner, RowSpace, SharedRows, Space, WeightSpace, rows_are_cheaper};

use crate::{
    Error, Features, LinearHead, Progress,
    features::Standardisation,
    matrix::{Matrix, multiply},
};

/// A head at the optimum, and what it reached.
#[derive(Clone, Debug)]
pub struct FittedHead {
    /// The head.
    pub head: LinearHead,
    /// Mean cross-entropy in nats, plus the penalty.
    pub objective: f64,
    /// Estimate of how far `objective` is above its minimum.
    pub excess: f64,
}

/// The stated accuracy of a fit: its objective is within this part of the minimum, where single precision allows.
pub const TOLERANCE: f64 = 1e-8;

/// Fits a head to all rows, weighted by their classes. A class without rows gets probability zero.
///
/// # Errors
/// If labels, rows and weights do not match, fewer than two classes have rows, `l2` or a weight is not a positive number, or
/// [`Error::Interrupted`] if `progress`, which is told of no steps, says so.
pub fn fit(
    features: Features<'_>,
    labels: &[usize],
    classes: usize,
    weighting: Weighting,
    l2: f64,
    progress: &dyn Progress,
) -> Result<FittedHead, Error> {
    check_labels(features.len(), labels, classes)?;
    check_weights(weighting, classes)?;
    if !(l2.is_finite() && l2 > 0.0) {
        return Err(Error::Strength { found: l2 });
    }
    let present = present_classes(labels.iter().copied(), classes);
    let targets = targets(labels.iter().copied(), &present, weighting);
    let problem = Problem { targets: &targets, l2, progress };
    let (standardisation, weights, optimum) = if features.len() < features.dim() {
        problem.by_rows(features)
    } else {
        problem.by_weights(features)
    };
    if progress.is_cancelled() {
        return Err(Error::Interrupted);
    }
    let head = LinearHead::from_parts(standardisation, &weights, &optimum.point.bias, &present, classes);
    Ok(FittedHead { head, objective: optimum.objective, excess: optimum.excess })
}

/// What is to be solved, whatever the space.
struct Problem<'a> {
    targets: &'a Targets,
    l2: f64,
    progress: &'a dyn Progress,
}

impl Problem<'_> {
    /// The standardisation of the rows, the optimal weights `[d, classes]`, and the optimum they belong to.
    fn by_rows(&self, features: Features<'_>) -> (Standardisation, Vec<f32>, Optimum) {
        let all: Vec<usize> = (0..features.len()).collect();
        let standardisation = Standardisation::of(features, &all);
        let rows = standardisation.apply(features, &all);
        let rows = Matrix::new(&rows, features.dim());
        let optimum = self.optimum(&RowSpace::new(rows, Matrix::new(&[], features.dim())));
        let weights = multiply(rows.transposed(), Matrix::new(&optimum.point.weights, self.targets.classes));
        (standardisation, weights, optimum)
    }

    /// The same as [`Problem::by_rows`], cheaper where rows outnumber features.
    fn by_weights(&self, features: Features<'_>) -> (Standardisation, Vec<f32>, Optimum) {
        let shared = SharedRows::new(features);
        let optimum = self.optimum(&WeightSpace::of_all(&shared));
        (shared.standardisation, optimum.point.weights.clone(), optimum)
    }

    /// Goes most of the way by the curvature that the steps follow, and the rest by the one that says when to stop.
    fn optimum(&self, space: &dyn Space) -> Optimum {
        let &Problem { targets, l2, progress } = self;
        let descend = |curvature, tolerance, start| {
            Descent { space, targets, l2, tolerance, curvature, progress }.run(start, None)
        };
        let near = descend(Curvature::AlongErrors, NEAR_TOLERANCE, Point::zero(space, targets));
        descend(Curvature::Mean, TOLERANCE, near.point)
    }
}

/// The accuracy at which a fit changes to the other curvature: far enough out for steps to be left to learn from.
const NEAR_TOLERANCE: f64 = 1e-3;

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

/// Checks that every class has a weight that makes sense.
pub(crate) fn check_weights(weighting: Weighting, classes: usize) -> Result<(), Error> {
    let Weighting::Classes(weights) = weighting else { return Ok(()) };
    if weights.len() != classes {
        return Err(Error::Count { what: "weights of classes", expected: classes, found: weights.len() });
    }
    match weights.iter().position(|weight| !(*weight > 0.0 && weight.is_finite())) {
        Some(class) => Err(Error::ClassWeight { class, found: weights[class] }),
        None => Ok(()),
    }
}

/// The targets of rows with these labels, all of them in `present`.
pub(crate) fn targets(
    labels: impl Iterator<Item = usize>,
    present: &[usize],
    weighting: Weighting,
) -> Targets {
    let labels = compress(labels, present);
    let Weighting::Classes(weights) = weighting else {
        return Targets::new(labels, present.len(), weighting);
    };
    let weights: Vec<f32> = present.iter().map(|&class| weights[class]).collect();
    Targets::new(labels, present.len(), Weighting::Classes(&weights))
}

/// The classes that occur, ascending.
pub(crate) fn present_classes(labels: impl Iterator<Item = usize>, classes: usize) -> Vec<usize> {
    let mut seen = vec![false; classes];
    labels.for_each(|label| seen[label] = true);
    (0..classes).filter(|&class| seen[class]).collect()
}

/// Labels as positions in `present`, which holds them all.
fn compress(labels: impl Iterator<Item = usize>, present: &[usize]) -> Vec<usize> {
    labels.map(|label| present.partition_point(|&class| class < label)).collect()
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Golden, Tolerance, assert_close, noise};

    use super::*;
    use crate::{Silent, progress::tests::Cancelled};

    const PROBLEMS: [&str; 10] = [
        "wide",
        "tall",
        "two_classes",
        "seven_classes",
        "weighted",
        "weighted_wide",
        "separable",
        "class_weights",
        "class_weights_wide",
        "class_weights_two",
    ];

    fn fit_golden(golden: &Golden, problem: &str, l2: f64) -> (FittedHead, Vec<f32>) {
        let values = golden.f32(&format!("{problem}/features"));
        let features = Features::new(&values, golden.shape(&format!("{problem}/features"))[1]).unwrap();
        let labels = golden.usize(&format!("{problem}/labels"));
        let weights = golden.names().contains(&format!("{problem}/class_weights"));
        let weights = weights.then(|| golden.f32(&format!("{problem}/class_weights")));
        let weighting = weights.as_deref().map_or(Weighting::Automatic, Weighting::Classes);
        let classes = labels.iter().max().unwrap() + 1;
        let fit = fit(features, &labels, classes, weighting, l2, &Silent).unwrap();
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

    fn descend(space: &dyn Space, targets: &Targets) -> Vec<f32> {
        let descent = Descent {
            space,
            targets,
            l2: 0.1,
            tolerance: 1e-9,
            curvature: Curvature::Mean,
            progress: &Silent,
        };
        descent.run(Point::zero(space, targets), None).point.weights
    }

    #[test]
    fn both_spaces_have_the_same_optimum_on_all_rows_and_on_a_fold() {
        let (rows, dim, classes) = (36, 20, 3);
        let values: Vec<f32> =
            noise(4, rows * dim).iter().enumerate().map(|(i, x)| 3.0 * x + (i % dim) as f32).collect();
        let features = Features::new(&values, dim).unwrap();
        let shared = SharedRows::new(features);
        let all = || (0..rows).collect::<Vec<usize>>();
        let (held_out, train): (Vec<_>, Vec<_>) = all().into_iter().partition(|row| row % 6 == 1);
        // Of each two rows of an image that is held out, the second is in neither list.
        let part: Vec<usize> = train.iter().copied().filter(|row| row % 6 != 2).collect();
        let neither = WeightSpace::of_fold(&shared, part.clone(), held_out.clone());
        for (name, by_weights, train, held_out) in [
            ("all", WeightSpace::of_all(&shared), all(), vec![]),
            ("fold", WeightSpace::of_fold(&shared, train.clone(), held_out.clone()), train, held_out.clone()),
            ("fold of views", neither, part, held_out),
        ] {
            let standardisation = Standardisation::of(features, &train);
            let [x, unseen] = [&train, &held_out].map(|rows| standardisation.apply(features, rows));
            let by_rows = RowSpace::new(Matrix::new(&x, dim), Matrix::new(&unseen, dim));
            let targets =
                Targets::new(train.iter().map(|row| row % classes).collect(), classes, Weighting::Automatic);
            let (a, w) = (descend(&by_rows, &targets), descend(&by_weights, &targets));
            println!("{name}");
            // Scores of about one, known to the square root of the tolerance.
            let tolerance = Tolerance::abs(3e-4);
            assert_close(&by_weights.scores(&w, classes), &by_rows.scores(&a, classes), tolerance);
            let found = by_weights.held_out_scores(&w, classes);
            assert_close(&found, &by_rows.held_out_scores(&a, classes), tolerance);
            let in_features = multiply(Matrix::new(&x, dim).transposed(), Matrix::new(&a, classes));
            assert_close(&w, &in_features, tolerance);
        }
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_objective() {
        let (rows, dim, classes, l2) = (12, 4, 3, 0.3);
        let values = noise(5, rows * dim);
        let shared = SharedRows::new(Features::new(&values, dim).unwrap());
        let space = WeightSpace::of_fold(&shared, (0..9).collect(), (9..rows).collect());
        let targets = Targets::new((0..9).map(|row| row % classes).collect(), classes, Weighting::Automatic);
        let weights = noise(6, dim * classes);
        let objective = |weights: &[f32]| {
            let loss = targets.evaluate(&space.scores(weights, classes), &[0.0; 3], Curvature::Mean).loss;
            loss + l2 / 2.0 * weights.iter().map(|&w| f64::from(w * w)).sum::<f64>()
        };
        let errors = targets.evaluate(&space.scores(&weights, classes), &[0.0; 3], Curvature::Mean).errors;
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
    fn an_interrupted_fit_is_an_error() {
        let values = noise(8, 60);
        let features = Features::new(&values, 6).unwrap();
        let labels = [0, 1, 0, 1, 0, 1, 0, 1, 0, 1];
        assert!(matches!(
            fit(features, &labels, 2, Weighting::Automatic, 1.0, &Cancelled),
            Err(Error::Interrupted)
        ));
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
                let head = fit(features, &labels, 3, Weighting::Automatic, l2, &Silent).unwrap().head;
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
        let constant =
            fit(Features::new(&identical, 3).unwrap(), &[0, 1, 0, 0], 2, Weighting::Automatic, 1.0, &Silent)
                .unwrap()
                .head;
        assert_close(&constant.probabilities(&[1.0; 3]), &[0.75, 0.25], Tolerance::abs(1e-4));
    }

    #[test]
    fn bad_input_is_refused() {
        let features = Features::new(&[1.0, 2.0, 3.0], 1).unwrap();
        assert!(matches!(
            fit(features, &[0, 1], 2, Weighting::Automatic, 1.0, &Silent),
            Err(Error::Count { .. })
        ));
        assert!(matches!(
            fit(features, &[0, 1, 2], 2, Weighting::Automatic, 1.0, &Silent),
            Err(Error::Label { row: 2, label: 2, classes: 2 })
        ));
        assert!(matches!(
            fit(features, &[1, 1, 1], 2, Weighting::Automatic, 1.0, &Silent),
            Err(Error::TooFewClasses { found: 1 })
        ));
        for (weights, want) in [
            (&[1.0][..], "1 weights of classes, expected 2"),
            (&[1.0, 0.0], "class 1 has weight 0, expected a positive number"),
            (&[f32::NAN, 1.0], "class 0 has weight NaN, expected a positive number"),
        ] {
            let error = fit(features, &[0, 1, 1], 2, Weighting::Classes(weights), 1.0, &Silent).unwrap_err();
            assert!(error.to_string().contains(want), "{error}");
        }
        for l2 in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(
                fit(features, &[0, 1, 1], 2, Weighting::Automatic, l2, &Silent),
                Err(Error::Strength { .. })
            ));
        }
    }
}
