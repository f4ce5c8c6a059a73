//! What can be wrong with a network or its weights.

use crate::Shape;

/// A network that cannot exist, or weights that do not fit it. Every message names the node or the tensor.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Two nodes share a name.
    #[error("node `{node}` appears twice, expected unique names")]
    DuplicateNode {
        /// The repeated name.
        node: String,
    },
    /// A node has the wrong number of inputs.
    #[error("node `{node}` has {found} inputs, expected {expected}")]
    InputCount {
        /// The node.
        node: String,
        /// How many inputs it was given.
        found: usize,
        /// How many it takes, in words.
        expected: &'static str,
    },
    /// A node refers to one that does not stand before it.
    #[error("node `{node}` reads node number {found}, expected one of the {earlier} nodes before it")]
    UnknownInput {
        /// The node.
        node: String,
        /// The index it refers to.
        found: usize,
        /// How many nodes stand before it.
        earlier: usize,
    },
    /// A node cannot take an input of this shape.
    #[error("node `{node}` got an input of shape {found}, expected {expected}")]
    InputShape {
        /// The node.
        node: String,
        /// The shape of its input.
        found: Shape,
        /// What it takes, in words.
        expected: String,
    },
    /// A setting of an operation makes no sense.
    #[error("node `{node}` has {setting} {found}, expected {expected}")]
    Setting {
        /// The node.
        node: String,
        /// The name of the setting.
        setting: &'static str,
        /// Its value.
        found: String,
        /// What would be accepted, in words.
        expected: &'static str,
    },
    /// A network without nodes, or whose output does not exist.
    #[error("the network's output is node number {found}, expected one of its {nodes} nodes")]
    UnknownOutput {
        /// The index of the output.
        found: usize,
        /// How many nodes there are.
        nodes: usize,
    },
    /// A weight is absent.
    #[error("weight `{weight}` is missing, expected shape {expected:?}")]
    MissingWeight {
        /// The weight's name.
        weight: String,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// A weight has the wrong shape.
    #[error("weight `{weight}` has shape {found:?}, expected {expected:?}")]
    WeightShape {
        /// The weight's name.
        weight: String,
        /// The shape it has.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// Two tensors share a name.
    #[error("tensor `{name}` appears twice, expected unique names")]
    DuplicateTensor {
        /// The repeated name.
        name: String,
    },
    /// A tensor's data do not fill its shape.
    #[error("a tensor of shape {shape:?} has {found} elements, expected {}", element_count(shape))]
    ElementCount {
        /// The shape asked for.
        shape: Vec<usize>,
        /// How many elements were given.
        found: usize,
    },
}

fn element_count(shape: &[usize]) -> String {
    match shape.iter().try_fold(1usize, |product, &len| product.checked_mul(len)) {
        Some(count) => count.to_string(),
        None => "fewer than this machine can address".to_owned(),
    }
}
