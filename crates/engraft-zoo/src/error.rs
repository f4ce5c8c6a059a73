//! Why a backbone cannot be opened.

use std::{io, path::PathBuf};

use engraft_formats::FormatError;
use engraft_graph::GraphError;

use crate::FetchError;

/// A backbone that is not known, or weights that cannot be had or do not fit it.
///
/// `origin` names the weight file, or says that the weights are the embedded ones.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZooError {
    /// There is no backbone of that name.
    #[error("backbone `{found}` is unknown, expected one of {}{}", known.join(", "), suggestion(nearest))]
    UnknownBackbone {
        /// The name asked for.
        found: String,
        /// All names.
        known: Vec<&'static str>,
        /// The known name that is most like it, if any is.
        nearest: Option<&'static str>,
    },
    /// The input is smaller than the backbone can take.
    #[error("backbone `{backbone}` got an input of {} x {} pixels, expected at least {min_side_px} x {min_side_px}", found[0], found[1])]
    InputSize {
        /// The backbone.
        backbone: &'static str,
        /// Height and width asked for, in pixels.
        found: [usize; 2],
        /// The least height and width, in pixels.
        min_side_px: usize,
    },
    /// The network cannot be built for such an input.
    #[error("backbone `{backbone}`: {problem}")]
    Graph {
        /// The backbone.
        backbone: &'static str,
        /// What is wrong.
        problem: GraphError,
    },
    /// The backbone's weights are not part of the program.
    #[error("the weights of `{backbone}` are not embedded, expected a weight file")]
    NotEmbedded {
        /// The backbone.
        backbone: &'static str,
    },
    /// The backbone needs a weight file and no place for one was named.
    #[error(
        "the weights of `{backbone}` are not embedded: put {backbone}.safetensors into a folder and name that \
         folder in ENGRAFT_WEIGHTS"
    )]
    NoWeightsFolder {
        /// The backbone.
        backbone: &'static str,
    },
    /// The backbone's weight file is not where it should be.
    #[error("the weights of `{backbone}` are missing, expected the file {}", path.display())]
    NoWeightsFile {
        /// The backbone.
        backbone: &'static str,
        /// Where its file belongs.
        path: PathBuf,
    },
    /// A weight file cannot be found, downloaded or believed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The weight file cannot be read.
    #[error("cannot read the weight file {}: {problem}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        problem: io::Error,
    },
    /// The weight file is broken.
    #[error("{origin}: {problem}")]
    Format {
        /// The weights.
        origin: String,
        /// What is wrong with them.
        problem: FormatError,
    },
    /// A weight is absent under all names it could have.
    #[error("{origin}: weight `{weight}`{} is missing, expected shape {expected:?}", in_file(alias))]
    MissingWeight {
        /// The weights.
        origin: String,
        /// The weight's name.
        weight: String,
        /// Its name in the file, if that is not ours.
        alias: Option<String>,
        /// The shape it should have in our layout.
        expected: Vec<usize>,
    },
    /// A weight has the wrong shape.
    #[error("{origin}: weight `{weight}`{} has shape {found:?}, expected {expected:?}", in_file(alias))]
    WeightShape {
        /// The weights.
        origin: String,
        /// The weight's name.
        weight: String,
        /// Its name in the file, if that is not ours.
        alias: Option<String>,
        /// The shape it has there.
        found: Vec<usize>,
        /// The shape it should have there.
        expected: Vec<usize>,
    },
    /// The file has too few or too many weights.
    #[error(
        "{origin}: the file has {found} weights, expected {expected}; the first that does not fit is {first_found}, expected \
         {first_expected}"
    )]
    WeightCount {
        /// The weights.
        origin: String,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
        /// The first that does not fit, in words.
        first_found: String,
        /// What should stand there, in words.
        first_expected: String,
    },
    /// The file has a weight that the backbone does not.
    #[error("{origin}: weight `{weight}` is unknown, expected those of the backbone alone")]
    UnknownWeight {
        /// The weights.
        origin: String,
        /// Its name in the file.
        weight: String,
    },
    /// A weight is not a number, or infinite.
    #[error("{origin}: weight `{weight}` holds {found}, expected finite numbers")]
    NotFinite {
        /// The weights.
        origin: String,
        /// The weight's name.
        weight: String,
        /// The first such value.
        found: f32,
    },
}

fn suggestion(nearest: &Option<&str>) -> String {
    nearest.map(|name| format!("; the nearest is {name}")).unwrap_or_default()
}

fn in_file(alias: &Option<String>) -> String {
    alias.as_ref().map(|name| format!(" (`{name}`)")).unwrap_or_default()
}
