//! Many backbones on one data set: which are good on it, and what they cost.

mod text;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use engraft_train::{Progress, Store};
use engraft_zoo::BackboneSpec;
use serde::Serialize;

use crate::{
    Backbone, Classifier, Error, ErrorCategory, Score, SkippedFile, TrainOptions, TrainReport,
    backbone::specs,
};

/// Choices of a comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompareOptions {
    /// How each backbone's head is trained.
    pub train: TrainOptions,
    /// Time after which no further backbone is begun; the first one always is.
    pub budget: Option<Duration>,
}

/// What became of every backbone.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// By cross-validated accuracy, the best first; among equals the one with fewer parameters. Those without an
    /// accuracy stand at the end, in the order asked for.
    pub backbones: Vec<Contender>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Number of training images.
    pub train_images: usize,
    /// Number of test images, if there is a test part.
    pub test_images: Option<usize>,
    /// Files that were not used, and why.
    pub skipped: Vec<SkippedFile>,
    /// Number of files that are known junk.
    pub ignored: usize,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Seed of the folds.
    pub seed: u64,
    /// All of the time it took.
    pub seconds: f64,
}

/// A backbone of a comparison. What is not known, because it could not be run, is `None`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Contender {
    /// Its name, or the names of a combination joined by `+`.
    pub name: String,
    /// Out-of-fold accuracy.
    pub cv: Option<Accuracy>,
    /// Accuracy on the test part.
    pub test: Option<Accuracy>,
    /// How images fill its input.
    pub fit: Option<String>,
    /// Side of its square input, in pixels; of a combination the largest one.
    pub input_size: Option<usize>,
    /// Length of its feature vector.
    pub features: Option<usize>,
    /// Values in its weights.
    pub parameters: Option<usize>,
    /// Size of its weights in a model file, in bytes.
    pub weights_bytes: Option<usize>,
    /// Images a second that its networks embed, measured whether or not features were stored.
    pub images_per_second: Option<f64>,
    /// Time from opening it to its last score.
    pub seconds: Option<f64>,
    /// SPDX expression of the licence of its weights.
    pub licence: String,
    /// Whether it is not the best, but its accuracy lies within the 95 % interval of the best.
    pub tie: bool,
    /// Why it has no accuracy.
    pub error: Option<String>,
}

/// An accuracy and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Accuracy {
    /// Share of right predictions.
    pub accuracy: f64,
    /// Wilson's 95 % interval, low and high.
    pub ci95: [f64; 2],
}

impl Comparison {
    /// Trains a head for each of the backbones or combinations `names` on the folder of class folders `data`, one after
    /// the other. Features come from the store where they are there.
    ///
    /// A backbone that cannot be had, or for which there is no time left, has its reason in its row.
    ///
    /// # Errors
    /// If a name is unknown, if `data` or a setting is wrong, [`Error::Interrupted`] if `progress` says so, or the first
    /// backbone's error if none could be used.
    pub fn run(
        data: &Path,
        names: &[String],
        options: &CompareOptions,
        store: Option<&Store>,
        progress: &dyn Progress,
    ) -> Result<Comparison, Error> {
        let started = Instant::now();
        let named = names.iter().map(|name| specs(name)).collect::<Result<Vec<_>, _>>()?;
        let (mut contenders, mut first, mut first_error) = (Vec::new(), None, None);
        for (index, specs) in named.iter().enumerate() {
            let mut contender = Contender::of(specs);
            if let Some(budget) = options.budget.filter(|&budget| index > 0 && started.elapsed() >= budget) {
                let seconds = budget.as_secs_f64();
                contender.error = Some(format!("not begun: the budget of {seconds} s was used up"));
            } else {
                let progress = Named { name: &contender.name.clone(), inner: progress };
                match contender.run(data, options, store, &progress) {
                    Ok(report) => merge(&mut first, report),
                    Err(error) if concerns_all(&error) => return Err(error),
                    Err(error) => {
                        contender.error = Some(error.to_string());
                        first_error.get_or_insert(error);
                    }
                }
            }
            contenders.push(contender);
        }
        match (first, first_error) {
            (Some(report), _) => Ok(Comparison::of(contenders, report, started.elapsed())),
            (None, Some(error)) => Err(error),
            (None, None) => Err(no_backbone()),
        }
    }

    /// A comparison whose folders are described by one of its reports.
    fn of(mut backbones: Vec<Contender>, report: TrainReport, elapsed: Duration) -> Comparison {
        rank(&mut backbones);
        Comparison {
            backbones,
            classes: report.classes,
            train_images: report.images.train,
            test_images: report.images.test,
            skipped: report.images.skipped,
            ignored: report.images.ignored,
            warnings: report.warnings,
            seed: report.seed,
            seconds: elapsed.as_secs_f64(),
        }
    }
}

impl Contender {
    fn of(specs: &[&BackboneSpec]) -> Contender {
        let names: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
        let mut licences: Vec<&str> = specs.iter().map(|spec| spec.licence).collect();
        licences.sort_unstable();
        licences.dedup();
        Contender { name: names.join("+"), licence: licences.join(" AND "), ..Contender::default() }
    }

