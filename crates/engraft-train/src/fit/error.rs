//! What can go wrong in training.

use engraft_engine::EngineError;
use engraft_graph::GraphError;

use super::SampleError;
use crate::{checkpoint::CheckpointError, setting::SettingError};

/// A training that cannot begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// An option lies outside its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The network's result is no softmax over classes.
    #[error("the network ends in node `{node}`, expected a softmax over a vector")]
    NotAClassifier {
        /// Its last node.
        node: String,
    },
    /// There is nothing to learn from or to judge by.
    #[error("there are no {what} images, expected at least one")]
    NoImages {
        /// Training or validation.
        what: &'static str,
    },
    /// There is nothing to tell apart.
    #[error("the {what} images have {found} classes, expected at least 2")]
    TooFewClasses {
        /// Training or validation.
        what: &'static str,
        /// Number of classes.
        found: usize,
    },
    /// The network tells another number of classes apart.
    #[error("the {what} images have {found} classes, expected the {expected} of the network")]
    Classes {
        /// Training or validation.
        what: &'static str,
        /// Classes of the images.
        found: usize,
        /// Classes of the network.
        expected: usize,
    },
    /// The network reads images of another size.
    #[error("the {what} images have {found} values, expected the {expected} that the network reads")]
    ImageLen {
        /// Training or validation.
        what: &'static str,
        /// Values of an image.
        found: usize,
        /// Values that the network reads.
        expected: usize,
    },
    /// There is not one weight for each class.
    #[error("there are {found} class weights, expected {expected}, one for each class")]
    ClassWeights {
        /// Number of weights.
        found: usize,
        /// Number of classes.
        expected: usize,
    },
    /// The loss or a parameter is not a number any more.
    #[error(
        "{what} is {found} in epoch {epoch}, batch {batch}, at learning rate {learning_rate:?}, expected a finite number: {}",
        remedy(*updates, *learning_rate, *default_learning_rate)
    )]
    Diverged {
        /// What is not finite.
        what: &'static str,
        /// Its value.
        found: f64,
        /// Counted from 1.
        epoch: usize,
        /// The last batch before it was seen, counted from 1.
        batch: usize,
        /// That of this batch.
        learning_rate: f32,
        /// The default learning rate of the optimizer.
        default_learning_rate: f32,
        /// How often the weights had been updated before it was seen.
        updates: u64,
    },
    /// An image cannot be had.
    #[error(transparent)]
    Samples(SampleError),
    /// The weights do not fit the network.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The network cannot be run or differentiated.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A checkpoint cannot be written, read or used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// What to try when the loss is not finite; never a learning rate above the optimizer's default.
fn remedy(updates: u64, learning_rate: f32, default_learning_rate: f32) -> String {
    if updates == 0 {
        return "no update was made before, so look at the range of the images and the initial weights"
            .to_owned();
    }
    let advised = (learning_rate / 10.0).min(default_learning_rate);
    // Two decimal digits, without what single precision adds to them.
    let advised = format!("{advised:.1e}").parse().unwrap_or(f64::from(advised));
    format!("try a smaller learning rate, such as {advised}, or a cosine schedule with warm-up")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_is_a_rate_that_a_person_would_type() {
        for (rate, default, want) in [
            (1e-3, 1e-3, "such as 0.0001,"),
            (0.025, 0.01, "such as 0.0025,"),
            (100.0, 0.01, "such as 0.01,"),
            (0.5, 1e-3, "such as 0.001,"),
        ] {
            let advice = remedy(1, rate, default);
            assert!(advice.contains(want), "{rate}: {advice}");
        }
    }
}
