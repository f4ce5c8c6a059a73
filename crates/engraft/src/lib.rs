//! Graft a new head onto a pretrained backbone: from a folder of class folders to an image classifier.
//!
//! ```no_run
//! use engraft::{Backbone, Classifier, Silent, TrainOptions};
//!
//! # fn main() -> Result<(), engraft::Error> {
//! let backbone = Backbone::open(Backbone::DEFAULT, None)?;
//! let options = TrainOptions::default();
//! let (classifier, report) = Classifier::train("photos".as_ref(), backbone, &options, None, &Silent)?;
//! println!("{}", report.text());
//! classifier.save("photos.safetensors".as_ref())?;
//! # Ok(())
//! # }
//! ```
//!
//! Work is done in the current rayon pool; [`thread_pool`] makes one of another size. Results do not depend on it.

mod augment;
mod backbone;
mod classifier; // start here
mod comparison;
mod error;
mod feature_table;
mod listing;
mod manifest;
mod network;
mod recipe;
mod speed;
mod summary;
mod weights;

mod atomic_file;
mod embedded_part;
mod joined_graph;
mod memory;
mod model_file;
mod skipped;
mod stored_score;
mod tensors_digest;
mod weights_status;

pub use atomic_file::{check_writable, write_file};
pub use augment::{AugmentOptions, AugmentReport, ClassCopies, Preview, augment_folder, read_augmentation};
pub use backbone::{Backbone, BackboneInfo, PartInfo};
pub use classifier::{
    ClassWeights, Classifier, CrossValidation, Description, Evaluation, FitAccuracy, Guess, ImageCounts,
    Leak, NetworkTraining, Prediction, Problem, Ranked, Seconds, TrainOptions, TrainReport,
};
pub use comparison::{Accuracy, CompareOptions, Comparison, Contender};
pub use engraft_data::{
    Filter, Fit, Image, Limits, Rng, UnknownName, augment as augmentations, decode, encode_png, is_decoding,
    keep_freed_memory,
};
pub use engraft_engine::Precision;
pub use engraft_train::{EpochRecord, EpochScore, FitError, FitOptions, History, Optimizer, Schedule};
pub use engraft_train::{Progress, Score, Silent, Store, StoreError, StoreInfo, StoreLocation, Views};
pub use engraft_zoo::Ending;
pub use error::{Error, ErrorCategory, ModelProblem};
pub use feature_table::{EmbedOptions, FeatureFormat, FeatureTable};
pub use listing::{BackboneListing, available_backbones, backbones};
pub use manifest::{DataParts, Manifest, NetworkRecord, PartRecord};
pub use model_file::Preprocessing;
pub use network::{Layer, Network, NetworkOptions};
pub use recipe::{LayerList, NetworkInput, Recipe, RecipeDefaults, RecipeLayer};
pub use skipped::{SkippedFile, printable, skipped_lines};
pub use speed::{BackboneProfile, BackboneSpeed, BatchSpeed, KernelShare, StepShare};
pub use stored_score::RecordedScore;
pub use summary::Summary;
pub use weights::{FetchedWeights, WeightCache, WeightCacheInfo, fetch_weights, fetchable_backbones};
pub use weights_status::WeightsStatus;

/// A pool of `threads` threads for everything in this library; run work in it with `install`.
///
/// # Errors
/// If the threads cannot be started.
pub fn thread_pool(threads: usize) -> Result<rayon::ThreadPool, rayon::ThreadPoolBuildError> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build()
}
