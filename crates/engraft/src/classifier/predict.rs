//! Classifying files.

use std::path::{Path, PathBuf};

use engraft_data::{FoundFile, Skipped, scan_flat};
use engraft_train::{EmbedError, EmbeddedImage, Embedder, Progress, Views};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::Classifier;
use crate::Error;

/// Images that are read before the first of them is reported.
const CHUNK: usize = 64;

/// What a model says about one file.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The file.
    pub path: PathBuf,
    /// The most probable classes, or why there are none.
    pub result: Result<Ranked, Problem>,
}

/// Classes by probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// The most probable classes, best first, at least one.
    pub top: Vec<Guess>,
    /// Number of views that the probabilities are the mean of; 1 is the untouched image alone.
    pub views: usize,
}

/// A class and its probability.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Guess {
    /// Name of the class.
    pub class: String,
    /// From 0 to 1.
    pub probability: f32,
}

/// Why a file was not classified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A constant name, for machines.
    pub kind: &'static str,
    /// One sentence, for people.
    pub message: String,
}

impl Classifier {
    /// Classifies the files at `paths`, folders recursively, and hands each prediction to `report` in their order.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if `progress` says so, or the first error of `report`. A file that cannot be used is no error.
    pub fn predict<E: From<Error>>(
        &self,
        paths: &[PathBuf],
        top_k: usize,
        progress: &dyn Progress,
        report: &mut dyn FnMut(Prediction) -> Result<(), E>,
    ) -> Result<(), E> {
        let embedder = self.embedder(None);
        for path in paths {
            let found = scan_flat(std::slice::from_ref(path));
            progress.begin("predicting", found.files.len());
            for chunk in found.files.chunks(CHUNK) {
                let predictions = self.predict_chunk(&embedder, chunk, top_k, progress);
                if progress.is_cancelled() {
                    return Err(Error::Interrupted.into());
                }
                predictions.into_iter().try_for_each(&mut *report)?;
            }
            if found.files.is_empty() && found.skipped.is_empty() {
                report(Prediction { path: path.clone(), result: Err(empty_folder()) })?;
            }
            found.skipped.into_iter().map(skipped).try_for_each(&mut *report)?;
        }
        Ok(())
    }

    fn predict_chunk(
        &self,
        embedder: &Embedder,
        files: &[FoundFile],
        top_k: usize,
        progress: &dyn Progress,
    ) -> Vec<Prediction> {
        let paths: Vec<&Path> = files.iter().map(|file| file.path.as_path()).collect();
        let embedded = embedder.embed(&paths, &[self.fit], self.tta.as_ref(), progress);
        let predict = |(path, result): (&&Path, Result<EmbeddedImage, EmbedError>)| {
            let result = result.map_err(problem).map(|image| self.rank(&image.features[0], top_k));
            Prediction { path: path.to_path_buf(), result }
        };
        paths.iter().zip(embedded).map(predict).collect()
    }

    fn rank(&self, features: &[f32], top_k: usize) -> Ranked {
        let probabilities = self.head.mean_probabilities(features);
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        let guess =
            |class: usize| Guess { class: self.classes()[class].clone(), probability: probabilities[class] };
        let top = order.into_iter().take(top_k.max(1)).map(guess).collect();
        Ranked { top, views: Views::rows(self.tta.as_ref()) }
    }
}

fn problem(error: EmbedError) -> Problem {
    Problem { kind: error.kind(), message: error.to_string() }
}

fn empty_folder() -> Problem {
    Problem { kind: "empty_folder", message: "a folder without files, expected images".to_owned() }
}

fn skipped(Skipped { path, kind, reason }: Skipped) -> Prediction {
    Prediction { path, result: Err(Problem { kind, message: reason }) }
}

/// `{path, class, probability, top}`, with `tta` where there are several views, or `{path, error}`.
impl Serialize for Prediction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("path", &self.path.to_string_lossy())?;
        match &self.result {
            Ok(Ranked { top, views }) => {
                map.serialize_entry("class", &top[0].class)?;
                map.serialize_entry("probability", &top[0].probability)?;
                map.serialize_entry("top", top)?;
                if *views > 1 {
                    map.serialize_entry("tta", views)?;
                }
            }
            Err(problem) => map.serialize_entry("error", problem)?,
        }
        map.end()
    }
}
