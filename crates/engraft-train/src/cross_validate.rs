//! Chooses features and L2 strength by cross-validation.

use rayon::prelude::*;

use crate::{
    Error, Features, Folds,
    features::Standardisation,
    head::most_probable,
    logistic::{
        Descent, Point, Space, Targets, cheaper_space, check_labels, compress, present_classes,
        softmax_with_loss,
    },
};

/// What cross-validation chose, and how it predicted.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Position of the chosen features among the candidates.
    pub candidate: usize,
    /// The chosen strength.
    pub l2: f64,
    /// The class predicted for each image by the head that had not seen it; `None` for images never held out.
    pub out_of_fold: Vec<Option<usize>>,
    /// Share of right out-of-fold predictions of each candidate, at its best strength.
    pub accuracies: Vec<f64>,
    /// Whether the predictions helped to choose what made them, so that their score is too good.
    pub optimistic: bool,
}

/// The sentence for a report whose score is [`Selection::optimistic`].
pub const OPTIMISTIC: &str =
    "Strength and fit were chosen on these same folds, so this score is slightly optimistic.";

/// Number of strengths from [`strength`].
pub const STRENGTHS: usize = 45;

/// The strength used where nothing can be held out to choose one.
const UNCHOSEN_STRENGTH: f64 = 1.0;

/// Strength `index` of a log grid from 1e-6 to 1e5, four to a decade.
pub fn strength(index: usize) -> f64 {
    10f64.powf(index as f64 / 4.0 - 6.0)
}

/// Chooses among candidate features of the same images, and among L2 strengths.
///
/// Every strength is scored by the cross-entropy of out-of-fold predictions, which is smooth where the accuracy of a
/// few hundred images is a staircase; equal scores go to the stronger. Decades are tried from the strongest down until
/// the score has worsened twice, then the quarters around the best. Candidates are compared by
/// out-of-fold accuracy: the first one within a standard error of the best (paired by image) is chosen.
///
/// # Errors
/// If labels, folds and candidates do not cover the same images, or fewer than two classes have images.
///
/// # Panics
/// If there is no candidate.
pub fn select(
    candidates: &[Features<'_>],
    labels: &[usize],
    classes: usize,
    folds: &Folds,
) -> Result<Selection, Error> {
    for features in candidates {
        check_labels(features.len(), labels, classes)?;
    }
    if folds.assignment().len() != labels.len() {
        return Err(Error::Count {
            what: "fold entries",
            expected: labels.len(),
            found: folds.assignment().len(),
        });
    }
    if folds.count() == 0 {
        return Ok(Selection::unchosen(labels.len()));
    }
    let searches: Vec<Outcome> =
        candidates.par_iter().map(|&features| Search::new(features, labels, classes, folds).run()).collect();
    let candidate = first_within_an_error(&searches, labels);
    let accuracies = searches.iter().map(|outcome| outcome.accuracy(labels)).collect();
    let Outcome { strength: index, predicted, .. } =
        searches.into_iter().nth(candidate).expect("chosen above");
    Ok(Selection { candidate, l2: strength(index), out_of_fold: predicted, accuracies, optimistic: true })
}

impl Selection {
    /// What remains where no class has two different images.
    fn unchosen(images: usize) -> Selection {
        Selection {
            candidate: 0,
            l2: UNCHOSEN_STRENGTH,
            out_of_fold: vec![None; images],
            accuracies: Vec::new(),
            optimistic: false,
        }
    }
}

/// The out-of-fold predictions at one strength.
struct Outcome {
    strength: usize,
    /// Sum over held-out images, in nats.
    loss: f64,
    predicted: Vec<Option<usize>>,
}

impl Outcome {
    fn accuracy(&self, labels: &[usize]) -> f64 {
        let scored = self.predicted.iter().flatten().count();
        let right = self
            .predicted
            .iter()
            .zip(labels)
            .filter(|&(&predicted, &label)| predicted == Some(label))
            .count();
        right as f64 / scored as f64
    }
}

/// The first of the outcomes with the most right predictions.
fn most_accurate(outcomes: &[Outcome], labels: &[usize]) -> usize {
    let accuracy = |index: usize| outcomes[index].accuracy(labels);
    (1..outcomes.len()).fold(0, |best, index| if accuracy(index) > accuracy(best) { index } else { best })
}

fn tie(best: &Outcome, other: &Outcome, labels: &[usize], m: f64) -> bool {
    let right = |predicted: Option<usize>, label: usize| f64::from(u8::from(predicted == Some(label)));
    let pairs = best.predicted.iter().zip(&other.predicted).zip(labels);
    let differences: Vec<f64> = pairs
        .filter(|((predicted, _), _)| predicted.is_some())
        .map(|((&best, &other), &label)| right(best, label) - right(other, label))
        .collect();
    let count = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / count;
    let variance = differences.iter().map(|difference| (difference - mean).powi(2)).sum::<f64>() / count;
    mean <= m * (variance / count).sqrt()
}

/// Whether the loss, after falling well below that of the strongest penalty, has risen [`PATIENCE`] times.
///
/// Near the strongest penalties it may rise before it falls.
fn past_the_best(tried: &[Outcome]) -> bool {
    let lowest = (1..tried.len())
        .fold(0, |best, index| if tried[index].loss < tried[best].loss { index } else { best });
    tried[lowest].loss < WELL_BELOW * tried[0].loss && tried.len() - 1 - lowest >= PATIENCE
}

/// The first candidate whose accuracy is not more than one standard error below the best.
fn first_within_an_error(outcomes: &[Outcome], labels: &[usize]) -> usize {
    let accuracy = |index: usize| outcomes[index].accuracy(labels);
    let best = (1..outcomes.len())
        .fold(0, |best, index| if accuracy(index) > accuracy(best) { index } else { best });
    let ties = |outcome: &Outcome| {
        let right = |predicted: Option<usize>, label: usize| f64::from(u8::from(predicted == Some(label)));
        let pairs = outcomes[best].predicted.iter().zip(&outcome.predicted).zip(labels);
        let differences: Vec<f64> = pairs
            .filter(|((predicted, _), _)| predicted.is_some())
            .map(|((&best, &other), &label)| right(best, label) - right(other, label))
            .collect();
        let count = differences.len() as f64;
        let mean = differences.iter().sum::<f64>() / count;
        let variance = differences.iter().map(|difference| (difference - mean).powi(2)).sum::<f64>() / count;
        mean <= (variance / count).sqrt()
    };
    outcomes.iter().position(ties).unwrap_or(best)
}

/// The folds of one candidate, each with the point its last descent reached.
struct Search<'a> {
    folds: Vec<Fold>,
    labels: &'a [usize],
}

