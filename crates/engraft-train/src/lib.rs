//! Feature store, classifier heads, cross-validation, metrics and reports.

mod cross_validate;
mod embed;
mod error;
mod features; // start here
mod folds;
mod groups;
mod head;
mod logistic;
mod metrics;
mod progress;
mod report;
mod store;
mod views;

mod cholesky;
mod matrix;

pub use cross_validate::{OPTIMISTIC, STRENGTHS, Selection, select, strength};
pub use embed::{EmbedError, EmbedTimes, EmbeddedImage, Embedder, FeatureNetwork};
pub use error::Error;
pub use features::Features;
pub use folds::{FoldWarning, Folds};
pub use groups::{group_ids, leaks};
pub use head::LinearHead;
pub use logistic::{FittedHead, TOLERANCE, fit};
pub use metrics::{ClassScore, Confusion, Score, wilson_interval};
pub use progress::{Progress, Silent};
pub use report::{classification_table, confused_pairs, confusion_table, report, summary};
pub use store::{FeatureKey, FeatureSpace, Store, StoreError, StoreInfo, StoreLocation, StoredFeatures};
pub use views::Views;
