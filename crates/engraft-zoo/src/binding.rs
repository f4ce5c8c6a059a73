//! Finds every weight of a network among the tensors of a file, and brings it into the network's layout.
//!
//! Each weight keeps the element type it has in the file, and none is copied that stands in our layout already.

mod keras;
mod named;

use engraft_formats::WeightsFile;
use engraft_graph::{Graph, NamedTensors, Tensor, TensorData, WeightSpec};

use crate::{BackboneSpec, ZooError};

/// What weights are wanted for.
pub(crate) struct Target<'a> {
    pub(crate) spec: &'a BackboneSpec,
    pub(crate) graph: &'a Graph,
    /// Names the tensors in errors.
    pub(crate) origin: &'a str,
}

/// Returns exactly the weights of the target's network, in its order.
pub(crate) fn bind(target: &Target, file: WeightsFile) -> Result<NamedTensors, ZooError> {
    let Target { spec, graph, origin } = *target;
    let mut bound = match file {
        WeightsFile::Named(tensors) => {
            named::bind(graph, tensors, spec.architecture.pytorch_modules(), origin)?
        }
        WeightsFile::Layers(layers) => keras::bind(target, layers)?,
        _ => unreachable!("weight files hold named tensors or layers"),
    };
    let mut weights = NamedTensors::new();
    for WeightSpec { name, .. } in graph.weights() {
        let tensor = bound.remove(&name).expect("all weights are bound");
        check_finite(&name, &tensor, origin)?;
        weights.insert(name, tensor).expect("the weights of a graph have unique names");
    }
    Ok(weights)
}

fn check_finite(weight: &str, tensor: &Tensor, origin: &str) -> Result<(), ZooError> {
    let found = match tensor.data() {
        TensorData::F32(values) => values.iter().copied().find(|value| !value.is_finite()),
        TensorData::F16(values) => values.iter().map(|value| value.to_f32()).find(|value| !value.is_finite()),
        _ => unreachable!("the element types of a tensor are F32 and F16"),
    };
    match found {
        None => Ok(()),
        Some(found) => {
            Err(ZooError::NotFinite { origin: origin.to_owned(), weight: weight.to_owned(), found })
        }
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;

    #[test]
    fn what_is_not_finite_is_named() {
        let half = TensorData::F16([1.0, f32::INFINITY].map(f16::from_f32).to_vec());
        for (data, found) in [(TensorData::F32(vec![0.0, f32::NAN]), "NaN"), (half, "inf")] {
            let tensor = Tensor::new(vec![2], data).unwrap();
            let error = check_finite("bn/beta", &tensor, "file").unwrap_err().to_string();
            assert_eq!(error, format!("file: weight `bn/beta` holds {found}, expected finite numbers"));
        }
        check_finite("bn/beta", &Tensor::from_f32(vec![1], vec![0.5]).unwrap(), "file").unwrap();
    }
}
