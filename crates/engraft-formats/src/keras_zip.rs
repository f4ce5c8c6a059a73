//! `.keras`: a zip archive of a model's configuration and its weights.
//!
//! The weights are an HDF5 file inside the archive. Keras stores it uncompressed, and then it is read where it stands,
//! piece by piece; one that was compressed afterwards is first unpacked in memory, within the limits.
//!
//! Source: `keras/src/saving/saving_lib.py`.

mod config;

use std::io::{Read, Seek};

use crate::{
    FormatError, KerasLayers, Limits,
    archive::{Archive, EntryFile},
    keras_h5,
};

/// Reads the weights of a model, in the order of its layers, and its configuration.
///
/// # Errors
/// [`FormatError`] if the archive is truncated or broken, lacks configuration or weights, a checksum differs, an entry
/// unpacks to more than `limits`, or for any reason of [`keras_h5::read`].
pub fn read<R>(reader: R, limits: Limits) -> Result<KerasLayers, FormatError>
where
    R: Read + Seek + Send + 'static,
{
    from_archive(Archive::open(reader, limits)?, limits)
}

/// Whether an archive is a model of Keras.
pub(crate) fn is_model<R: Read + Seek>(archive: &Archive<R>) -> bool {
    archive.has(WEIGHTS) || archive.has(CONFIG)
}

pub(crate) fn from_archive<R>(mut archive: Archive<R>, limits: Limits) -> Result<KerasLayers, FormatError>
where
    R: Read + Seek + Send + 'static,
{
    let config = archive.unpack(CONFIG)?;
    let text = String::from_utf8(config).map_err(|error| config::broken(&error))?;
    let order = config::layers(&text)?;
    let mut model = match archive.into_file(WEIGHTS)? {
        EntryFile::Stored(file) => keras_h5::read_ordered(file, limits, order.as_deref()),
        EntryFile::Unpacked(file) => keras_h5::read_ordered(file, limits, order.as_deref()),
    }?;
    model.model_config = Some(text);
    Ok(model)
}

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.weights.h5";
