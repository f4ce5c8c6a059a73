//! What is demanded of the options and of the arrays of a step.

use engraft_graph::{Activation, Graph, Op};

use super::lower::Program;
use super::{Batch, GradientOptions, ParameterSpec};
use crate::EngineError;

/// Most values that the activations of one node may have for a batch; keeps memory and indices in bounds.
const MOST_ELEMENTS: usize = 1 << 32;

/// The network's end and the options.
pub(super) fn options(graph: &Graph, options: &GradientOptions) -> Result<(), EngineError> {
    let last = graph.node(graph.output());
    if last.op != Op::Activation(Activation::Softmax) {
        return Err(EngineError::NotAClassifier { node: last.name.clone() });
    }
    if let Some(found) =
        options.frozen.iter().find(|name| graph.nodes().iter().all(|node| node.name != **name))
    {
        return Err(EngineError::UnknownNode { found: found.clone() });
    }
    if !(0.0..=1.0).contains(&options.label_smoothing) {
        return Err(EngineError::LabelSmoothing { found: options.label_smoothing });
    }
    Ok(())
}

/// One array of the right length for each parameter.
pub(super) fn arrays(
    what: &'static str,
    specs: &[ParameterSpec],
    arrays: &[Vec<f32>],
) -> Result<(), EngineError> {
    if arrays.len() != specs.len() {
        return Err(EngineError::ParameterCount { what, found: arrays.len(), expected: specs.len() });
    }
    for (spec, array) in specs.iter().zip(arrays) {
        if array.len() != spec.len() {
            let (parameter, found, expected) = (spec.name.clone(), array.len(), spec.len());
            return Err(EngineError::ParameterLen { what, parameter, found, expected });
        }
    }
    Ok(())
}

/// Slots of the right length for each parameter that has any.
pub(super) fn slots(specs: &[ParameterSpec], slots: &[Option<Vec<Vec<f32>>>]) -> Result<(), EngineError> {
    let what = "slots";
    if slots.len() != specs.len() {
        return Err(EngineError::ParameterCount { what, found: slots.len(), expected: specs.len() });
    }
    for (spec, slots) in specs.iter().zip(slots) {
        if let Some(slot) = slots.iter().flatten().find(|slot| slot.len() != spec.len()) {
            let (parameter, found, expected) = (spec.name.clone(), slot.len(), spec.len());
            return Err(EngineError::ParameterLen { what, parameter, found, expected });
        }
    }
    Ok(())
}

/// The number of images, if everything in the batch is for that many.
pub(super) fn batch(program: &Program, batch: &Batch) -> Result<usize, EngineError> {
    let image_len = program.value_lens[0];
    let images = batch.images.len() / image_len;
    if images == 0 || !batch.images.len().is_multiple_of(image_len) {
        let expected = format!("a positive multiple of {image_len}");
        return Err(EngineError::BatchLen { what: "images", found: batch.images.len(), expected });
    }
    let weights = batch.weights.map_or(images, <[f32]>::len);
    for (what, found, expected) in
        [("targets", batch.targets.len(), images * program.classes), ("weights", weights, images)]
    {
        if found != expected {
            return Err(EngineError::BatchLen { what, found, expected: expected.to_string() });
        }
    }
    for (node, &len) in program.value_nodes.iter().zip(&program.value_lens) {
        let found = len.saturating_mul(images);
        if found > MOST_ELEMENTS {
            return Err(EngineError::TooLarge { node: node.clone(), found, most: MOST_ELEMENTS });
        }
    }
    Ok(images)
}
