//! Judging a model on labelled images.

use std::path::Path;

use engraft_data::{TestSet, scan_test};
use engraft_train::{LinearHead, Progress, Score, Store, Views, report as score_report};
use serde::Serialize;

use super::{Classifier, views};
use crate::{
    Error,
    embedded_part::{self, EmbeddedPart, store_warning},
    skipped::{self, SkippedFile, some_names},
};

/// A judgement on images that the model was not necessarily kept from.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// The score.
    #[serde(flatten)]
    pub score: Score,
    /// What the convolutions of the backbone multiplied: `f32`, `bf16` or `int8`.
    pub precision: String,
    /// The views whose mean probabilities were judged, where it was not the untouched image alone.
    pub tta: Option<Views>,
    /// Files that were not used, and why.
    pub skipped: Vec<SkippedFile>,
    /// Number of files that are known junk.
    pub ignored: usize,
    /// What a person should know.
    pub warnings: Vec<String>,
}

impl Classifier {
    /// Judges the model on the test part of `data`, or else its validation part, or else on all of its class folders.
    ///
    /// # Errors
    /// If `data` is no data set or has no usable image of a known class, or if `strict` and a file was skipped.
    pub fn evaluate(
        &self,
        data: &Path,
        strict: bool,
        store: Option<&Store>,
        progress: &dyn Progress,
    ) -> Result<Evaluation, Error> {
        let TestSet { part, skipped: mut all_skipped, ignored } = scan_test(data, self.classes())?;
        if strict {
            skipped::refuse(data, &all_skipped)?;
        }
        let embedder = self.embedder(store);
        let views = self.tta.as_ref();
        let embedded =
            embedded_part::embed(&embedder, &part.samples, &[self.fit], views, "embedding", progress)?;
        all_skipped.extend_from_slice(&embedded.skipped);
        if strict {
            skipped::refuse(data, &all_skipped)?;
        }
        if embedded.len() == 0 {
            return Err(Error::NoImages { root: data.to_owned(), skipped: skipped::listed(&all_skipped) });
        }
        let mut warnings = class_warnings("the test part", &part.missing_classes, &part.extra_classes);
        warnings.extend(store_warning(&embedder).into_iter().chain(self.precision_warning()));
        let score = score(&self.head, &embedded, self.classes())?;
        Ok(Evaluation {
            score,
            precision: self.backbone.precision().to_string(),
            tta: self.tta.clone(),
            skipped: skipped::listed(&all_skipped),
            ignored,
            warnings,
        })
    }
}

impl Evaluation {
    /// The judgement as text for people.
    pub fn text(&self) -> String {
        let summary = skipped::summary(&self.skipped, self.ignored);
        let tta = self.tta.as_ref().map(views::judged_line).unwrap_or_default();
        format!("{summary}{tta}\n{}", score_report(&self.score))
    }
}

/// The score of `head` on the embedded images of a part, at least one, each with all its views.
pub(super) fn score(head: &LinearHead, part: &EmbeddedPart, classes: &[String]) -> Result<Score, Error> {
    let views_len = part.features[0].len() / part.len();
    let predicted: Vec<usize> =
        part.features[0].chunks_exact(views_len).map(|rows| head.predict(rows)).collect();
    Ok(Score::new(&part.labels, &predicted, classes)?)
}

/// What to tell a person whose classes do not all stand in both places.
pub(super) fn class_warnings(part: &str, missing: &[String], extra: &[String]) -> Vec<String> {
    let mut warnings = Vec::new();
    if !missing.is_empty() {
        warnings.push(format!("{part} has no folder for {}", some_names(missing)));
    }
    if !extra.is_empty() {
        warnings.push(format!(
            "{part} has folders that are no class of the model and are not scored: {}",
            some_names(extra)
        ));
    }
    warnings
}
