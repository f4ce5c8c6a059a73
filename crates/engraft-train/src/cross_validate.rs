//! Chooses features and L2 strength by cross-validation.

mod outcome;

use rayon::prelude::*;

use crate::{
    Error, Features, Folds, Progress,
    features::Standardisation,
    head::most_probable,
    logistic::{
        Curvature, Descent, Point, Preconditioner, RowSpace, SharedRows, Space, Targets, WeightSpace,
        Weighting, check_labels, check_weights, present_classes, rows_are_cheaper, softmax_with_loss,
        targets,
    },
    matrix::Matrix,
};
use outcome::{Outcome, first_or_best, most_accurate, past_the_best};

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
/// Every strength is scored by the accuracy of its out-of-fold predictions in `folds`, which no weights of classes change. Equal
/// scores, of which few images give many, are told apart by `tie_breaks`, the same images dealt into other folds, and go to the
/// stronger if those are equal too. Decades are tried from the strongest down until two in a row bring nothing, then the quarters around the best, each descent
/// starting where the last one ended. Of the candidates, each at its best strength, the first one is chosen unless the most
/// accurate is better by more than a standard error of the difference, paired by image and corrected for continuity, so that
/// a difference of an image or two decides nothing.
///
/// `progress` sees one stage; strengths that need not be tried count as done.
///
/// # Errors
/// If labels, folds and candidates do not cover the same images, fewer than two classes have images, or
/// [`Error::Interrupted`] if `progress` says so.
///
/// # Panics
/// If there is no candidate.
pub fn select(
    candidates: &[Features<'_>],
    labels: &[usize],
    classes: usize,
    weighting: Weighting,
    folds: &Folds,
    tie_breaks: &[Folds],
    progress: &dyn Progress,
) -> Result<Selection, Error> {
    for features in candidates {
        check_labels(features.len(), labels, classes)?;
    }
    check_weights(weighting, classes)?;
    for folds in tie_breaks.iter().chain([folds]) {
        let (expected, found) = (labels.len(), folds.assignment().len());
        if found != expected {
            return Err(Error::Count { what: "fold entries", expected, found });
        }
    }
    if folds.count() == 0 {
        return Ok(Selection::unchosen(labels.len()));
    }
    let most_folds = folds.count() + tie_breaks.iter().map(Folds::count).sum::<usize>();
    progress.begin("choosing", candidates.len() * MOST_STRENGTHS * most_folds);
    // One after the other: the folds of one keep all threads busy, and only one needs memory for its matrices.
    let searches = candidates
        .iter()
        .map(|&features| {
            let fewest = (0..folds.count()).map(|fold| folds.split(fold).0.len()).min().unwrap_or(0);
            let by_rows = rows_are_cheaper(fewest, features.dim());
            let shared = (!by_rows).then(|| SharedRows::new(features));
            let site = Site { features, shared: shared.as_ref(), labels, classes, weighting };
            let search = |folds: &Folds| Search::new(site, folds, progress);
            break_tie(search(folds).run()?, tie_breaks, search)
        })
        .collect::<Result<Vec<Outcome>, Error>>()?;
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

/// Of outcomes that are equally accurate, the strongest first, the one that is most accurate in other folds.
fn break_tie<'a>(
    mut tied: Vec<Outcome>,
    tie_breaks: &[Folds],
    search: impl Fn(&Folds) -> Search<'a>,
) -> Result<Outcome, Error> {
    let strengths: Vec<usize> = tied.iter().map(|outcome| outcome.strength).collect();
    let mut right = vec![0; strengths.len()];
    for folds in tie_breaks {
        let mut search = search(folds);
        let tried = if strengths.len() > 1 { &strengths[..] } else { &[] };
        for (right, &strength) in right.iter_mut().zip(tried) {
            let outcomes = search.outcomes(&[strength])?;
            *right += outcomes.iter().map(|outcome| outcome.right(search.labels)).sum::<usize>();
        }
        search.skip(MOST_STRENGTHS - tried.len());
    }
    let best = (1..right.len()).fold(0, |best, index| if right[index] > right[best] { index } else { best });
    Ok(tied.swap_remove(best))
}

/// What all folds of one candidate have in common.
#[derive(Clone, Copy)]
struct Site<'a> {
    features: Features<'a>,
    /// All its rows; none where each fold has copies of its own.
    shared: Option<&'a SharedRows>,
    labels: &'a [usize],
    classes: usize,
    weighting: Weighting<'a>,
}

