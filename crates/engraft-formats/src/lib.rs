//! File formats, one per file, read and written as named tensors.
//!
//! A format knows bytes and tensors, never a network. Readers trust nothing: every length is checked against the
//! length of the file before memory is set aside for it, and what does not fit is a [`FormatError`], never a guess.
//! Errors do not repeat the path, which only the caller knows.

pub mod npy;
pub mod safetensors;

mod error;

pub use error::FormatError;
