//! What a model remembers of its training: enough to repeat it, nothing that differs from run to run.

use engraft_train::Score;
use serde::{Deserialize, Serialize};

use crate::classifier::CrossValidation;

/// How a model was trained and how it was judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of `engraft`.
    pub engraft: String,
    /// Instruction set its features were computed on.
    pub instruction_set: String,
    /// What decoded and resized the images.
    pub decoder: String,
    /// What ran the network.
    pub engine: String,
    /// Seed of the folds.
    pub seed: u64,
    /// Strength of the head's penalty.
    pub l2: f64,
    /// The images of each part.
    pub data: DataParts<PartRecord>,
    /// Scores of out-of-fold predictions.
    pub cv: Option<CrossValidation>,
    /// Score on the validation part.
    pub val: Option<Score>,
    /// Score on the test part.
    pub test: Option<Score>,
}

/// Something for each part of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataParts<T> {
    /// Images that were trained on.
    pub train: T,
    /// Images of the validation part.
    pub val: Option<T>,
    /// Images of the test part.
    pub test: Option<T>,
}

/// What a part consisted of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartRecord {
    /// Number of images.
    pub images: usize,
    /// SHA-256 of the sorted list of image digests and class names.
    pub sha256: String,
}
