//! The verbs of the program: one file each, all listed here.

use crate::{exit::Outcome, options::Common, output};

mod fit_choice;
mod network;
mod network_training;
mod tta;

/// Declares the verbs' modules and the enum that clap parses, in the order in which the help lists them.
macro_rules! verbs {
    ($($(#[$doc:meta])* $module:ident => $variant:ident,)*) => {
        $(mod $module;)*

        /// What the program should do.
        #[derive(clap::Subcommand)]
        pub enum Verb {
            $($(#[$doc])* $variant(Box<$module::Args>),)*
        }

        impl Verb {
            /// Does it.
            pub fn run(self, common: &Common) -> anyhow::Result<Outcome> {
                match self { $(Verb::$variant(args) => $module::run(*args, common),)* }
            }
        }
    };
}

verbs! {
    /// Train a classifier on a folder of class folders, and judge it
    train => Train,
    /// Judge a model on a folder of class folders
    evaluate => Evaluate,
    /// Classify images
    predict => Predict,
    /// Train on many backbones and compare how good and how fast they are
    compare => Compare,
    /// Write the backbone's features of images to a file
    embed => Embed,
    /// Write augmented copies of images, to see what a model will see
    augment => Augment,
    /// Show what is in a model file
    inspect => Inspect,
    /// List the backbones
    models => Models,
    /// Show the layers of a backbone or a model as a table
    summary => Summary,
    /// Draw the architecture of a backbone or a model
    plot => Plot,
    /// Measure how fast a backbone runs, and where its time goes
    bench => Bench,
    /// Bring the weights of backbones onto this computer
    fetch => Fetch,
    /// Show or empty the store of features and the cache of weights
    cache => Cache,
    /// Draw a collection of charts and train on it
    demo => Demo,
}

/// The store of features, or `None` with a warning where there can be none: it only saves time.
fn open_store() -> Option<engraft::Store> {
    match engraft::StoreLocation::from_environment().and_then(|location| engraft::Store::open(&location)) {
        Ok(store) => Some(store),
        Err(error) => {
            output::warning(&format!("features are not kept for the next run: {error}"));
            None
        }
    }
}

/// Whether `accuracy` passes the gate; no accuracy at all does not.
fn gate(min_accuracy: Option<f64>, accuracy: Option<f64>) -> Outcome {
    match (min_accuracy, accuracy) {
        (Some(min), None) => {
            output::warning(&format!(
                "--min-accuracy {min} is missed: found no accuracy, expected one on the test part, or else in \
                 cross-validation or on the validation part"
            ));
            Outcome::GateMissed
        }
        (Some(min), Some(accuracy)) if accuracy < min => {
            output::warning(&format!("--min-accuracy {min} is missed: found an accuracy of {accuracy}"));
            Outcome::GateMissed
        }
        _ => Outcome::Done,
    }
}

fn parse_accuracy(text: &str) -> Result<f64, String> {
    let accuracy = text.parse().ok().filter(|accuracy| (0.0..=1.0).contains(accuracy));
    accuracy.ok_or_else(|| format!("`{text}` is not an accuracy, expected a number from 0 to 1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_judges_only_when_asked() {
        for (min, accuracy, want) in [
            (None, None, Outcome::Done),
            (None, Some(0.1), Outcome::Done),
            (Some(0.9), Some(0.9), Outcome::Done),
            (Some(0.9), Some(0.89), Outcome::GateMissed),
            (Some(0.9), None, Outcome::GateMissed),
        ] {
            assert_eq!(gate(min, accuracy), want, "{min:?} {accuracy:?}");
        }
    }

    #[test]
    fn accuracies_lie_between_0_and_1() {
        assert_eq!(parse_accuracy("0.95"), Ok(0.95));
        for text in ["95", "-0.1", "NaN", "high", ""] {
            assert!(parse_accuracy(text).is_err(), "{text}");
        }
    }
}