    /// Opens, measures and trains; fills in what is found out.
    fn run(
        &mut self,
        data: &Path,
        options: &CompareOptions,
        store: Option<&Store>,
        progress: &dyn Progress,
    ) -> Result<TrainReport, Error> {
        let started = Instant::now();
        let backbone = Backbone::open_with(&self.name, None, progress)?;
        self.input_size = Some(backbone.info().input_size);
        self.features = Some(backbone.info().features);
        self.parameters = Some(backbone.parameters());
        self.weights_bytes = Some(backbone.weights_bytes());
        self.images_per_second = Some(backbone.images_per_second()?);
        let (_, report) = Classifier::train(data, backbone, &options.train, store, progress)?;
        self.cv = report.cv.as_ref().map(|cv| Accuracy::of(&cv.score));
        self.test = report.test.as_ref().map(Accuracy::of);
        self.fit = Some(report.fit.clone());
        self.seconds = Some(started.elapsed().as_secs_f64());
        Ok(report)
    }

    fn cv_accuracy(&self) -> Option<f64> {
        self.cv.map(|cv| cv.accuracy)
    }
}

impl Accuracy {
    fn of(score: &Score) -> Accuracy {
        Accuracy { accuracy: score.accuracy, ci95: score.ci95 }
    }
}

/// Sorts the backbones and marks those that tie with the best.
fn rank(backbones: &mut [Contender]) {
    backbones.sort_by(|one, other| {
        // Accuracies are finite; a missing one is below all others.
        let [one_accuracy, other_accuracy] = [one, other].map(|row| row.cv_accuracy().unwrap_or(-1.0));
        other_accuracy.total_cmp(&one_accuracy).then_with(|| match one.cv.is_some() {
            true => one.parameters.cmp(&other.parameters),
            false => std::cmp::Ordering::Equal,
        })
    });
    let Some((Contender { cv: Some(best), .. }, others)) = backbones.split_first_mut() else { return };
    for row in others {
        row.tie = row.cv_accuracy().is_some_and(|accuracy| accuracy >= best.ci95[0]);
    }
}

/// Whether an error would be the same for every backbone.
fn concerns_all(error: &Error) -> bool {
    error.category() == ErrorCategory::Interrupted
        || matches!(
            error,
            Error::Scan(_) | Error::Setting { .. } | Error::Skipped { .. } | Error::Data { .. }
        )
}

/// Keeps the first report, with the warnings of all.
fn merge(first: &mut Option<TrainReport>, report: TrainReport) {
    let Some(first) = first else {
        *first = Some(report);
        return;
    };
    let new: Vec<String> =
        report.warnings.into_iter().filter(|warning| !first.warnings.contains(warning)).collect();
    first.warnings.extend(new);
}

fn no_backbone() -> Error {
    let found = "empty".to_owned();
    Error::Setting { setting: "the list of backbones", found, expected: "at least one name" }
}

/// Says in every stage which backbone it belongs to.
struct Named<'a> {
    name: &'a str,
    inner: &'a dyn Progress,
}

impl Progress for Named<'_> {
    fn begin(&self, stage: &str, total: usize) {
        self.inner.begin(&format!("{}: {stage}", self.name), total);
    }

    fn step(&self) {
        self.inner.step();
    }

    fn inform(&self, message: &str) {
        self.inner.inform(message);
    }

    fn warn(&self, message: &str) {
        self.inner.warn(message);
    }

    fn is_cancelled(&self) -> bool {
        self.inner.is_cancelled()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A row with an accuracy and an interval of the given half width.
    pub(crate) fn row(name: &str, accuracy: f64, half_width: f64, parameters: usize) -> Contender {
        let cv = Accuracy { accuracy, ci95: [accuracy - half_width, accuracy + half_width] };
        Contender {
            name: name.to_owned(),
            cv: Some(cv),
            parameters: Some(parameters),
            ..Contender::default()
        }
    }

    fn failed(name: &str) -> Contender {
        let error = Some("no weights".to_owned());
        Contender { name: name.to_owned(), error, ..Contender::default() }
    }

    #[test]
    fn the_best_come_first_and_ties_are_marked() {
        let mut rows = vec![
            failed("z"),
            row("worse", 0.80, 0.05, 1),
            row("large", 0.95, 0.04, 9),
            row("small", 0.95, 0.04, 2),
            failed("a"),
            row("tie", 0.92, 0.05, 1),
        ];
        rank(&mut rows);
        let found: Vec<(&str, bool)> = rows.iter().map(|row| (&*row.name, row.tie)).collect();
        let want =
            [("small", false), ("large", true), ("tie", true), ("worse", false), ("z", false), ("a", false)];
        assert_eq!(found, want);
        let mut none = vec![failed("z"), failed("a")];
        rank(&mut none);
        assert!(none[0].name == "z" && !none[1].tie);
    }

    #[test]
    fn licences_of_a_combination_are_joined_without_repetition() {
        let contender = Contender::of(&specs("efficientnet_lite0+efficientnet_lite1").unwrap());
        assert_eq!(contender.licence, "Apache-2.0");
        let specs = specs("vgg16+efficientnet_lite0").unwrap();
        assert_eq!(Contender::of(&specs).licence, format!("Apache-2.0 AND {}", specs[0].licence));
    }
}
