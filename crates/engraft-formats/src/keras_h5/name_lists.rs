//! The old layout: an attribute lists the layers in order, and one of each layer's group lists its weights.

use crate::{
    FormatError, KerasLayer,
    hdf5::{Attributes, Group},
};

/// The layers that `attributes`, those of `group`, list and that have weights, then the weights of the model itself;
/// nothing if there is no list.
pub(super) fn read(group: &Group, attributes: &Attributes) -> Result<Option<Vec<KerasLayer>>, FormatError> {
    let Some(names) = attributes.texts("layer_names")? else { return Ok(None) };
    let mut layers = Vec::new();
    for name in names {
        layers.push(read_layer(&group.group(&name)?, name)?);
    }
    if let Some(own) = group.find_group(OWN_WEIGHTS)? {
        layers.push(read_layer(&own, OWN_WEIGHTS.to_owned())?);
    }
    layers.retain(|layer| !layer.weights.is_empty());
    Ok(Some(layers))
}

/// Where Keras 3 puts the weights that belong to the model but to none of its layers.
const OWN_WEIGHTS: &str = "top_level_model_weights";

fn read_layer(group: &Group, name: String) -> Result<KerasLayer, FormatError> {
    let names = group.attributes()?.texts("weight_names")?.ok_or_else(|| FormatError::Absent {
        format: "HDF5",
        what: format!("the attribute `weight_names` of the group `{}`", group.path()),
    })?;
    let mut weights = Vec::with_capacity(names.len());
    for name in names {
        let tensor = group.tensor(&name)?;
        weights.push((name, tensor));
    }
    Ok(KerasLayer { name, place: None, weights })
}