/// The folds of one candidate, each with the point its last descent reached.
struct Search<'a> {
    folds: Vec<Fold<'a>>,
    labels: &'a [usize],
    progress: &'a dyn Progress,
}

struct Fold<'a> {
    space: Box<dyn Space + 'a>,
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
/// Strengths of the first pass.
const COARSE_STRENGTHS: usize = STRENGTHS.div_ceil(COARSE);
/// Strengths of the second pass, at most.
const FINE_STRENGTHS: usize = 2 * (COARSE - 1);
/// Strengths of both passes.
const MOST_STRENGTHS: usize = COARSE_STRENGTHS + FINE_STRENGTHS;
/// Loss of an image of a class that the training side does not know, in nats: a probability of 1e-15.
const UNKNOWN_CLASS_LOSS: f64 = 34.5;

impl<'a> Search<'a> {
    fn new(site: Site<'a>, folds: &Folds, progress: &'a dyn Progress) -> Search<'a> {
        let fold = |index| Fold::new(site, folds.split(index));
        let labels = site.labels;
        Search { folds: (0..folds.count()).into_par_iter().map(fold).collect(), labels, progress }
    }

    /// The outcomes with the most right predictions, the strongest first.
    fn run(mut self) -> Result<Vec<Outcome>, Error> {
        let mut tried: Vec<Outcome> = Vec::new();
        for index in (0..STRENGTHS).rev().step_by(COARSE) {
            tried.extend(self.outcomes(&[index])?);
            if past_the_best(&tried, self.labels) {
                break;
            }
        }
        let centre = tried[most_accurate(&tried, self.labels)].strength;
        let quarters = centre.saturating_sub(COARSE - 1)..(centre + COARSE).min(STRENGTHS);
        // The first pass ended at a weak strength, so the second starts from the weakest of its own.
        let quarters: Vec<usize> = quarters.filter(|&index| index != centre).collect();
        tried.extend(self.outcomes(&quarters)?);
        self.skip(MOST_STRENGTHS - tried.len());
        tried.sort_by_key(|outcome| std::cmp::Reverse(outcome.strength));
        let most = tried.iter().map(|outcome| outcome.right(self.labels)).max();
        tried.retain(|outcome| Some(outcome.right(self.labels)) == most);
        Ok(tried)
    }

    /// The outcomes at some neighbouring strengths.
    fn outcomes(&mut self, indices: &[usize]) -> Result<Vec<Outcome>, Error> {
        let (labels, progress) = (self.labels, self.progress);
        let predict = |fold: &mut Fold| fold.predict_all(indices, labels, progress);
        let parts: Vec<_> = self.folds.par_iter_mut().map(predict).collect();
        if progress.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let empty = |&strength| Outcome { strength, loss: 0.0, predicted: vec![None; labels.len()] };
        let mut outcomes: Vec<Outcome> = indices.iter().map(empty).collect();
        for (fold, part) in self.folds.iter().zip(parts) {
            for (outcome, predictions) in outcomes.iter_mut().zip(part) {
                for (&image, (class, loss)) in fold.held_out.iter().zip(predictions) {
                    outcome.predicted[image] = Some(class);
                    outcome.loss += loss;
                }
            }
        }
        Ok(outcomes)
    }

    /// Counts strengths that were not tried as done.
    fn skip(&self, strengths: usize) {
        (0..strengths * self.folds.len()).for_each(|_| self.progress.step());
    }
}

impl<'a> Fold<'a> {
    fn new(site: Site<'a>, (train, held_out): (Vec<usize>, Vec<usize>)) -> Fold<'a> {
        let Site { features, shared, labels, classes, weighting } = site;
        let present = present_classes(train.iter().map(|&image| labels[image]), classes);
        let targets = targets(train.iter().map(|&image| labels[image]), &present, weighting);
        let space: Box<dyn Space + 'a> = match shared {
            Some(shared) => Box::new(WeightSpace::of_fold(shared, train, held_out.clone())),
            None => Box::new(row_space(features, &train, &held_out)),
        };
        let point = Point::zero(space.as_ref(), &targets);
        Fold { space, targets, present, held_out, point }
    }

