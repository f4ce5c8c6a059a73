//! Finds what can be computed together with a node: the normalisations, the sum and the activation that follow it.

use engraft_graph::{Activation, Graph, NamedTensors, NodeId, Op};
use engraft_kernels::Clamp;

use super::affine::Affine;

/// Which nodes read which.
pub(super) struct Consumers(Vec<Vec<usize>>);

impl Consumers {
    /// Only nodes that the output depends on count as readers.
    pub(super) fn new(graph: &Graph) -> Consumers {
        let nodes = graph.nodes();
        let mut readers = vec![Vec::new(); nodes.len()];
        for index in (0..nodes.len()).rev() {
            if index == graph.output().index() || !readers[index].is_empty() {
                for input in &nodes[index].inputs {
                    readers[input.index()].push(index);
                }
            }
        }
        Consumers(readers)
    }

    /// The nodes that read `node`; one that reads it twice stands there twice.
    pub(super) fn of(&self, node: usize) -> &[usize] {
        &self.0[node]
    }
}

/// A node and what follows it: `clamp(node * affine + addend)`.
#[derive(Clone, Debug)]
pub(super) struct Fused {
    /// After the node itself.
    pub affine: Affine,
    /// Whether the affine does anything.
    pub scaled: bool,
    /// The other operand of a sum.
    pub addend: Option<NodeId>,
    pub clamp: Option<Clamp>,
    /// The last node taken in; its value is the result.
    pub end: usize,
}

/// What the kernel of the first node can do.
#[derive(Clone, Copy)]
pub(super) struct Abilities {
    pub affine: bool,
    pub addend: bool,
    pub clamp: bool,
}

impl Abilities {
    pub(super) const ALL: Abilities = Abilities { affine: true, addend: true, clamp: true };
    pub(super) const NONE: Abilities = Abilities { affine: false, addend: false, clamp: false };
}

impl Fused {
    /// Node `start`, followed by nothing yet.
    pub(super) fn alone(start: usize, affine: Affine) -> Fused {
        Fused { affine, scaled: false, addend: None, clamp: None, end: start }
    }

    /// Takes in as many nodes as possible. Each must be the only reader of the one before it.
    pub(super) fn extend(
        mut self,
        graph: &Graph,
        consumers: &Consumers,
        weights: &NamedTensors,
        abilities: Abilities,
    ) -> Fused {
        while let &[next] = consumers.of(self.end) {
            if !self.take_in(graph, next, weights, abilities) {
                break;
            }
            self.end = next;
        }
        self
    }

    fn take_in(&mut self, graph: &Graph, next: usize, weights: &NamedTensors, abilities: Abilities) -> bool {
        let node = &graph.nodes()[next];
        match &node.op {
            Op::Dropout { .. } => true,
            op @ (Op::BatchNorm(_) | Op::Rescale { .. })
                if abilities.affine && self.addend.is_none() && self.clamp.is_none() =>
            {
                let channels = node.shape.channels();
                let Some(affine) = affine_of(op, &node.name, channels, weights) else { return false };
                let before = std::mem::replace(&mut self.affine, Affine::identity(0));
                (self.affine, self.scaled) = (before.then(&affine), true);
                true
            }
            Op::Activation(function) if abilities.clamp && self.clamp.is_none() => {
                self.clamp = clamp_of(*function);
                self.clamp.is_some()
            }
            Op::Add if abilities.addend && self.addend.is_none() && self.clamp.is_none() => {
                let other = node.inputs.iter().find(|input| input.index() != self.end);
                // Only an operand that is computed by then; otherwise that operand takes in the sum.
                self.addend = other.copied().filter(|other| other.index() < self.end);
                self.addend.is_some()
            }
            _ => false,
        }
    }
}

/// Scale and offset of an operation that is nothing else.
pub(super) fn affine_of(op: &Op, node: &str, channels: usize, weights: &NamedTensors) -> Option<Affine> {
    match op {
        Op::BatchNorm(norm) => Some(Affine::batch_norm(norm, node, channels, weights)),
        Op::Rescale { scale, offset } => Some(Affine::new(scale, offset, channels)),
        _ => None,
    }
}

/// The limits of an activation that is nothing else.
pub(super) fn clamp_of(function: Activation) -> Option<Clamp> {
    match function {
        Activation::Relu => Some(Clamp::RELU),
        Activation::Relu6 => Some(Clamp::RELU6),
        _ => None,
    }
}
