//! A network: named nodes in an order in which they can run.

use serde::{Deserialize, Serialize};

use crate::{GraphBuilder, GraphError, NamedTensors, Op, Shape, WeightSpec};

/// A checked network. Made by [`GraphBuilder`] or read back from its serialised form, which is checked the same way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Document", into = "Document")]
pub struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) output: NodeId,
}

/// One operation of a network, with its name, its inputs and the shape it produces.
///
/// Keras has layers that are several operations, such as a separable convolution. Their nodes share what stands before the
/// first `/` of their names: `block2_sepconv1/depthwise` and `block2_sepconv1/pointwise` are one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique in the network.
    pub name: String,
    /// What it does.
    pub op: Op,
    /// The nodes it reads, each earlier in the order.
    pub inputs: Vec<NodeId>,
    /// What it produces for one image.
    pub shape: Shape,
}

impl Node {
    /// The name of the Keras layer that it is or belongs to.
    pub fn layer(&self) -> &str {
        self.name.split_once('/').map_or(&self.name, |(layer, _)| layer)
    }
}

/// The place of a node in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub(crate) usize);

impl NodeId {
    /// Position in [`Graph::nodes`].
    pub const fn index(self) -> usize {
        self.0
    }
}

impl Graph {
    /// All nodes; each stands after those it reads.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node at that place.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The places of all nodes, in their order.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// The node whose value is the network's result.
    pub fn output(&self) -> NodeId {
        self.output
    }

    /// The shape of the network's result for one image.
    pub fn output_shape(&self) -> Shape {
        self.node(self.output).shape
    }

    /// The network up to the node called `node`, whose value becomes its result.
    pub fn up_to(&self, node: &str) -> Option<Graph> {
        let output = self.nodes.iter().position(|candidate| candidate.name == node)?;
        Some(Graph { nodes: self.nodes[..=output].to_vec(), output: NodeId(output) })
    }

    /// The shapes a node reads, in the order of its inputs.
    pub fn input_shapes(&self, id: NodeId) -> Vec<Shape> {
        self.node(id).inputs.iter().map(|&input| self.node(input).shape).collect()
    }

    /// Every weight the network needs, node by node, each node's in Keras' order.
    pub fn weights(&self) -> Vec<WeightSpec> {
        self.ids()
            .flat_map(|id| self.node(id).op.weights(&self.node(id).name, &self.input_shapes(id)))
            .collect()
    }

    /// Number of values in all weights.
    pub fn parameter_count(&self) -> usize {
        self.weights().iter().map(|spec| spec.shape.iter().product::<usize>()).sum()
    }

    /// Checks that `tensors` holds every weight of the network in its right shape; others are allowed.
    ///
    /// # Errors
    /// [`GraphError::MissingWeight`] or [`GraphError::WeightShape`] for the first weight that does not fit.
    pub fn check_weights(&self, tensors: &NamedTensors) -> Result<(), GraphError> {
        for WeightSpec { name, shape } in self.weights() {
            match tensors.get(&name) {
                None => return Err(GraphError::MissingWeight { weight: name, expected: shape }),
                Some(tensor) if tensor.shape() != shape => {
                    let found = tensor.shape().to_vec();
                    return Err(GraphError::WeightShape { weight: name, found, expected: shape });
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// The serialised form: what cannot be derived, and nothing else.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    nodes: Vec<DocumentNode>,
    output: NodeId,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentNode {
    name: String,
    op: Op,
    inputs: Vec<NodeId>,
}

impl From<Graph> for Document {
    fn from(graph: Graph) -> Document {
        let strip = |Node { name, op, inputs, .. }| DocumentNode { name, op, inputs };
        Document { nodes: graph.nodes.into_iter().map(strip).collect(), output: graph.output }
    }
}

impl TryFrom<Document> for Graph {
    type Error = GraphError;

    fn try_from(document: Document) -> Result<Graph, GraphError> {
        let mut builder = GraphBuilder::new();
        for DocumentNode { name, op, inputs } in document.nodes {
            builder.node(&name, op, &inputs)?;
        }
        builder.finish(document.output)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Activation, GraphBuilder, Padding, Shape};

    #[test]
    fn a_network_can_end_earlier_and_its_nodes_know_their_layers() {
        let mut net = GraphBuilder::new();
        let image = net.input("image", [4, 4, 3]).unwrap();
        let x = net.depthwise_conv2d("separable/depthwise", image, 3, 1, Padding::Same).unwrap();
        let x = net.conv2d("separable/pointwise", x, 5, 1, 1, Padding::Same).unwrap();
        let x = net.activation("relu", x, Activation::Relu).unwrap();
        let graph = net.finish(x).unwrap();
        let layers: Vec<_> = graph.nodes().iter().map(|node| node.layer()).collect();
        assert_eq!(layers, ["image", "separable", "separable", "relu"]);
        let shorter = graph.up_to("separable/depthwise").unwrap();
        assert_eq!((shorter.nodes().len(), shorter.output_shape()), (2, Shape::map(4, 4, 3)));
        assert_eq!(graph.up_to("separable"), None);
    }
}
