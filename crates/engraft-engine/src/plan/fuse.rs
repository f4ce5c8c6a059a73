//! Finds what can be computed together with a node: the normalisations, the sum and the activation that follow it.

use engraft_graph::{Activation, Graph, NamedTensors, NodeId, Op};
use engraft_kernels::{self as kernels, Clamp};

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

/// A node and what follows it: `activation(clamp(node * affine + addend))`, at most one of the two being there.
#[derive(Clone, Debug)]
pub(super) struct Fused {
    /// After the node itself.
    pub affine: Affine,
    /// Whether the affine does anything.
    pub scaled: bool,
    /// The other operand of a sum.
    pub addend: Option<NodeId>,
    pub clamp: Option<Clamp>,
    pub activation: Option<kernels::Activation>,
    /// Whether the channels of the node are taken in the opposite order, before everything else.
    pub reversed: bool,
    /// The last node taken in; its value is the result.
    pub end: usize,
}

/// What the kernel of the first node can do.
#[derive(Clone, Copy)]
pub(super) struct Abilities {
    pub affine: bool,
    pub addend: bool,
    /// A clamp or another activation.
    pub activation: bool,
    pub reversal: bool,
}

impl Abilities {
    pub(super) const NONE: Abilities =
        Abilities { affine: false, addend: false, activation: false, reversal: false };
    pub(super) const ARITHMETIC: Abilities =
        Abilities { affine: true, addend: true, activation: true, reversal: false };
}

impl Fused {
    /// Node `start`, followed by nothing yet.
    pub(super) fn alone(start: usize, affine: Affine) -> Fused {
        let (scaled, reversed) = (false, false);
        Fused { affine, scaled, addend: None, clamp: None, activation: None, reversed, end: start }
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
        let scalable = abilities.affine && self.addend.is_none() && self.is_linear();
        if scalable && let Some(affine) = affine_of(&node.op, &node.name, node.shape.channels(), weights) {
            let before = std::mem::replace(&mut self.affine, Affine::identity(0));
            (self.affine, self.scaled) = (before.then(&affine), true);
            return true;
        }
        match &node.op {
            Op::Dropout { .. } | Op::StochasticDepth { .. } => true,
            Op::ReverseChannels if abilities.reversal => {
                let before = std::mem::replace(&mut self.affine, Affine::identity(0));
                (self.affine, self.reversed) = (before.reversed(), !self.reversed);
                true
            }
            Op::Activation(function) if abilities.activation && self.is_linear() => {
                self.set_activation(*function)
            }
            Op::Add if abilities.addend && self.addend.is_none() && self.is_linear() => {
                let other = node.inputs.iter().find(|input| input.index() != self.end);
                // Only an operand that is computed by then; otherwise that operand takes in the sum.
                self.addend = other.copied().filter(|other| other.index() < self.end);
                self.addend.is_some()
            }
            _ => false,
        }
    }

    /// Whether no activation has been taken in.
    fn is_linear(&self) -> bool {
        self.clamp.is_none() && self.activation.is_none()
    }

    /// Ends with `function`, unless that is one over a whole vector.
    pub(super) fn set_activation(&mut self, function: Activation) -> bool {
        (self.clamp, self.activation) = match function {
            Activation::Relu => (Some(Clamp::RELU), None),
            Activation::Relu6 => (Some(Clamp::RELU6), None),
            Activation::Sigmoid => (None, Some(kernels::Activation::Sigmoid)),
            Activation::Silu => (None, Some(kernels::Activation::Silu)),
            Activation::HardSigmoid => (None, Some(kernels::Activation::HardSigmoid)),
            Activation::HardSilu => (None, Some(kernels::Activation::HardSilu)),
            Activation::Gelu => (None, Some(kernels::Activation::Gelu)),
            Activation::Tanh => (None, Some(kernels::Activation::Tanh)),
            _ => (None, None),
        };
        !self.is_linear()
    }
}

/// Scale and offset of an operation that is nothing else.
pub(super) fn affine_of(op: &Op, node: &str, channels: usize, weights: &NamedTensors) -> Option<Affine> {
    match op {
        Op::BatchNorm(norm) => Some(Affine::batch_norm(norm, node, channels, weights)),
        Op::Rescale { scale, offset } => Some(Affine::new(scale, offset, channels)),
        Op::Normalization => Some(Affine::normalization(node, channels, weights)),
        Op::LayerScale => Some(Affine::layer_scale(node, channels, weights)),
        _ => None,
    }
}
