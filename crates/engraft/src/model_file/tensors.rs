//! The tensors of a model file: those of the head, and those of each network, of the whitening before it and of its calibration,
//! under names of their own.

use std::collections::BTreeMap;

use engraft_data::{Digest, Standardizer};
use engraft_graph::{NamedTensors, Tensor};
use engraft_train::LinearHead;

use super::StoredPart;
use crate::{error::ModelProblem, tensors_digest::tensors_digest};

const HEAD: &str = "head/";
const BACKBONE: &str = "backbone/";
const WHITENING: &str = "whitening/";
const CALIBRATION: &str = "calibration/";

/// What a weight of the network at `index` is called in the file.
pub fn tensor_name(index: usize, weight: &str) -> String {
    format!("{BACKBONE}{index}/{weight}")
}

/// The tensors of a model that is read.
pub struct Split {
    pub head: LinearHead,
    /// Of each network.
    pub weights: Vec<NamedTensors>,
    /// The directions of whitening before each network; of networks without it they are empty.
    pub directions: Vec<Vec<f32>>,
    /// The numbers of each network's calibration; none of networks that were not calibrated.
    pub calibrations: Vec<Option<Vec<f32>>>,
}

/// All tensors of a model.
pub fn joined(
    head: &LinearHead,
    weights: &[&NamedTensors],
    parts: &[StoredPart],
) -> Result<NamedTensors, ModelProblem> {
    let mut tensors = head_tensors(head)?;
    for (index, part) in parts.iter().enumerate() {
        if let Some(directions) = part.standardizer.as_ref().and_then(Standardizer::directions) {
            let tensor = Tensor::from_f32(vec![directions.len()], directions.to_vec())?;
            tensors.insert(format!("{WHITENING}{index}"), tensor)?;
        }
        if let Some(calibration) = &part.calibration {
            let numbers = calibration.numbers(&part.graph)?;
            let tensor = Tensor::from_f32(vec![numbers.len()], numbers)?;
            tensors.insert(format!("{CALIBRATION}{index}"), tensor)?;
        }
    }
    for (index, weights) in weights.iter().enumerate() {
        for (name, tensor) in weights.iter() {
            tensors.insert(tensor_name(index, name), tensor.clone())?;
        }
    }
    Ok(tensors)
}

/// What belongs to each of `parts` networks, and the head.
pub fn split(tensors: NamedTensors, parts: &[StoredPart]) -> Result<Split, ModelProblem> {
    let mut weights = vec![NamedTensors::new(); parts.len()];
    let mut directions = vec![Vec::new(); parts.len()];
    let mut calibrations = vec![None; parts.len()];
    let whitens = |index: &usize| {
        parts.get(*index).is_some_and(|part| part.standardizer.as_ref().is_some_and(Standardizer::whitens))
    };
    let mut head = BTreeMap::new();
    for (name, tensor) in tensors {
        if let Some((index, weight)) = part_and_weight(&name).filter(|(index, _)| *index < parts.len()) {
            weights[index].insert(weight, tensor)?;
        } else if let Some(index) = name.strip_prefix(WHITENING).and_then(number).filter(whitens) {
            directions[index] = tensor.to_f32().into_owned();
        } else if let Some(index) =
            name.strip_prefix(CALIBRATION).and_then(number).filter(|index| *index < parts.len())
        {
            calibrations[index] = Some(tensor.to_f32().into_owned());
        } else if let Some(role) = name.strip_prefix(HEAD) {
            head.insert(role.to_owned(), tensor.to_f32().into_owned());
        } else {
            return Err(ModelProblem::Header(format!("unknown tensor `{name}`")));
        }
    }
    Ok(Split { head: head_of(head)?, weights, directions, calibrations })
}

/// Identifies a model's whole content: the header and every tensor.
pub fn content_digest(json: &str, tensors: &NamedTensors) -> Digest {
    Digest::of_parts(&[&Digest::of(json.as_bytes()).0, &tensors_digest(tensors).0])
}

fn head_of(mut values: BTreeMap<String, Vec<f32>>) -> Result<LinearHead, ModelProblem> {
    let mut take =
        |role: &str| values.remove(role).ok_or_else(|| ModelProblem::Head(format!("no tensor `{role}`")));
    let (mean, scale, weight, bias) = (take("mean")?, take("scale")?, take("weight")?, take("bias")?);
    if let Some(role) = values.keys().next() {
        return Err(ModelProblem::Header(format!("unknown tensor `{HEAD}{role}`")));
    }
    LinearHead::new(mean, scale, weight, bias).map_err(|error| ModelProblem::Head(error.to_string()))
}

fn head_tensors(head: &LinearHead) -> Result<NamedTensors, ModelProblem> {
    let mut tensors = NamedTensors::new();
    let mut add = |role: &str, shape: Vec<usize>, values: &[f32]| {
        tensors.insert(format!("{HEAD}{role}"), Tensor::from_f32(shape, values.to_vec())?)
    };
    add("mean", vec![head.dim()], head.mean())?;
    add("scale", vec![head.dim()], head.scale())?;
    add("weight", vec![head.dim(), head.classes()], head.weight())?;
    add("bias", vec![head.classes()], head.bias())?;
    Ok(tensors)
}

/// The network and the weight that a tensor's name stands for; no number is written in two ways.
fn part_and_weight(name: &str) -> Option<(usize, &str)> {
    let (index, weight) = name.strip_prefix(BACKBONE)?.split_once('/')?;
    Some((number(index)?, weight))
}

fn number(text: &str) -> Option<usize> {
    text.parse().ok().filter(|number: &usize| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_which_network_a_weight_belongs_to() {
        assert_eq!(part_and_weight(&tensor_name(12, "conv/kernel")), Some((12, "conv/kernel")));
        for name in ["backbone/conv/kernel", "backbone/01/x", "backbone/+1/x", "backbone/1", "head/0/x", ""] {
            assert_eq!(part_and_weight(name), None, "{name}");
        }
    }
}
