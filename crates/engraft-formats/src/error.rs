//! What can be wrong with a file.

use std::io;

use engraft_graph::GraphError;

/// A file that cannot be read, or content that cannot be written, in one of the formats of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The operating system failed.
    #[error("cannot read: {0}")]
    Io(io::Error),
    /// The file is something else.
    #[error("not a {format} file: found {found}, expected {expected}")]
    Signature {
        /// The format that was expected.
        format: &'static str,
        /// What the file starts with.
        found: String,
        /// What it should start with.
        expected: &'static str,
    },
    /// The file is longer or shorter than its header says.
    #[error("the {format} file has {found} bytes, expected {expected}")]
    FileLength {
        /// The format.
        format: &'static str,
        /// Bytes in the file.
        found: u64,
        /// What it should have, in words.
        expected: String,
    },
    /// The header is longer than any honest one.
    #[error("the {format} header has {found} bytes, expected at most {limit}")]
    HeaderLength {
        /// The format.
        format: &'static str,
        /// Bytes that the file declares.
        found: u64,
        /// Most bytes that are accepted.
        limit: u64,
    },
    /// The header makes no sense.
    #[error("the {format} header is broken: {reason}")]
    Header {
        /// The format.
        format: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A part of the file makes no sense.
    #[error("{object} in the {format} file is broken: {reason}")]
    Content {
        /// The format.
        format: &'static str,
        /// The part, as the format calls it.
        object: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A part of the file is not there.
    #[error("the {format} file lacks {what}")]
    Absent {
        /// The format.
        format: &'static str,
        /// What is expected, in words.
        what: String,
    },
    /// The file asks for more memory than its length warrants.
    #[error("{what} brings the file to {found} bytes in memory, expected at most {limit}")]
    Memory {
        /// The tensor or text that is too much, in words.
        what: String,
        /// Bytes that all of them up to this one need.
        found: u64,
        /// Most bytes that are accepted.
        limit: u64,
    },
    /// A tensor is of a type that is not supported.
    #[error("{tensor} has the element type {found}, expected {expected}")]
    ElementType {
        /// The tensor, in words.
        tensor: String,
        /// Its element type, as the format calls it.
        found: String,
        /// The types that are supported.
        expected: &'static str,
    },
    /// The tensors do not form a consistent set.
    #[error(transparent)]
    Tensors(#[from] GraphError),
}

impl From<io::Error> for FormatError {
    fn from(error: io::Error) -> FormatError {
        FormatError::Io(error)
    }
}