    /// The class and the loss of each held-out image, at each of some neighbouring strengths.
    ///
    /// All descents start with the preconditioner of the middle one: making it costs as much as many steps.
    fn predict_all(
        &mut self,
        indices: &[usize],
        labels: &[usize],
        progress: &dyn Progress,
    ) -> Vec<Vec<(usize, f64)>> {
        let Some(&middle) = indices.get(indices.len() / 2) else { return Vec::new() };
        if progress.is_cancelled() {
            return Vec::new();
        }
        let preconditioner = self.descent(strength(middle), progress).preconditioner(&self.point);
        let predict = |&index: &usize| {
            let part = self.predict(strength(index), labels, &preconditioner, progress);
            progress.step();
            part
        };
        indices.iter().map(predict).collect()
    }

    fn descent<'d>(&'d self, l2: f64, progress: &'d dyn Progress) -> Descent<'d> {
        Descent {
            space: self.space.as_ref(),
            targets: &self.targets,
            l2,
            tolerance: SEARCH_TOLERANCE,
            curvature: Curvature::AlongErrors,
            progress,
        }
    }

    fn predict(
        &mut self,
        l2: f64,
        labels: &[usize],
        preconditioner: &Preconditioner,
        progress: &dyn Progress,
    ) -> Vec<(usize, f64)> {
        let start = self.point.clone();
        let optimum = self.descent(l2, progress).run(start, Some(preconditioner));
        self.point = optimum.point;
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

fn row_space(features: Features<'_>, train: &[usize], held_out: &[usize]) -> RowSpace {
    let standardisation = Standardisation::of(features, train);
    let [train, held_out] = [train, held_out].map(|rows| standardisation.apply(features, rows));
    RowSpace::new(Matrix::new(&train, features.dim()), Matrix::new(&held_out, features.dim()))
}

#[cfg(test)]
mod tests {
    use engraft_testing::noise;

    use super::{outcome::PATIENCE, *};
    use crate::{Silent, progress::tests::Counter};

    const DIM: usize = 8;

    /// Three classes `distance` apart, every row with noise of its own.
    fn clouds(seed: u64, distance: f32, labels: &[usize]) -> Vec<f32> {
        let mut values = noise(seed, labels.len() * DIM);
        values.chunks_exact_mut(DIM).zip(labels).for_each(|(row, &label)| row[label] += distance);
        values
    }

    fn site<'a>(features: Features<'a>, shared: Option<&'a SharedRows>, labels: &'a [usize]) -> Site<'a> {
        Site { features, shared, labels, classes: 3, weighting: Weighting::Automatic }
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
                select(candidates, &labels, 3, Weighting::Automatic, &folds_of(&labels, 3), &[], &Silent)
                    .unwrap()
                    .candidate,
                want
            );
        }
    }

    #[test]
    fn equal_scores_go_to_the_stronger_penalty() {
        let labels = thirds(60);
        let values = clouds(4, 100.0, &labels);
        let features = Features::new(&values, DIM).unwrap();
        let shared = SharedRows::new(features);
        let folds = folds_of(&labels, 3);
        let search = || Search::new(site(features, Some(&shared), &labels), &folds, &Silent);
        let (tied, mut search) = (search().run().unwrap(), search());
        let chosen = break_tie(tied, &[], |_| unreachable!("no other folds")).unwrap();
        assert_eq!(chosen.accuracy(&labels), 1.0);
        // The search went on for two decades that are as accurate, so a tie there was, and the stronger one won it.
        for decades in 1..=PATIENCE {
            let weaker = search.outcomes(&[chosen.strength - decades * COARSE]).unwrap();
            assert_eq!(weaker[0].accuracy(&labels), 1.0, "{decades} decades weaker");
        }
    }

    #[test]
    fn other_folds_tell_equal_strengths_apart() {
        let labels = thirds(60);
        let values = clouds(4, 3.0, &labels);
        let features = Features::new(&values, DIM).unwrap();
        let others = [folds_of(&labels, 3)];
        let search = |folds: &Folds| Search::new(site(features, None, &labels), folds, &Silent);
        // The strongest penalty of all predicts one class; the tie is a claim of the test.
        let tied = || [STRENGTHS - 1, 16].map(|strength| Outcome { strength, loss: 0.0, predicted: vec![] });
        for (tie_breaks, want) in [(&others[..], 16), (&[], STRENGTHS - 1)] {
            assert_eq!(break_tie(tied().into(), tie_breaks, search).unwrap().strength, want);
        }
        let [strongest, _] = tied();
        assert_eq!(break_tie(vec![strongest], &others, search).unwrap().strength, STRENGTHS - 1);
    }

    #[test]
    fn weights_of_classes_reach_every_fold() {
        let labels = thirds(60);
        let values = clouds(11, 0.5, &labels);
        let features = [Features::new(&values, DIM).unwrap()];
        let (folds, heavy) = (folds_of(&labels, 3), [1.0, 1.0, 50.0]);
        let thirds_predicted = |weighting| {
            let selection = select(&features, &labels, 3, weighting, &folds, &[], &Silent).unwrap();
            selection.out_of_fold.iter().filter(|class| **class == Some(2)).count()
        };
        let even = thirds_predicted(Weighting::Automatic);
        let weighted = thirds_predicted(Weighting::Classes(&heavy));
        assert!(weighted > even + 10, "{weighted} against {even} of 60");
    }

    #[test]
    fn noise_is_judged_as_chance() {
        let labels = thirds(150);
        let values = noise(5, labels.len() * DIM);
        let features = [Features::new(&values, DIM).unwrap()];
        let selection =
            select(&features, &labels, 3, Weighting::Automatic, &folds_of(&labels, 3), &[], &Silent).unwrap();
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
            let selection = pool.install(|| {
                select(&features, &labels, 3, Weighting::Automatic, &folds_of(&labels, 3), &[], &Silent)
                    .unwrap()
            });
            let head = pool.install(|| {
                crate::fit(features[0], &labels, 3, Weighting::Automatic, selection.l2, &Silent).unwrap().head
            });
            (selection.l2, selection.out_of_fold, head)
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn classes_of_one_image_are_trained_on_and_never_scored() {
        let labels = [vec![3], thirds(30)].concat();
        let values = clouds(7, 3.0, &labels);
        let features = [Features::new(&values, DIM).unwrap()];
        let selection =
            select(&features, &labels, 5, Weighting::Automatic, &folds_of(&labels, 5), &[], &Silent).unwrap();
        assert_eq!(selection.out_of_fold[0], None);
        assert!(selection.out_of_fold[1..].iter().all(Option::is_some));
        let two = [Features::new(&values[..2 * DIM], DIM).unwrap()];
        let lonely = select(&two, &[0, 1], 2, Weighting::Automatic, &folds_of(&[0, 1], 2), &[], &Silent);
        assert_eq!(lonely.unwrap().l2, UNCHOSEN_STRENGTH);
    }

    #[test]
    fn lists_of_different_length_are_errors() {
        let labels = thirds(6);
        let values = clouds(8, 1.0, &labels);
        let features = [Features::new(&values, DIM).unwrap()];
        assert!(matches!(
            select(&features, &labels[1..], 3, Weighting::Automatic, &folds_of(&labels, 3), &[], &Silent),
            Err(Error::Count { .. })
        ));
        assert!(matches!(
            select(&features, &labels, 3, Weighting::Automatic, &folds_of(&labels[1..], 3), &[], &Silent),
            Err(Error::Count { .. })
        ));
    }

    #[test]
    fn progress_ends_at_its_total_and_can_stop_the_choice() {
        let labels = thirds(60);
        let values = clouds(9, 1.0, &labels);
        let features = [Features::new(&values, DIM).unwrap(); 2];
        let counter = Counter::stopping_after(usize::MAX);
        let others = [folds_of(&labels, 3)];
        select(&features, &labels, 3, Weighting::Automatic, &folds_of(&labels, 3), &others, &counter)
            .unwrap();
        let (total, done) = (counter.total.into_inner(), counter.done.into_inner());
        assert_eq!((total, done), (2 * 18 * (5 + 5), total));
        for limit in [0, 7] {
            let counter = Counter::stopping_after(limit);
            let selection =
                select(&features, &labels, 3, Weighting::Automatic, &folds_of(&labels, 3), &[], &counter);
            assert!(matches!(selection, Err(Error::Interrupted)), "limit {limit}");
            // The folds of the strength that was begun still count.
            assert!(counter.done.into_inner() <= limit + 5, "limit {limit}");
        }
    }
}
