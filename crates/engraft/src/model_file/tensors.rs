//! The tensors of a model file: those of the head and those of each network, under names of their own.

use std::collections::BTreeMap;

use engraft_data::Digest;
use engraft_graph::{NamedTensors, Tensor};
use engraft_train::LinearHead;

use crate::{error::ModelProblem, tensors_digest::tensors_digest};

const HEAD: &str = "head/";
const BACKBONE: &str = "backbone/";

/// What a weight of the network at `index` is called in the file.
pub fn tensor_name(index: usize, weight: &str) -> String {
    format!("{BACKBONE}{index}/{weight}")
}

/// All tensors of a model.
pub fn joined(head: &LinearHead, weights: &[&NamedTensors]) -> Result<NamedTensors, ModelProblem> {
    let mut tensors = head_tensors(head)?;
    for (index, weights) in weights.iter().enumerate() {
        for (name, tensor) in weights.iter() {
            tensors.insert(tensor_name(index, name), tensor.clone())?;
        }
    }
    Ok(tensors)
}

/// The head, and the weights of each of `parts` networks.
pub fn split(tensors: NamedTensors, parts: usize) -> Result<(LinearHead, Vec<NamedTensors>), ModelProblem> {
    let mut weights = vec![NamedTensors::new(); parts];
    let mut head = BTreeMap::new();
    for (name, tensor) in tensors {
        if let Some((index, weight)) = part_and_weight(&name).filter(|(index, _)| *index < parts) {
            weights[index].insert(weight, tensor)?;
        } else if let Some(role) = name.strip_prefix(HEAD) {
            head.insert(role.to_owned(), tensor.to_f32().into_owned());
        } else {
            return Err(ModelProblem::Header(format!("unknown tensor `{name}`")));
        }
    }
    Ok((head_of(head)?, weights))
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
    let number: usize = index.parse().ok()?;
    (number.to_string() == index).then_some((number, weight))
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
