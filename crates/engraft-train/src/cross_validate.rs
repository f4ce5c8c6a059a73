//! Chooses features and L2 strength by cross-validation.

use rayon::prelude::*;

use crate::{
    Error, Features, Folds, Progress,
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
/// Every strength is scored by the accuracy of its out-of-fold predictions; equal scores go to the stronger. Decades
/// are tried from the strongest down until two in a row bring nothing, then the quarters around the best, each descent
/// starting where the last one ended. Of the candidates, each at its best strength, the first one is chosen unless the most
/// accurate is better by more than a standard error of the difference, paired by image and corrected for continuity, so that
/// a difference of an image or two decides nothing.
///
/// A step of progress is a strength of one candidate.
///
/// # Errors
/// If labels, folds and candidates do not cover the same images, fewer than two classes have images, or
/// [`Error::Cancelled`] if `progress` says so.
///
/// # Panics
/// If there is no candidate.
pub fn select(
    candidates: &[Features<'_>],
    labels: &[usize],
    classes: usize,
    folds: &Folds,
    progress: &dyn Progress,
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
    progress.begin("choosing", candidates.len() * STEPS);
    let search = |&features| Search::new(features, labels, classes, folds, progress)?.run();
    let searches: Vec<Outcome> = candidates.par_iter().map(search).collect::<Result<_, Error>>()?;
    let candidate = first_or_best(&searches, labels);
    let accuracies = searches.iter().map(|outcome| outcome.accuracy(labels)).collect();
    let Outcome { strength: index, predicted, .. } =
        searches.into_iter().nth(candidate).expect("chosen among them");
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

/// Whether [`PATIENCE`] strengths in a row brought no better accuracy, once the loss is well below that of the
/// strongest penalty: before that the accuracy may rest for decades.
fn past_the_best(tried: &[Outcome], labels: &[usize]) -> bool {
    let learned = tried.iter().any(|outcome| outcome.loss < WELL_BELOW * tried[0].loss);
    learned && tried.len() > most_accurate(tried, labels) + PATIENCE
}

/// The first candidate unless the best is better by more than one standard error, else the best.
///
/// Source: McNemar's test of paired answers, with the continuity correction of Edwards, Psychometrika 13 (1948).
fn first_or_best(outcomes: &[Outcome], labels: &[usize]) -> usize {
    let best = most_accurate(outcomes, labels);
    let right = |outcome: &Outcome, image: usize| outcome.predicted[image] == Some(labels[image]);
    let differs = |image: &usize| right(&outcomes[best], *image) != right(&outcomes[0], *image);
    let different: Vec<usize> = (0..labels.len()).filter(differs).collect();
    let gained = different.iter().filter(|&&image| right(&outcomes[best], image)).count() as f64;
    let lost = different.len() as f64 - gained;
    if gained - lost - 1.0 > (gained + lost).sqrt() { best } else { 0 }
}

/// The folds of one candidate, each with the point its last descent reached.
struct Search<'a> {
    folds: Vec<Fold>,
    labels: &'a [usize],
    progress: &'a dyn Progress,
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
const SEARCH_TOLERANCE: f64 = 1e-2;
/// Steps of the grid in the first pass: a decade.
const COARSE: usize = 4;
/// Most strengths that a search tries: every decade, then the quarters on both sides of the best.
const STEPS: usize = STRENGTHS.div_ceil(COARSE) + 2 * (COARSE - 1);
/// Strengths in a row without better accuracy that end the first pass.
const PATIENCE: usize = 2;
/// Part of the loss at the strongest penalty that shows that something was learned.
const WELL_BELOW: f64 = 0.9;
/// Loss of an image of a class that the training side does not know, in nats: a probability of 1e-15.
const UNKNOWN_CLASS_LOSS: f64 = 34.5;

impl<'a> Search<'a> {
    fn new(
        features: Features<'_>,
        labels: &'a [usize],
        classes: usize,
        folds: &Folds,
        progress: &'a dyn Progress,
    ) -> Result<Search<'a>, Error> {
        let fold = |index| {
            check_cancelled(progress)?;
            Ok(Fold::new(features, labels, classes, folds.split(index)))
        };
        let folds = (0..folds.count()).into_par_iter().map(fold).collect::<Result<_, Error>>()?;
        Ok(Search { folds, labels, progress })
    }

    fn run(mut self) -> Result<Outcome, Error> {
        let mut tried: Vec<Outcome> = Vec::new();
        for index in (0..STRENGTHS).rev().step_by(COARSE) {
            tried.push(self.outcome(index)?);
            if past_the_best(&tried, self.labels) {
                break;
            }
        }
        let centre = tried[most_accurate(&tried, self.labels)].strength;
        let quarters = centre.saturating_sub(COARSE - 1)..(centre + COARSE).min(STRENGTHS);
        for index in quarters.rev().filter(|&index| index != centre) {
            tried.push(self.outcome(index)?);
        }
        // Most searches end early; what they did not have to try is done as well.
        (tried.len()..STEPS).for_each(|_| self.progress.step());
        tried.sort_by_key(|outcome| std::cmp::Reverse(outcome.strength));
        let best = most_accurate(&tried, self.labels);
        Ok(tried.swap_remove(best))
    }

    fn outcome(&mut self, index: usize) -> Result<Outcome, Error> {
        let (labels, progress) = (self.labels, self.progress);
        let predict = |fold: &mut Fold| {
            check_cancelled(progress)?;
            Ok(fold.predict(strength(index), labels))
        };
        let parts = self.folds.par_iter_mut().map(predict).collect::<Result<Vec<_>, Error>>()?;
        progress.step();
        let mut predicted = vec![None; labels.len()];
        let mut loss = 0.0;
        for (fold, part) in self.folds.iter().zip(parts) {
            for (&image, (class, image_loss)) in fold.held_out.iter().zip(part) {
                predicted[image] = Some(class);
                loss += image_loss;
            }
        }
        Ok(Outcome { strength: index, loss, predicted })
    }
}

fn check_cancelled(progress: &dyn Progress) -> Result<(), Error> {
    if progress.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use engraft_testing::noise;

    use super::*;
    use crate::Silent;

    const DIM: usize = 8;

    /// Counts steps and stops after some of them.
    struct Counting {
        total: AtomicUsize,
        done: AtomicUsize,
        stop_after: usize,
    }

    impl Counting {
        fn new(stop_after: usize) -> Counting {
            Counting { total: AtomicUsize::new(0), done: AtomicUsize::new(0), stop_after }
        }
    }

    impl Progress for Counting {
        fn begin(&self, _stage: &str, total: usize) {
            self.total.store(total, Ordering::Relaxed);
        }

        fn step(&self) {
            self.done.fetch_add(1, Ordering::Relaxed);
        }

        fn is_cancelled(&self) -> bool {
            self.done.load(Ordering::Relaxed) >= self.stop_after
        }
    }

    /// Three classes `distance` apart, every row with noise of its own.
    fn clouds(seed: u64, distance: f32, labels: &[usize]) -> Vec<f32> {
        let mut values = noise(seed, labels.len() * DIM);
        values.chunks_exact_mut(DIM).zip(labels).for_each(|(row, &label)| row[label] += distance);
        values
    }

    fn thirds(images: usize) -> Vec<usize> {
        (0..images).map(|image| image % 3).collect()
    }

    fn folds_of(labels: &[usize], classes: usize) -> Folds {
        Folds::new(labels, &(0..labels.len()).collect::<Vec<_>>(), classes, 5, 1).unwrap()
    }

    #[test]
    fn the_grid_is_the_designs() {
        assert!((strength(0) - 1e-6).abs() < 1e-20 && (strength(STRENGTHS - 1) - 1e5).abs() < 1e-9);
        assert!((strength(25) / strength(24) - 10f64.powf(0.25)).abs() < 1e-12);
    }

    #[test]
    fn the_clearly_better_candidate_wins_and_a_tie_goes_to_the_first() {
        let labels = thirds(60);
        let (poor, good, good_too) =
            (clouds(1, 0.0, &labels), clouds(2, 3.0, &labels), clouds(3, 3.0, &labels));
        let [poor, good, good_too] =
            [&poor, &good, &good_too].map(|values| Features::new(values, DIM).unwrap());
        for (candidates, want) in [(&[poor, good][..], 1), (&[good, poor], 0), (&[poor, good, good_too], 1)] {
            assert_eq!(
                select(candidates, &labels, 3, &folds_of(&labels, 3), &Silent).unwrap().candidate,
                want
            );
        }
    }

    #[test]
    fn equal_scores_go_to_the_stronger_penalty() {
        let labels = thirds(60);
        let values = clouds(4, 100.0, &labels);
        let features = Features::new(&values, DIM).unwrap();
        let search = || Search::new(features, &labels, 3, &folds_of(&labels, 3), &Silent).unwrap();
        let chosen = search().run().unwrap();
        assert_eq!(chosen.accuracy(&labels), 1.0);
        // The search went on for two decades that are as accurate, so a tie there was, and the stronger one won it.
        let mut search = search();
        for decades in 1..=PATIENCE {
            let weaker = search.outcome(chosen.strength - decades * COARSE).unwrap();
            assert_eq!(weaker.accuracy(&labels), 1.0, "{decades} decades weaker");
        }
    }

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

    #[test]
    fn noise_is_judged_as_chance() {
        let labels = thirds(150);
        let values = noise(5, labels.len() * DIM);
        let features = [Features::new(&values, DIM).unwrap()];
        let selection = select(&features, &labels, 3, &folds_of(&labels, 3), &Silent).unwrap();
        assert!((0.2..0.5).contains(&selection.accuracies[0]), "{}", selection.accuracies[0]);
        assert!(selection.optimistic);
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let labels = thirds(90);
        let values = clouds(6, 0.7, &labels);
        let features = [Features::new(&values, DIM).unwrap()];
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let selection =
                pool.install(|| select(&features, &labels, 3, &folds_of(&labels, 3), &Silent).unwrap());
            let head = pool.install(|| crate::fit(features[0], &labels, 3, selection.l2).unwrap().head);
            (selection.l2, selection.out_of_fold, head)
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn every_announced_step_is_made_and_a_search_can_be_stopped_in_between() {
        let labels = thirds(60);
        let values = clouds(9, 1.0, &labels);
        let features = [Features::new(&values, DIM).unwrap(); 2];
        let whole = Counting::new(usize::MAX);
        select(&features, &labels, 3, &folds_of(&labels, 3), &whole).unwrap();
        assert_eq!(whole.done.into_inner(), whole.total.into_inner());
        for stop_after in [0, 1, 5] {
            let stopped = Counting::new(stop_after);
            let result = select(&features, &labels, 3, &folds_of(&labels, 3), &stopped);
            assert!(matches!(result, Err(Error::Cancelled)), "{stop_after}");
            // Each of the two searches may be within a strength when the other one is told to stop.
            let done = stopped.done.into_inner();
            assert!((stop_after..stop_after + 2).contains(&done), "{done} steps, {stop_after} allowed");
        }
    }

    #[test]
    fn classes_of_one_image_are_trained_on_and_never_scored() {
        let labels = [vec![3], thirds(30)].concat();
        let values = clouds(7, 3.0, &labels);
        let features = [Features::new(&values, DIM).unwrap()];
        let selection = select(&features, &labels, 5, &folds_of(&labels, 5), &Silent).unwrap();
        assert_eq!(selection.out_of_fold[0], None);
        assert!(selection.out_of_fold[1..].iter().all(Option::is_some));
        let two = [Features::new(&values[..2 * DIM], DIM).unwrap()];
        let lonely = select(&two, &[0, 1], 2, &folds_of(&[0, 1], 2), &Silent);
        assert_eq!(lonely.unwrap().l2, UNCHOSEN_STRENGTH);
    }

    #[test]
    fn lists_of_different_length_are_errors() {
        let labels = thirds(6);
        let values = clouds(8, 1.0, &labels);
        let features = [Features::new(&values, DIM).unwrap()];
        assert!(matches!(
            select(&features, &labels[1..], 3, &folds_of(&labels, 3), &Silent),
            Err(Error::Count { .. })
        ));
        assert!(matches!(
            select(&features, &labels, 3, &folds_of(&labels[1..], 3), &Silent),
            Err(Error::Count { .. })
        ));
    }
}
