//! Training: embed, choose fit and strength, solve, judge.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use engraft_data::{
    DECODER_REVISION, Dataset, Filter, Fit, Part, Skipped, TestSet, augment::Augmentation, scan, scan_test,
};
use engraft_engine::{ENGINE_REVISION, Precision};
use engraft_train::{EmbedTimes, Embedder, Progress, Score, Store, leaks};

use super::{
    ClassWeights, Classifier, MAX_CLASSES,
    choose::{self, Chosen},
    evaluate::{class_warnings, score},
    train_report::{ImageCounts, Leak, Seconds, TrainReport},
    views::ChosenViews,
};
use crate::{
    Error,
    backbone::{Backbone, CalibrationFiles},
    embedded_part::{self, EmbeddedPart, store_warning},
    manifest::{DataParts, Manifest, NetworkRecord, PartRecord},
    model_file::{FORMAT, Header, Preprocessing, StoredPart},
    skipped::{self, some_names},
    stored_score::StoredScore,
};

/// Choices of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainOptions {
    /// A folder of class folders to judge the model on, instead of the data set's own test part.
    pub test: Option<PathBuf>,
    /// How images fill the input; `None` to choose by cross-validation.
    pub fit: Option<Fit>,
    /// The filter images are resized with.
    pub filter: Filter,
    /// What the backbone's convolutions multiply; `None` for what it has. Int8 is calibrated by up to 64 training images, drawn
    /// by the seed.
    pub precision: Option<Precision>,
    /// Folds of cross-validation, at least 2.
    pub folds: usize,
    /// Seed of the folds and of augmented views.
    pub seed: u64,
    /// Views of each training image that the head is trained on, from 1, the untouched image alone, to 1000.
    pub views: usize,
    /// Views of each validation and test image whose mean probabilities are judged, likewise.
    pub tta: usize,
    /// How views are made, `None` for the preset `light`; for a network on pixels, what is done to each training image.
    pub augment: Option<Augmentation>,
    /// How much the images of each class count in the loss; where all are even, a linear head still balances classes of which one has
    /// more than three times the images of another.
    pub class_weights: ClassWeights,
    /// Whether a skipped file is an error.
    pub strict: bool,
}

impl TrainOptions {
    /// Folds where nothing else is asked for.
    pub const DEFAULT_FOLDS: usize = 5;
}

impl Default for TrainOptions {
    fn default() -> TrainOptions {
        let folds = TrainOptions::DEFAULT_FOLDS;
        TrainOptions {
            test: None,
            fit: None,
            filter: Filter::Bicubic,
            precision: None,
            folds,
            seed: 0,
            views: 1,
            tta: 1,
            augment: None,
            class_weights: ClassWeights::Even,
            strict: false,
        }
    }
}

impl Classifier {
    /// Trains a head for `backbone` on the folder of class folders `data`.
    ///
    /// Fit and strength are chosen by cross-validation on the training part; the validation and test parts are only
    /// judged on. The model depends on the images, their classes, the options and the instruction set alone.
    ///
    /// # Errors
    /// If `data` is no data set or has usable images of fewer than two classes, if `strict` and a file was skipped, if a
    /// setting is out of range, or [`Error::Interrupted`] if `progress` says so.
    pub fn train(
        data: &Path,
        backbone: Backbone,
        options: &TrainOptions,
        store: Option<&Store>,
        progress: &dyn Progress,
    ) -> Result<(Classifier, TrainReport), Error> {
        check(options)?;
        let views = ChosenViews::of(options)?;
        let started = Instant::now();
        let found = find(data, options)?;
        options.class_weights.check(&found.data.classes)?;
        let scanned = Instant::now();
        let backbone = at_precision(backbone, &found.data, options, fits(options), progress)?;
        let embedder = backbone.embedder(options.filter, store);
        let training = Training { found, options, views, embedder: &embedder, progress };
        let trained = training.run()?;
        let seconds = training.seconds(scanned - started, trained.choosing, started.elapsed());
        let header = training.header(&trained, &backbone);
        let report = training.report(&trained, &backbone, seconds);
        Ok((trained.classifier(header, backbone, options.filter), report))
    }
}

