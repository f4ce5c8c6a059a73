//! Why bytes could not become an image.

use std::{error::Error as _, io};

use image::ImageError;

/// Why bytes could not become an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There are no bytes.
    #[error("the file is empty")]
    Empty,
    /// The bytes are something else.
    #[error("not an image: it looks like {looks_like}")]
    NotAnImage {
        /// What the first bytes look like, with its article.
        looks_like: &'static str,
    },
    /// An image of a format, or of a kind within a format, that is not read.
    #[error("unsupported image: {what}")]
    Unsupported {
        /// What is not supported.
        what: String,
    },
    /// Larger than [`super::Limits`] allow; found out before anything of that size is allocated.
    #[error("image too large: {found} {unit}, at most {limit} are read")]
    TooLarge {
        /// What the image has.
        found: u64,
        /// What is allowed.
        limit: u64,
        /// What is counted: pixels, or bytes of memory while decoding.
        unit: &'static str,
    },
    /// The file ends before the image does.
    #[error("truncated {format}: the file ends before the image does")]
    Truncated {
        /// The format the first bytes state.
        format: &'static str,
    },
    /// The bytes break the rules of their format.
    #[error("corrupt {format}: {problem}")]
    Corrupt {
        /// The format the first bytes state.
        format: &'static str,
        /// What the decoder found.
        problem: String,
    },
    /// The decoder panicked: a bug of its own that this file brings out.
    #[error("the {format} decoder cannot cope with it: {message}")]
    Panicked {
        /// The format the first bytes state.
        format: &'static str,
        /// What the panic said.
        message: String,
    },
}

impl DecodeError {
    /// A short constant name of the kind of error, for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            DecodeError::Empty => "empty",
            DecodeError::NotAnImage { .. } => "not_an_image",
            DecodeError::Unsupported { .. } => "unsupported",
            DecodeError::TooLarge { .. } => "too_large",
            DecodeError::Truncated { .. } => "truncated",
            DecodeError::Corrupt { .. } => "corrupt",
            DecodeError::Panicked { .. } => "codec_panic",
        }
    }

    pub(super) fn unsupported(format: &str, what: impl std::fmt::Display) -> DecodeError {
        DecodeError::Unsupported { what: format!("{format} with {what}") }
    }

    pub(super) fn corrupt(format: &'static str, problem: impl std::fmt::Display) -> DecodeError {
        DecodeError::Corrupt { format, problem: one_line(&problem.to_string()) }
    }

    pub(super) fn panicked(format: &'static str, message: &str) -> DecodeError {
        DecodeError::Panicked { format, message: one_line(message) }
    }

    pub(super) fn from_image(format: &'static str, error: &ImageError) -> DecodeError {
        match error {
            ImageError::Unsupported(error) => DecodeError::Unsupported { what: one_line(&error.to_string()) },
            error if says_truncated(error) => DecodeError::Truncated { format },
            ImageError::Decoding(error) => match error.source() {
                Some(source) => DecodeError::corrupt(format, source),
                None => DecodeError::corrupt(format, error),
            },
            error => DecodeError::corrupt(format, error),
        }
    }
}

/// Whether any error of the chain means that bytes are missing.
///
/// Decoders agree on `UnexpectedEof` only where they read through `std::io`; the rest say it in words.
fn says_truncated(error: &ImageError) -> bool {
    let mut link: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = link {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
            || is_truncation_message(error)
        {
            return true;
        }
        link = error.source();
    }
    false
}

pub(super) fn is_truncation_message(error: &dyn std::fmt::Display) -> bool {
    let message = error.to_string().to_lowercase();
    let words = [
        "unexpected end",
        "unexpected eof",
        "end of file",
        "failed to fill whole buffer",
        "truncated",
        "not enough data",
    ];
    words.iter().any(|word| message.contains(word))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
