//! Keras weights in HDF5: the old layout of lists of names, and the groups by class of Keras 3.
//!
//! Source: `keras/src/legacy/saving/legacy_h5_format.py` and `keras/src/saving/saving_lib.py`.

mod class_groups;
mod name_lists;

use std::io::{Read, Seek};

use crate::{
    FormatError, KerasLayers, LayerOrder, Limits,
    hdf5::{Group, Hdf5File},
};

pub(crate) use class_groups::ConfigLayer;

/// Reads an HDF5 file of Keras: weights or a whole model in the old layout (`.h5`), or weights of Keras 3
/// (`.weights.h5`). Each tensor is read once, in pieces; half and single precision keep their type, double precision
/// and integers become single precision.
///
/// # Errors
/// [`FormatError`] if the file is truncated or broken, is not one of Keras, refers to other files, holds an element
/// type without a value in single precision, or asks for more than `limits`.
pub fn read<R>(reader: R, limits: Limits) -> Result<KerasLayers, FormatError>
where
    R: Read + Seek + Send + 'static,
{
    read_ordered(reader, limits, None)
}

/// Like [`read`]; `config` says how the layers of groups by class follow one another.
pub(crate) fn read_ordered<R>(
    reader: R,
    limits: Limits,
    config: Option<&[ConfigLayer]>,
) -> Result<KerasLayers, FormatError>
where
    R: Read + Seek + Send + 'static,
{
    let file = Hdf5File::open(reader, limits)?;
    let root = file.root()?;
    let attributes = root.attributes()?;
    let model_config = attributes.text("model_config")?;
    if let Some(layers) = name_lists::read(&root, &attributes)? {
        return Ok(KerasLayers { order: LayerOrder::Model, layers, model_config });
    }
    if let Some(weights) = root.find_group("model_weights")? {
        let layers = name_lists::read(&weights, &weights.attributes()?)?;
        let layers = layers.ok_or_else(|| not_keras(&weights))?;
        return Ok(KerasLayers { order: LayerOrder::Model, layers, model_config });
    }
    let layers = class_groups::read(&root, config)?.ok_or_else(|| not_keras(&root))?;
    let order = if config.is_some() { LayerOrder::Model } else { LayerOrder::WithinClass };
    Ok(KerasLayers { order, layers, model_config })
}

fn not_keras(group: &Group) -> FormatError {
    let what = match group.path() {
        "" => "the attribute `layer_names` and the groups `model_weights` and `layers` of Keras weights"
            .to_owned(),
        path => format!("the attribute `layer_names` of the group `{path}`"),
    };
    FormatError::Absent { format: "HDF5", what }
}
