//! File formats, one per file, read and written as named tensors or, where Keras saves no unique names, as layers.
//!
//! A format knows bytes and tensors, never a network. Readers trust nothing: every length is checked against the
//! length of the file before memory is set aside for it, and what does not fit is a [`FormatError`], never a guess.
//! Errors do not repeat the path, which only the caller knows.

mod weights_file; // start here

pub mod keras_h5;
pub mod keras_zip;
pub mod npy;
pub mod npz;
pub mod safetensors;

mod archive;
mod error;
mod hdf5;
mod keras_layers;
mod limits;

pub use error::FormatError;
pub use keras_layers::{KerasLayer, KerasLayers, LayerOrder, LayerPlace};
pub use limits::Limits;
pub use weights_file::{WeightsFile, read_weights, read_weights_from};
