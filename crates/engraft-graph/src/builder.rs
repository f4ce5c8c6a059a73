//! Builds a [`Graph`] node by node; every shape is checked as the node is added.

use std::collections::HashSet;

use crate::{
    Activation, BatchNorm, Conv2d, Dense, DepthwiseConv2d, Graph, GraphError, Margins, Node, NodeId, Op,
    Padding, Pool2d, Shape,
};

/// A network under construction.
///
/// ```
/// use engraft_graph::{Activation, GraphBuilder, Padding, Shape};
///
/// # fn main() -> Result<(), engraft_graph::GraphError> {
/// let mut net = GraphBuilder::new();
/// let image = net.input("image", [32, 32, 3])?;
/// let maps = net.conv2d("conv", image, 16, 3, 2, Padding::Same)?;
/// let maps = net.activation("relu", maps, Activation::Relu)?;
/// let features = net.global_average_pool2d("pool", maps)?;
/// let graph = net.finish(features)?;
/// assert_eq!(graph.output_shape(), Shape::vector(16));
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct GraphBuilder {
    nodes: Vec<Node>,
    names: HashSet<String>,
}

/// Every method that adds a node returns its id, or a [`GraphError`] that names the node.
#[expect(clippy::missing_errors_doc, reason = "stated once for all methods above")]
impl GraphBuilder {
    /// A network without nodes.
    pub fn new() -> GraphBuilder {
        GraphBuilder::default()
    }

