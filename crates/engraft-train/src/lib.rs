//! Feature store, classifier heads, training of networks, cross-validation, metrics and reports.

mod checkpoint;
mod cross_validate;
mod early_stopping;
mod embed;
mod error;
mod features; // start here
mod fit;
mod folds;
mod groups;
mod head;
mod history;
mod initializer;
mod logistic;
mod metrics;
mod optimizer;
mod progress;
mod report;
mod schedule;
mod setting;
mod store;
mod views;

mod cholesky;
mod matrix;

pub use checkpoint::{CheckpointError, CheckpointFile, CheckpointProblem};
pub use cross_validate::{OPTIMISTIC, STRENGTHS, Selection, select, strength};
pub use embed::{EmbedError, EmbedTimes, EmbeddedImage, Embedder, FeatureNetwork};
pub use error::Error;
pub use features::Features;
pub use fit::{
    FitData, FitError, FitOptions, FitRun, FittedNetwork, SampleError, Samples, Stop, fit_network,
    least_fit_bytes,
};
pub use folds::{FoldWarning, Folds};
pub use groups::{group_ids, leaks};
pub use head::LinearHead;
pub use history::{EpochRecord, EpochScore, History, HistoryError};
pub use initializer::{glorot_limit, initial_parameters};
pub use logistic::{FittedHead, TOLERANCE, Weighting, fit};
pub use metrics::{ClassScore, Confusion, Score, wilson_interval};
pub use optimizer::{Adam, AdamW, Optimizer, RmsProp, Sgd};
pub use progress::{Progress, Silent};
pub use report::{classification_table, confused_pairs, confusion_table, report, summary};
pub use schedule::{Plateau, Schedule};
pub use setting::{SettingError, in_words};
pub use store::{FeatureKey, FeatureSpace, Store, StoreError, StoreInfo, StoreLocation, StoredFeatures};
pub use views::Views;
