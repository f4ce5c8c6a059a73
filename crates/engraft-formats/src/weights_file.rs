//! Weight files of every format, told apart by their first bytes.

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use engraft_graph::NamedTensors;

use crate::{
    FormatError, KerasLayers, Limits, archive, archive::Archive, hdf5, keras_h5, keras_zip, npz, safetensors,
};

/// The content of a weight file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WeightsFile {
    /// Tensors with names of their own, out of safetensors or `.npz`.
    Named(NamedTensors),
    /// Layers with their tensors, out of any file of Keras.
    Layers(KerasLayers),
}

/// Reads a weight file: safetensors, `.npz`, or a `.h5`, `.weights.h5` or `.keras` file of Keras. Its name does not
/// matter. Memory peaks at little more than the weights take.
///
/// # Errors
/// [`FormatError`] if the file cannot be read, is of no such format, is truncated or broken, or asks for more than
/// [`Limits::for_file_len`].
pub fn read_weights(path: &Path) -> Result<WeightsFile, FormatError> {
    let file = File::open(path)?;
    let limits = Limits::for_file_len(file.metadata()?.len());
    read_weights_from(file, limits)
}

/// Reads a weight file from `reader`, which holds nothing else; see [`read_weights`].
///
/// # Errors
/// As [`read_weights`], for `limits`.
pub fn read_weights_from<R>(mut reader: R, limits: Limits) -> Result<WeightsFile, FormatError>
where
    R: Read + Seek + Send + 'static,
{
    let len = reader.seek(SeekFrom::End(0))?;
    let mut start = Vec::new();
    reader.rewind()?;
    reader.by_ref().take(SNIFFED_LEN).read_to_end(&mut start)?;
    reader.rewind()?;
    if start.starts_with(hdf5::SIGNATURE) {
        return keras_h5::read(reader, limits).map(WeightsFile::Layers);
    }
    if start.starts_with(archive::SIGNATURE) {
        return read_archive(Archive::open(reader, limits)?, limits);
    }
    if start.get(8) == Some(&b'{') {
        let file = safetensors::read(BufReader::new(reader), len)?;
        return Ok(WeightsFile::Named(file.tensors));
    }
    let found = format!("\"{}\"", start.escape_ascii());
    Err(FormatError::Signature { format: "weight", found, expected: "safetensors, HDF5 or zip" })
}

/// As many bytes as tell the formats apart.
const SNIFFED_LEN: u64 = 9;

fn read_archive<R>(archive: Archive<R>, limits: Limits) -> Result<WeightsFile, FormatError>
where
    R: Read + Seek + Send + 'static,
{
    if keras_zip::is_model(&archive) {
        keras_zip::from_archive(archive, limits).map(WeightsFile::Layers)
    } else {
        npz::from_archive(archive).map(WeightsFile::Named)
    }
}