    /// Adds a node of any operation.
    pub fn node(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> Result<NodeId, GraphError> {
        let earlier = self.nodes.len();
        if let Some(unknown) = inputs.iter().find(|input| input.0 >= earlier) {
            return Err(GraphError::UnknownInput { node: name.to_owned(), found: unknown.0, earlier });
        }
        let shapes: Vec<Shape> = inputs.iter().map(|&input| self.shape(input)).collect();
        let shape = op.output_shape(name, &shapes)?;
        if !self.names.insert(name.to_owned()) {
            return Err(GraphError::DuplicateNode { node: name.to_owned() });
        }
        self.nodes.push(Node { name: name.to_owned(), op, inputs: inputs.to_vec(), shape });
        Ok(NodeId(earlier))
    }

    /// Adds all nodes of `graph`, each under the name that `rename` makes of its own; returns that of its result.
    pub fn append(&mut self, graph: &Graph, rename: impl Fn(&str) -> String) -> Result<NodeId, GraphError> {
        let mut ids: Vec<NodeId> = Vec::new();
        for node in graph.nodes() {
            let inputs: Vec<NodeId> = node.inputs.iter().map(|input| ids[input.0]).collect();
            ids.push(self.node(&rename(&node.name), node.op.clone(), &inputs)?);
        }
        Ok(ids[graph.output().0])
    }

    /// The shape that node `id` of this network produces.
    ///
    /// # Panics
    /// If `id` comes from another network and is too large for this one.
    pub fn shape(&self, id: NodeId) -> Shape {
        self.nodes[id.0].shape
    }

    /// Ends the construction; `output` is the network's result. Nodes after it are dropped.
    pub fn finish(mut self, output: NodeId) -> Result<Graph, GraphError> {
        if output.0 >= self.nodes.len() {
            return Err(GraphError::UnknownOutput { found: output.0, nodes: self.nodes.len() });
        }
        self.nodes.truncate(output.0 + 1);
        Ok(Graph { nodes: self.nodes, output })
    }

    /// Adds an image of `[height, width, channels]`.
    pub fn input(&mut self, name: &str, [height, width, channels]: [usize; 3]) -> Result<NodeId, GraphError> {
        self.node(name, Op::Input { height, width, channels }, &[])
    }

    /// Adds `x * scale + offset`, channel by channel.
    pub fn rescale(
        &mut self,
        name: &str,
        x: NodeId,
        scale: &[f32],
        offset: &[f32],
    ) -> Result<NodeId, GraphError> {
        self.node(name, Op::Rescale { scale: scale.to_vec(), offset: offset.to_vec() }, &[x])
    }

    /// Adds a convolution with a square kernel and no bias, as it stands before a batch normalisation.
    pub fn conv2d(
        &mut self,
        name: &str,
        x: NodeId,
        filters: usize,
        kernel: usize,
        stride: usize,
        padding: Padding,
    ) -> Result<NodeId, GraphError> {
        let (kernel, strides) = ([kernel; 2], [stride; 2]);
        self.node(name, Op::Conv2d(Conv2d { filters, kernel, strides, padding, bias: false }), &[x])
    }

    /// Adds a depthwise convolution with a square kernel and no bias.
    pub fn depthwise_conv2d(
        &mut self,
        name: &str,
        x: NodeId,
        kernel: usize,
        stride: usize,
        padding: Padding,
    ) -> Result<NodeId, GraphError> {
        let (kernel, strides) = ([kernel; 2], [stride; 2]);
        self.node(name, Op::DepthwiseConv2d(DepthwiseConv2d { kernel, strides, padding, bias: false }), &[x])
    }

    /// Adds a dense layer with a bias.
    pub fn dense(&mut self, name: &str, x: NodeId, units: usize) -> Result<NodeId, GraphError> {
        self.node(name, Op::Dense(Dense { units, bias: true }), &[x])
    }

    /// Adds a batch normalisation with `gamma` and `beta`.
    pub fn batch_norm(&mut self, name: &str, x: NodeId, epsilon: f32) -> Result<NodeId, GraphError> {
        self.node(
            name,
            Op::BatchNorm(BatchNorm { epsilon, momentum: BatchNorm::MOMENTUM, scale: true, center: true }),
            &[x],
        )
    }

    /// Adds an activation.
    pub fn activation(&mut self, name: &str, x: NodeId, function: Activation) -> Result<NodeId, GraphError> {
        self.node(name, Op::Activation(function), &[x])
    }

    /// Adds zeros around a map.
    pub fn zero_padding2d(&mut self, name: &str, x: NodeId, padding: Margins) -> Result<NodeId, GraphError> {
        self.node(name, Op::ZeroPadding2d(padding), &[x])
    }

    /// Adds the maximum in a sliding square window.
    pub fn max_pool2d(
        &mut self,
        name: &str,
        x: NodeId,
        window: usize,
        stride: usize,
        padding: Padding,
    ) -> Result<NodeId, GraphError> {
        let (window, strides) = ([window; 2], [stride; 2]);
        self.node(name, Op::MaxPool2d(Pool2d { window, strides, padding }), &[x])
    }

    /// Adds the mean in a sliding square window.
    pub fn average_pool2d(
        &mut self,
        name: &str,
        x: NodeId,
        window: usize,
        stride: usize,
        padding: Padding,
    ) -> Result<NodeId, GraphError> {
        let (window, strides) = ([window; 2], [stride; 2]);
        self.node(name, Op::AveragePool2d(Pool2d { window, strides, padding }), &[x])
    }

    /// Adds the channels of all inputs, one input after the other.
    pub fn concatenate(&mut self, name: &str, inputs: &[NodeId]) -> Result<NodeId, GraphError> {
        self.node(name, Op::Concatenate, inputs)
    }

    /// Adds the sum of two nodes.
    pub fn add(&mut self, name: &str, first: NodeId, second: NodeId) -> Result<NodeId, GraphError> {
        self.node(name, Op::Add, &[first, second])
    }

    /// Adds the product of a node and another of its shape, or of one pixel with as many channels.
    pub fn multiply(&mut self, name: &str, first: NodeId, second: NodeId) -> Result<NodeId, GraphError> {
        self.node(name, Op::Multiply, &[first, second])
    }

    /// Adds a map as a vector.
    pub fn flatten(&mut self, name: &str, x: NodeId) -> Result<NodeId, GraphError> {
        self.node(name, Op::Flatten, &[x])
    }

    /// Adds the mean of each channel over all pixels.
    pub fn global_average_pool2d(&mut self, name: &str, x: NodeId) -> Result<NodeId, GraphError> {
        self.node(name, Op::GlobalAveragePool2d, &[x])
    }

    /// Adds a dropout of the fraction `rate`.
    pub fn dropout(&mut self, name: &str, x: NodeId, rate: f32) -> Result<NodeId, GraphError> {
        self.node(name, Op::Dropout { rate }, &[x])
    }
}

impl From<Graph> for GraphBuilder {
    /// A network to be continued.
    fn from(graph: Graph) -> GraphBuilder {
        let names = graph.nodes.iter().map(|node| node.name.clone()).collect();
        GraphBuilder { nodes: graph.nodes, names }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NamedTensors, Tensor};

