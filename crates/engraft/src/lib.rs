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
mod error;
mod feature_table;
mod listing;
mod manifest;

mod atomic_file;
mod embedded_part;
mod model_file;
mod skipped;
mod tensors_digest;

pub use atomic_file::{check_writable, write as write_file};
pub use augment::{AugmentOptions, AugmentReport, ClassCopies, Preview, augment_folder, read_augmentation};
pub use backbone::{Backbone, BackboneInfo};
pub use classifier::{
    Classifier, CrossValidation, Description, Evaluation, FitAccuracy, Guess, ImageCounts, Leak, Prediction,
    Problem, Ranked, Seconds, TrainOptions, TrainReport,
};
pub use engraft_data::{
    Filter, Fit, Image, Limits, Rng, UnknownName, augment as augmentations, decode, encode_png,
};
pub use engraft_train::{Progress, Score, Silent, Store, StoreError, StoreInfo, StoreLocation};
pub use error::{Error, ErrorCategory, ModelProblem};
pub use feature_table::{EmbedOptions, FeatureFormat, FeatureTable};
pub use listing::{BackboneListing, backbones};
pub use manifest::{DataParts, Manifest, PartRecord};
pub use model_file::Preprocessing;
pub use skipped::SkippedFile;

/// A pool of `threads` threads for everything in this library; run work in it with `install`.
///
/// # Errors
/// If the threads cannot be started.
pub fn thread_pool(threads: usize) -> Result<rayon::ThreadPool, rayon::ThreadPoolBuildError> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build()
}