/// A training's input.
pub(super) struct Training<'a> {
    pub found: Found,
    pub options: &'a TrainOptions,
    pub views: ChosenViews,
    pub embedder: &'a Embedder<'a>,
    pub progress: &'a dyn Progress,
}

/// What was found in the folders.
pub(super) struct Found {
    pub data: Dataset,
    pub warnings: Vec<String>,
}

/// A training's result.
pub(super) struct Trained {
    chosen: Chosen,
    train: PartRecord,
    val: Option<Judged>,
    test: Option<Judged>,
    skipped: Vec<Skipped>,
    warnings: Vec<String>,
    choosing: Duration,
    /// None of a linear head on frozen features.
    pub network: Option<NetworkRecord>,
}

/// A part that was judged on.
struct Judged {
    record: PartRecord,
    /// None where the part has no usable image.
    score: Option<Score>,
    leaks: Vec<Leak>,
    skipped: Vec<Skipped>,
    warnings: Vec<String>,
}

impl Trained {
    /// The model, with its backbone.
    pub fn classifier(self, header: Header, backbone: Backbone, filter: Filter) -> Classifier {
        let Chosen { fit, head, .. } = self.chosen;
        Classifier { header, fit, filter, backbone, head, tta: None }
    }
}

/// The backbone at the precision asked for, calibrated by training images if it must be.
pub(super) fn at_precision(
    backbone: Backbone,
    data: &Dataset,
    options: &TrainOptions,
    fits: &[Fit],
    progress: &dyn Progress,
) -> Result<Backbone, Error> {
    let Some(precision) = options.precision else { return Ok(backbone) };
    let paths = data.train.iter().map(|sample| sample.path.as_path()).collect();
    let TrainOptions { filter, seed, .. } = *options;
    let files = CalibrationFiles { root: &data.root, paths, fits, filter, seed };
    backbone.at_precision_for(precision, &files, progress)
}

/// The fits that are tried.
fn fits(options: &TrainOptions) -> &[Fit] {
    match options.fit.as_slice() {
        [] => Fit::ALL,
        fit => fit,
    }
}

fn check(options: &TrainOptions) -> Result<(), Error> {
    if options.folds >= 2 {
        return Ok(());
    }
    Err(Error::Setting { setting: "--folds", found: options.folds.to_string(), expected: "at least 2" })
}

/// Finds the data set; a test folder of its own takes the place of the data set's test part.
pub(super) fn find(root: &Path, options: &TrainOptions) -> Result<Found, Error> {
    let mut data = scan(root)?;
    if data.classes.len() > MAX_CLASSES {
        let problem = format!("found {} class folders, expected at most {MAX_CLASSES}", data.classes.len());
        return Err(Error::data(root, &problem));
    }
    let mut warnings = Vec::new();
    if !data.empty_classes.is_empty() {
        warnings.push(format!("classes without images: {}", some_names(&data.empty_classes)));
    }
    if let Some(folder) = &options.test {
        if data.test.is_some() {
            warnings.push(format!("the test part is taken from {}, not from the data set", folder.display()));
        }
        let TestSet { part, skipped, ignored } = scan_test(folder, &data.classes)?;
        data.test = Some(part);
        data.skipped.extend(skipped);
        data.ignored += ignored;
    }
    Ok(Found { data, warnings })
}

/// Refuses training images of fewer than two classes.
pub(super) fn check_classes(data: &Dataset, train: &EmbeddedPart) -> Result<(), Error> {
    let mut present = train.labels.clone();
    present.sort_unstable();
    present.dedup();
    if present.len() >= 2 {
        return Ok(());
    }
    let skipped = skipped::listed(&[&data.skipped[..], &train.skipped].concat());
    Err(Error::TooFewClasses { root: data.root.clone(), found: present.len(), skipped })
}

