//! Everything that can go wrong for a user of this library.

use std::{io, path::PathBuf};

use engraft_engine::EngineError;
use engraft_train::{CheckpointProblem, FitError};
use engraft_zoo::{FetchError, ZooError};

use crate::skipped::SkippedFile;

/// An error of this library; its message names what was found and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A folder is no data set.
    #[error(transparent)]
    Scan(#[from] engraft_data::ScanError),
    /// A backbone is unknown or its weights cannot be used.
    #[error(transparent)]
    Zoo(#[from] ZooError),
    /// A network cannot be run here.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// An image has no features.
    #[error(transparent)]
    Embed(#[from] engraft_train::EmbedError),
    /// The feature store cannot be used.
    #[error(transparent)]
    Store(#[from] engraft_train::StoreError),
    /// A head cannot be trained or judged.
    #[error(transparent)]
    Train(engraft_train::Error),
    /// A network cannot be trained.
    #[error(transparent)]
    Fit(Box<FitError>),
    /// A network makes no sense.
    #[error(transparent)]
    Graph(#[from] engraft_graph::GraphError),
    /// The layers of a network do not take its input, or not one another's results.
    #[error("network {network} on an input of {} does not work: {problem}", by(input))]
    Layers {
        /// Its name.
        network: String,
        /// Height and width in pixels, and channels; or 1, 1 and features.
        input: [usize; 3],
        /// The layer, and what is wrong with it.
        problem: Box<engraft_graph::GraphError>,
    },
    /// The weights of a network, or what a batch computes, are more than the memory holds.
    #[error(
        "training network {network} takes at least {} of memory, expected at most the {} that are free: \
         smaller images, layers or batches take less",
        gigabytes(*needed_bytes), gigabytes(*available_bytes)
    )]
    Memory {
        /// Its name.
        network: String,
        /// What it takes at least.
        needed_bytes: u64,
        /// What is free.
        available_bytes: u64,
    },
    /// An augmentation is unknown or out of its range.
    #[error(transparent)]
    Augment(#[from] engraft_data::augment::AugmentError),
    /// Pixels cannot be standardised.
    #[error(transparent)]
    Standardize(engraft_data::StandardizeError),
    /// A setting is out of its range.
    #[error("{setting} is {found}, expected {expected}")]
    Setting {
        /// The name of the setting.
        setting: &'static str,
        /// Its value.
        found: String,
        /// What would be accepted, in words.
        expected: &'static str,
    },
    /// A data set has images of fewer than two classes.
    #[error("{}: found usable images of {found} classes, expected at least 2", root.display())]
    TooFewClasses {
        /// The data set.
        root: PathBuf,
        /// Classes with at least one usable image.
        found: usize,
        /// The files that could not be used, and why.
        skipped: Vec<SkippedFile>,
    },
    /// There is no image to work on.
    #[error("{}: found no usable image{}, expected at least one", root.display(), among(skipped))]
    NoImages {
        /// The folder.
        root: PathBuf,
        /// The files that could not be used, and why.
        skipped: Vec<SkippedFile>,
    },
    /// Files were skipped although none may be.
    #[error("{}: {} files were skipped, expected none under --strict", root.display(), skipped.len())]
    Skipped {
        /// The folder.
        root: PathBuf,
        /// The files, and why.
        skipped: Vec<SkippedFile>,
    },
    /// A file is not a usable model.
    #[error("{}: {problem}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: ModelProblem,
    },
    /// A file cannot be read or written.
    #[error("{}: {problem}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: io::Error,
    },
    /// A file or folder cannot be used.
    #[error("{}: {problem}", path.display())]
    Data {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The caller asked to stop.
    #[error("interrupted, nothing was written")]
    Interrupted,
    /// The caller asked a training to stop that has kept what it needs to go on.
    #[error("interrupted, no model was written; --resume goes on from {}", checkpoint.display())]
    TrainingInterrupted {
        /// What was kept.
        checkpoint: PathBuf,
    },
}

/// What is wrong with a model file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelProblem {
    /// It is not a whole safetensors file.
    #[error("not a model: {0}")]
    Format(#[from] engraft_formats::FormatError),
    /// It is a safetensors file that `engraft` did not write.
    #[error("a safetensors file without the `{0}` entry of an engraft model")]
    NotAModel(&'static str),
    /// It was changed after it was written.
    #[error("the model is damaged: its content has sha256 {found}, expected {expected}")]
    Digest {
        /// The digest of what the file holds.
        found: String,
        /// The digest it was written with.
        expected: String,
    },
    /// It was written by another version.
    #[error("model format {found}, expected {expected}; another version of engraft reads it")]
    Version {
        /// The format of the file.
        found: u32,
        /// The format this version reads.
        expected: u32,
    },
    /// Its description makes no sense.
    #[error("the model's description is wrong: {0}")]
    Header(String),
    /// Its network or weights make no sense.
    #[error("the model's network is wrong: {0}")]
    Graph(#[from] engraft_graph::GraphError),
    /// Its network cannot be run here.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Its head does not fit its backbone or its classes.
    #[error("the model's head is wrong: {0}")]
    Head(String),
}

/// What kind of problem an [`Error`] is: what a program should do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorCategory {
    /// A setting must change.
    Usage,
    /// The data or the model file must change.
    Data,
    /// A download or the cache failed.
    Cache,
    /// Somebody stopped the work.
    Interrupted,
    /// Anything else, such as a full disk.
    Failure,
}

impl From<engraft_train::Error> for Error {
    fn from(error: engraft_train::Error) -> Error {
        match error {
            engraft_train::Error::Interrupted => Error::Interrupted,
            error => Error::Train(error),
        }
    }
}

impl From<engraft_data::StandardizeError> for Error {
    fn from(error: engraft_data::StandardizeError) -> Error {
        match error {
            engraft_data::StandardizeError::Cancelled => Error::Interrupted,
            error => Error::Standardize(error),
        }
    }
}

impl Error {
    /// The category of this error.
    pub fn category(&self) -> ErrorCategory {
        match self {
            Error::Setting { .. }
            | Error::Memory { .. }
            | Error::Augment(_)
            | Error::Engine(EngineError::Kernel(_)) => ErrorCategory::Usage,
            Error::Fit(error) if matches!(**error, FitError::Setting(_)) => ErrorCategory::Usage,
            Error::Fit(error) if is_about_a_file(error) => ErrorCategory::Failure,
            Error::Zoo(ZooError::UnknownBackbone { .. }) => ErrorCategory::Usage,
            Error::Zoo(ZooError::Fetch(FetchError::Mirror { .. })) => ErrorCategory::Usage,
            Error::Zoo(ZooError::Fetch(FetchError::Cancelled)) => ErrorCategory::Interrupted,
            Error::Zoo(_) | Error::Store(_) => ErrorCategory::Cache,
            Error::Interrupted | Error::TrainingInterrupted { .. } => ErrorCategory::Interrupted,
            Error::Io { .. } => ErrorCategory::Failure,
            _ => ErrorCategory::Data,
        }
    }

    /// The files that could not be used and so led to this error, sorted by path.
    pub fn skipped(&self) -> &[SkippedFile] {
        match self {
            Error::TooFewClasses { skipped, .. }
            | Error::NoImages { skipped, .. }
            | Error::Skipped { skipped, .. } => skipped,
            _ => &[],
        }
    }

    /// An error about the data at `path`.
    pub fn data(path: &std::path::Path, problem: &str) -> Error {
        Error::Data { path: path.to_owned(), problem: problem.to_owned() }
    }

    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(io::Error) -> Error {
        move |problem| Error::Io { path: path.to_owned(), problem }
    }
}

/// Whether a checkpoint cannot be read or written, as on a full disk.
fn is_about_a_file(error: &FitError) -> bool {
    matches!(error, FitError::Checkpoint(checkpoint) if matches!(checkpoint.problem, CheckpointProblem::Io(_)))
}

/// `100 x 100 x 3`
fn by([height, width, channels]: &[usize; 3]) -> String {
    format!("{height} x {width} x {channels}")
}

/// `1.5 GB`
fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

/// ` among 3 files`, or nothing where there is no file at all.
fn among(skipped: &[SkippedFile]) -> String {
    if skipped.is_empty() { String::new() } else { format!(" among {} files", skipped.len()) }
}
