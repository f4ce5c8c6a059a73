//! Feature store, classifier heads, cross-validation, metrics and reports.

mod cholesky;
mod error; // start here
mod features;
mod head;
mod logistic;
mod matrix;

pub use error::Error;
pub use features::Features;
pub use head::LinearHead;
pub use logistic::{Fit, TOLERANCE, fit};
