//! From a graph to the steps that compute it and its gradients.

use std::collections::BTreeSet;
use std::ops::Range;

use engraft_graph::{Graph, NodeId, Op, Shape};

use super::ParameterSpec;
use super::choose::{Chosen, Fusible, choose};
use super::layer::Layer;
use crate::EngineError;

/// A network in steps. Its first value is the image, its last one the scores before the softmax.
pub(super) struct Program {
    pub steps: Vec<Step>,
    /// Elements of each value, for one image.
    pub value_lens: Vec<usize>,
    /// The node that each value comes from.
    pub value_nodes: Vec<String>,
    pub parameters: Vec<ParameterSpec>,
    /// The value that the softmax reads.
    pub scores: usize,
    pub classes: usize,
}

/// A node that computes something.
pub(super) struct Step {
    pub layer: Box<dyn Layer>,
    pub inputs: Vec<usize>,
    /// Whether anything before the input learns.
    pub input_learns: Vec<bool>,
    pub output: usize,
    /// Its arrays among the parameters.
    pub parameters: Range<usize>,
    /// Whether its parameters learn.
    pub learns: bool,
}

impl Step {
    /// Whether a gradient goes through it.
    pub(super) fn has_gradient(&self) -> bool {
        self.learns || self.input_learns.contains(&true)
    }
}

/// Lowers a network that ends in a softmax.
pub(super) fn lower(graph: &Graph, frozen: &BTreeSet<String>) -> Result<Program, EngineError> {
    let found = graph.nodes().iter().filter(|node| matches!(node.op, Op::Input { .. })).count();
    if found != 1 {
        return Err(EngineError::InputCount { found });
    }
    let mut lowering = Lowering::default();
    for id in graph.ids().filter(|&id| id != graph.output()) {
        lowering.node(graph, id, frozen)?;
    }
    let scores = lowering.value_of(graph.node(graph.output()).inputs[0]);
    let Lowering { steps, value_lens, value_nodes, parameters, .. } = lowering;
    let classes = graph.output_shape().len();
    Ok(Program { steps, value_lens, value_nodes, parameters, scores, classes })
}

#[derive(Default)]
struct Lowering {
    steps: Vec<Step>,
    value_lens: Vec<usize>,
    value_nodes: Vec<String>,
    /// Whether anything that a value depends on learns.
    value_learns: Vec<bool>,
    parameters: Vec<ParameterSpec>,
    /// The value of each node so far.
    node_values: Vec<usize>,
}

impl Lowering {
    fn value_of(&self, id: NodeId) -> usize {
        self.node_values[id.index()]
    }

    fn node(&mut self, graph: &Graph, id: NodeId, frozen: &BTreeSet<String>) -> Result<(), EngineError> {
        let node = graph.node(id);
        let inputs: Vec<usize> = node.inputs.iter().map(|&input| self.value_of(input)).collect();
        let is_frozen = frozen.contains(&node.name);
        let parameters = self.add_parameters(graph, id, is_frozen);
        let value = match choose(graph, id, is_frozen)? {
            Chosen::Image => self.add_value(&node.name, node.shape, false),
            Chosen::Same => inputs[0],
            Chosen::Layer(_, Some(fusible)) if self.fuse(graph, id, fusible) => inputs[0],
            Chosen::Layer(layer, _) => {
                let input_learns: Vec<bool> = inputs.iter().map(|&input| self.value_learns[input]).collect();
                let learns = self.parameters[parameters.clone()].iter().any(|spec| spec.trainable);
                let learnt = learns || input_learns.contains(&true);
                let output = self.add_value(&node.name, node.shape, learnt);
                self.steps.push(Step { layer, inputs, input_learns, output, parameters, learns });
                output
            }
        };
        self.node_values.push(value);
        Ok(())
    }

    /// Leaves what a node does to the step that computes its input, if nothing else reads that.
    fn fuse(&mut self, graph: &Graph, id: NodeId, fusible: Fusible) -> bool {
        let node = graph.node(id);
        let input = node.inputs[0];
        let readers =
            graph.nodes().iter().flat_map(|node| &node.inputs).filter(|&&read| read == input).count();
        let value = self.value_of(input);
        let Some(step) = self.steps.iter_mut().find(|step| step.output == value) else { return false };
        let fused = readers == 1 && fusible.fuse_into(&mut *step.layer);
        if fused {
            self.value_lens[value] = node.shape.len();
        }
        fused
    }

    fn add_value(&mut self, node: &str, shape: Shape, learns: bool) -> usize {
        self.value_lens.push(shape.len());
        self.value_nodes.push(node.to_owned());
        self.value_learns.push(learns);
        self.value_lens.len() - 1
    }

    fn add_parameters(&mut self, graph: &Graph, id: NodeId, is_frozen: bool) -> Range<usize> {
        let (node, first) = (graph.node(id), self.parameters.len());
        for spec in node.op.weights(&node.name, &graph.input_shapes(id)) {
            let trainable = spec.is_trainable() && !is_frozen;
            self.parameters.push(ParameterSpec { name: spec.name, shape: spec.shape, trainable });
        }
        first..self.parameters.len()
    }
}