    fn small_net() -> Graph {
        let mut net = GraphBuilder::new();
        let image = net.input("image", [5, 5, 3]).unwrap();
        let x = net.conv2d("conv", image, 4, 3, 2, Padding::Same).unwrap();
        let x = net.batch_norm("bn", x, 1e-3).unwrap();
        let x = net.global_average_pool2d("pool", x).unwrap();
        let x = net.dense("logits", x, 2).unwrap();
        net.finish(x).unwrap()
    }

    #[test]
    fn weights_stand_in_the_order_of_the_nodes() {
        let names: Vec<_> = small_net().weights().into_iter().map(|spec| spec.name).collect();
        let want = "conv/kernel bn/gamma bn/beta bn/moving_mean bn/moving_variance logits/kernel logits/bias";
        assert_eq!(names.join(" "), want);
        assert_eq!(small_net().parameter_count(), 3 * 3 * 3 * 4 + 4 * 4 + 4 * 2 + 2);
    }

    #[test]
    fn a_finished_network_can_be_continued() {
        let graph = small_net();
        let output = graph.output();
        let mut net = GraphBuilder::from(graph);
        assert!(net.activation("logits", output, Activation::Softmax).is_err(), "the name is taken");
        let x = net.activation("softmax", output, Activation::Softmax).unwrap();
        assert_eq!(net.finish(x).unwrap().nodes().len(), small_net().nodes().len() + 1);
    }

    #[test]
    fn wrong_weights_are_named() {
        let graph = small_net();
        let mut tensors = NamedTensors::new();
        tensors.insert("conv/kernel", Tensor::from_f32(vec![4, 3, 3, 3], vec![0.0; 108]).unwrap()).unwrap();
        let error = graph.check_weights(&tensors).unwrap_err();
        assert_eq!(error.to_string(), "weight `conv/kernel` has shape [4, 3, 3, 3], expected [3, 3, 3, 4]");
        let error = graph.check_weights(&NamedTensors::new()).unwrap_err();
        assert_eq!(error.to_string(), "weight `conv/kernel` is missing, expected shape [3, 3, 3, 4]");
    }

    #[test]
    fn names_are_unique_and_inputs_come_first() {
        let mut net = GraphBuilder::new();
        let image = net.input("image", [5, 5, 3]).unwrap();
        let error = net.activation("image", image, Activation::Relu).unwrap_err();
        assert_eq!(error.to_string(), "node `image` appears twice, expected unique names");
        let error = net.activation("relu", NodeId(7), Activation::Relu).unwrap_err();
        assert_eq!(
            error.to_string(),
            "node `relu` reads node number 7, expected one of the 1 nodes before it"
        );
        let error = net.finish(NodeId(7)).unwrap_err();
        assert_eq!(error.to_string(), "the network's output is node number 7, expected one of its 1 nodes");
    }

    #[test]
    fn a_graph_survives_serialisation_and_a_bad_one_is_refused() {
        let graph = small_net();
        let json = serde_json::to_string(&graph).unwrap();
        assert_eq!(serde_json::from_str::<Graph>(&json).unwrap(), graph);
        let error =
            serde_json::from_str::<Graph>(&json.replace("\"filters\":4", "\"filters\":0")).unwrap_err();
        assert!(error.to_string().starts_with("node `conv` has filters 0"), "{error}");
    }
}
