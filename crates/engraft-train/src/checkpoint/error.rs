//! What can be wrong with a checkpoint.

use std::{io, path::PathBuf};

/// A checkpoint that cannot be written, read or gone on from.
#[derive(Debug, thiserror::Error)]
#[error("checkpoint {}: {problem}", path.display())]
pub struct CheckpointError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: CheckpointProblem,
}

/// What is wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointProblem {
    /// The file cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is no checkpoint of this version, or not whole.
    #[error("{0}; begin anew, without resuming")]
    Damaged(String),
    /// The file belongs to a training that computes with other things.
    #[error("is of a training with {0}; restore them, or begin anew without resuming")]
    OtherContent(&'static str),
    /// The file belongs to a training with other options.
    #[error(
        "is of a training whose {setting} is {found}, expected {expected}; restore the setting, or begin anew without resuming"
    )]
    Foreign {
        /// The first difference.
        setting: String,
        /// Its value in the file.
        found: String,
        /// Its value now.
        expected: String,
    },
    /// The file is further than training shall go.
    #[error("has {found} epochs, expected at most the {expected} asked for")]
    TooManyEpochs {
        /// Epochs in the file.
        found: usize,
        /// Epochs asked for.
        expected: usize,
    },
}