impl Training<'_> {
    fn run(&self) -> Result<Trained, Error> {
        let data = &self.found.data;
        let fits = fits(self.options);
        self.refuse_skipped(&data.skipped)?;
        let views = self.views.train.as_ref();
        let train =
            embedded_part::embed(self.embedder, &data.train, fits, views, "embedding", self.progress)?;
        check_classes(data, &train)?;
        self.refuse_unusable(&train, fits)?;
        let started = Instant::now();
        let chosen = choose::choose(&train, fits, views, &data.classes, self.options, self.progress)?;
        self.finish(&train, chosen, started.elapsed())
    }

    /// Judges what was chosen, or trained, in `choosing`.
    pub fn finish(&self, train: &EmbeddedPart, chosen: Chosen, choosing: Duration) -> Result<Trained, Error> {
        let data = &self.found.data;
        let val = self.judge("val", &data.val, &chosen, train)?;
        let test = self.judge("test", &data.test, &chosen, train)?;
        let mut skipped = [&data.skipped[..], &train.skipped].concat();
        let mut warnings =
            [&self.found.warnings[..], &self.unusable_classes(train), &chosen.warnings].concat();
        for part in [&val, &test].into_iter().flatten() {
            skipped.extend_from_slice(&part.skipped);
            warnings.extend_from_slice(&part.warnings);
        }
        if let (Some(views), None, None) = (&self.views.judged, &data.val, &data.test) {
            warnings.push(format!(
                "--tta {} judges nothing, expected a validation or test part; evaluate and predict take --tta too",
                views.count
            ));
        }
        warnings.extend(store_warning(self.embedder));
        let train = record(train, &data.classes);
        Ok(Trained { chosen, train, val, test, skipped, warnings, choosing, network: None })
    }

    /// Under `strict`, judged images are embedded before anything is chosen, so that a file that cannot be used is told
    /// at once. Most are then in the store when the chosen fit asks for them.
    fn refuse_unusable(&self, train: &EmbeddedPart, fits: &[Fit]) -> Result<(), Error> {
        if !self.options.strict {
            return Ok(());
        }
        let mut skipped = train.skipped.clone();
        for part in [&self.found.data.val, &self.found.data.test].into_iter().flatten() {
            let stage = "checking what is judged on";
            let embedded =
                embedded_part::embed(self.embedder, &part.samples, &fits[..1], None, stage, self.progress)?;
            skipped.extend(embedded.skipped);
        }
        self.refuse_skipped(&skipped)
    }

    fn refuse_skipped(&self, skipped: &[Skipped]) -> Result<(), Error> {
        match self.options.strict {
            true => skipped::refuse(&self.found.data.root, skipped),
            false => Ok(()),
        }
    }

    /// A warning if there are classes with files of which none could be used.
    fn unusable_classes(&self, train: &EmbeddedPart) -> Vec<String> {
        let Dataset { classes, empty_classes, .. } = &self.found.data;
        let unusable: Vec<&str> = classes
            .iter()
            .enumerate()
            .filter(|(label, class)| !train.labels.contains(label) && !empty_classes.contains(class))
            .map(|(_, class)| class.as_str())
            .collect();
        match unusable.is_empty() {
            true => Vec::new(),
            false => vec![format!("classes without a usable image: {}", some_names(&unusable))],
        }
    }

    fn judge(
        &self,
        name: &str,
        part: &Option<Part>,
        chosen: &Chosen,
        train: &EmbeddedPart,
    ) -> Result<Option<Judged>, Error> {
        let Some(part) = part else { return Ok(None) };
        let classes = &self.found.data.classes;
        let stage = format!("embedding {name}");
        let (fits, views) = ([chosen.fit], self.views.judged.as_ref());
        let embedded =
            embedded_part::embed(self.embedder, &part.samples, &fits, views, &stage, self.progress)?;
        let leaks = find_leaks(train, &embedded);
        let mut warnings =
            class_warnings(&format!("the {name} part"), &part.missing_classes, &part.extra_classes);
        if let Some(Leak { judged, train }) = leaks.first() {
            let count = leaks.len();
            warnings.push(format!(
                "{count} of {} {name} images stand in the training part too, which flatters the {name} score; the \
                 first is {judged}, the same as {train}",
                embedded.len()
            ));
        }
        if embedded.len() == 0 {
            warnings.push(format!("the {name} part has no usable image of a training class"));
        }
        Ok(Some(Judged {
            record: record(&embedded, classes),
            score: (embedded.len() > 0).then(|| score(&chosen.head, &embedded, classes)).transpose()?,
            leaks,
            skipped: embedded.skipped,
            warnings,
        }))
    }

    /// Threads work side by side, so their summed time is divided by their number.
    pub fn seconds(&self, scan: Duration, choosing: Duration, total: Duration) -> Seconds {
        let EmbedTimes { decode, network } = self.embedder.times();
        let threads = rayon::current_num_threads() as f64;
        Seconds {
            scan: scan.as_secs_f64(),
            decode: decode.as_secs_f64() / threads,
            embed: network.as_secs_f64() / threads,
            fit: choosing.as_secs_f64(),
            total: total.as_secs_f64(),
        }
    }

    pub fn header(&self, trained: &Trained, backbone: &Backbone) -> Header {
        let part_record = |part: &Option<Judged>| part.as_ref().map(|judged| judged.record.clone());
        let training = Manifest {
            engraft: env!("CARGO_PKG_VERSION").to_owned(),
            instruction_set: backbone.instruction_set().to_owned(),
            precision: backbone.precision().to_string(),
            decoder: DECODER_REVISION.to_owned(),
            engine: ENGINE_REVISION.to_owned(),
            seed: self.options.seed,
            views: self.views.train.clone(),
            tta: self.views.judged.clone(),
            l2: trained.chosen.l2,
            class_weights: trained.chosen.class_weights.clone(),
            network: trained.network.clone(),
            data: DataParts {
                train: trained.train.clone(),
                val: part_record(&trained.val),
                test: part_record(&trained.test),
            },
            cv: trained.chosen.cv.as_ref().map(|cv| cv.map_score(|score| StoredScore::from(score))),
            val: part_score(&trained.val).as_ref().map(StoredScore::from),
            test: part_score(&trained.test).as_ref().map(StoredScore::from),
        };
        let preprocessing = Preprocessing {
            fit: trained.chosen.fit.name().to_owned(),
            filter: self.options.filter.name().to_owned(),
        };
        let classes = self.found.data.classes.clone();
        let parts = backbone.parts().iter().map(StoredPart::of).collect();
        Header { format: FORMAT, classes, preprocessing, parts, training }
    }

    pub fn report(&self, trained: &Trained, backbone: &Backbone, seconds: Seconds) -> TrainReport {
        let count = |part: &Option<Judged>| part.as_ref().map(|judged| judged.record.images);
        let parts = [&trained.val, &trained.test].into_iter().flatten();
        TrainReport {
            classes: self.found.data.classes.clone(),
            images: ImageCounts {
                train: trained.train.images,
                val: count(&trained.val),
                test: count(&trained.test),
                skipped: skipped::listed(&trained.skipped),
                ignored: self.found.data.ignored,
            },
            backbone: backbone.info().clone(),
            fit: trained.chosen.fit.name().to_owned(),
            filter: self.options.filter.name().to_owned(),
            cv: trained.chosen.cv.clone(),
            val: part_score(&trained.val),
            test: part_score(&trained.test),
            leaks: parts.flat_map(|judged| judged.leaks.clone()).collect(),
            warnings: trained.warnings.iter().cloned().chain(backbone.precision_warning()).collect(),
            seconds,
            seed: self.options.seed,
            views: self.views.train.clone(),
            tta: self.views.judged.clone(),
            class_weights: trained.chosen.class_weights.clone(),
            network: trained.network.clone(),
            history: None,
        }
    }
}

fn part_score(part: &Option<Judged>) -> Option<Score> {
    part.as_ref()?.score.clone()
}

fn record(part: &EmbeddedPart, classes: &[String]) -> PartRecord {
    PartRecord { images: part.len(), sha256: part.digest(classes).to_string() }
}

/// Judged images with the bytes or the pixels of a training image.
fn find_leaks(train: &EmbeddedPart, judged: &EmbeddedPart) -> Vec<Leak> {
    let same_bytes = leaks(&train.file_hashes, &judged.file_hashes);
    let same_pixels = leaks(&train.pixel_hashes, &judged.pixel_hashes);
    let by_judged: BTreeMap<usize, usize> = same_pixels.into_iter().chain(same_bytes).collect();
    let leak = |(judged_index, train_index): (usize, usize)| Leak {
        judged: judged.relative[judged_index].clone(),
        train: train.relative[train_index].clone(),
    };
    by_judged.into_iter().map(leak).collect()
}