struct Fold {
    space: Box<dyn Space>,
    targets: Targets,
    /// The classes that the training side knows.
    present: Vec<usize>,
    held_out: Vec<usize>,
    point: Point,
}

/// Accuracy of the fits that only serve to compare strengths, as part of the objective.
const SEARCH_TOLERANCE: f64 = 1e-3;
/// Steps of the grid in the first pass: a decade.
const COARSE: usize = 4;
/// Worse strengths in a row that end the first pass.
const PATIENCE: usize = 2;
/// Part of the loss at the strongest penalty.
const WELL_BELOW: f64 = 0.9;
/// Loss of an image of a class that the training side does not know, in nats: a probability of 1e-15.
const UNKNOWN_CLASS_LOSS: f64 = 34.5;

impl<'a> Search<'a> {
    fn new(features: Features<'_>, labels: &'a [usize], classes: usize, folds: &Folds) -> Search<'a> {
        let fold = |index| Fold::new(features, labels, classes, folds.split(index));
        Search { folds: (0..folds.count()).into_par_iter().map(fold).collect(), labels }
    }

    fn run(mut self) -> Outcome {
        let mut tried: Vec<Outcome> = Vec::new();
        for index in (0..STRENGTHS).rev().filter(|index| index % COARSE == 0) {
            tried.push(self.outcome(index));
            if past_the_best(&tried) {
                break;
            }
        }
        let centre = tried[most_accurate(&tried, self.labels)].strength;
        let quarters = centre.saturating_sub(COARSE - 1)..(centre + COARSE).min(STRENGTHS);
        for index in quarters.rev().filter(|&index| index != centre) {
            tried.push(self.outcome(index));
        }
        tried.sort_by_key(|outcome| std::cmp::Reverse(outcome.strength));
        let best = most_accurate(&tried, self.labels);
        let m: f64 = std::env::var("SEM").map_or(0.0, |v| v.parse().unwrap());
        let best = if m < 0.0 {
            (0..tried.len()).min_by(|&a, &b| tried[a].loss.total_cmp(&tried[b].loss)).unwrap()
        } else {
            let t = (0..=best).find(|&k| tie(&tried[best], &tried[k], self.labels, m)).unwrap();
            t
        };
        tried.swap_remove(best)
    }

    fn outcome(&mut self, index: usize) -> Outcome {
        let labels = self.labels;
        let parts: Vec<_> =
            self.folds.par_iter_mut().map(|fold| fold.predict(strength(index), labels)).collect();
        let mut predicted = vec![None; labels.len()];
        let mut loss = 0.0;
        for (fold, part) in self.folds.iter().zip(parts) {
            for (&image, (class, image_loss)) in fold.held_out.iter().zip(part) {
                predicted[image] = Some(class);
                loss += image_loss;
            }
        }
        Outcome { strength: index, loss, predicted }
    }
}

impl Fold {
    fn new(
        features: Features<'_>,
        labels: &[usize],
        classes: usize,
        (train, held_out): (Vec<usize>, Vec<usize>),
    ) -> Fold {
        let standardisation = Standardisation::of(features, &train);
        let rows = |images| standardisation.apply(features, images);
        let space = cheaper_space(rows(&train), rows(&held_out), features.dim());
        let present = present_classes(train.iter().map(|&image| labels[image]), classes);
        let targets =
            Targets::new(compress(train.iter().map(|&image| labels[image]), &present), present.len());
        let point = Point::zero(space.as_ref(), &targets);
        Fold { space, targets, present, held_out, point }
    }

    /// The class and the loss of each held-out image at a strength.
    fn predict(&mut self, l2: f64, labels: &[usize]) -> Vec<(usize, f64)> {
        let descent =
            Descent { space: self.space.as_ref(), targets: &self.targets, l2, tolerance: SEARCH_TOLERANCE };
        self.point = descent.run(self.point.clone()).point;
        let mut scores = self.space.held_out_scores(&self.point.weights, self.targets.classes);
        let rows = scores.chunks_exact_mut(self.targets.classes).zip(&self.held_out);
        rows.map(|(scores, &image)| {
            scores.iter_mut().zip(&self.point.bias).for_each(|(score, bias)| *score += bias);
            let predicted = self.present[most_probable(scores)];
            let loss = match self.present.binary_search(&labels[image]) {
                Ok(label) => softmax_with_loss(scores, label),
                Err(_) => UNKNOWN_CLASS_LOSS,
            };
            (predicted, loss)
        })
        .collect()
    }
}
