//! The order in which Keras lists the layers of a network, which is that of the weights in its files.
//!
//! Keras walks from the output to the inputs. A layer's depth is the number of layers on the longest way to the output;
//! deeper layers come first, and layers of one depth come in the order in which the walk meets them.
//!
//! Source: `map_graph` in `keras/src/ops/function.py`.

use std::{cmp::Reverse, collections::HashMap};

use engraft_graph::{Graph, WeightSpec};

/// A layer of Keras that has weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KerasLayer {
    /// Its name.
    pub name: String,
    /// Trainable ones first.
    pub weights: Vec<WeightSpec>,
}

/// All layers that have weights, in Keras' order.
pub fn keras_layers(graph: &Graph) -> Vec<KerasLayer> {
    let mut layers = Layers::of(graph);
    let (output, depths) = (layers.output, layers.walk());
    debug_assert_eq!(depths[output], 0);
    let mut order: Vec<usize> =
        (0..layers.all.len()).filter(|&layer| layers.all[layer].met.is_some()).collect();
    order.sort_by_key(|&layer| (Reverse(depths[layer]), layers.all[layer].met));
    let listed = order.into_iter().map(|layer| layers.all[layer].listed()).collect::<Vec<_>>();
    listed.into_iter().filter(|layer| !layer.weights.is_empty()).collect()
}

/// The layers of a graph, each of one or more nodes, and how they are connected.
struct Layers {
    all: Vec<Layer>,
    output: usize,
}

struct Layer {
    name: String,
    /// Layers it reads, in the order of its inputs.
    inputs: Vec<usize>,
    weights: Vec<WeightSpec>,
    /// When the walk met it.
    met: Option<usize>,
}

impl Layers {
    fn of(graph: &Graph) -> Layers {
        let mut all: Vec<Layer> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut layer_of_node = Vec::new();
        for node in graph.nodes() {
            let layer = *places.entry(node.layer()).or_insert_with(|| {
                let (name, inputs, weights) = (node.layer().to_owned(), Vec::new(), Vec::new());
                all.push(Layer { name, inputs, weights, met: None });
                all.len() - 1
            });
            layer_of_node.push(layer);
            let inputs = node.inputs.iter().map(|input| layer_of_node[input.index()]);
            all[layer].inputs.extend(inputs.filter(|&input| input != layer));
            let shapes: Vec<_> = node.inputs.iter().map(|&input| graph.node(input).shape).collect();
            all[layer].weights.extend(node.op.weights(&node.name, &shapes));
        }
        Layers { output: layer_of_node[graph.output().index()], all }
    }

    /// Meets every layer that the output needs, and returns all depths.
    fn walk(&mut self) -> Vec<usize> {
        let mut finished = Vec::new();
        self.visit(self.output, &mut 0, &mut finished);
        let mut depths = vec![0; self.all.len()];
        for &layer in finished.iter().rev() {
            for &input in &self.all[layer].inputs {
                depths[input] = depths[input].max(depths[layer] + 1);
            }
        }
        depths
    }

    fn visit(&mut self, layer: usize, met: &mut usize, finished: &mut Vec<usize>) {
        if self.all[layer].met.is_some() {
            return;
        }
        self.all[layer].met = Some(*met);
        *met += 1;
        for place in 0..self.all[layer].inputs.len() {
            self.visit(self.all[layer].inputs[place], met, finished);
        }
        finished.push(layer);
    }
}

impl Layer {
    fn listed(&self) -> KerasLayer {
        let mut weights = self.weights.clone();
        weights.sort_by_key(|weight| weight.name.contains("/moving_"));
        KerasLayer { name: self.name.clone(), weights }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use engraft_graph::{GraphBuilder, Padding};
    use engraft_testing::Golden;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::{Ending, backbones};

    #[test]
    fn deeper_layers_come_first_and_a_layer_of_two_nodes_once() {
        let mut net = GraphBuilder::new();
        let image = net.input("image", [4, 4, 3]).unwrap();
        let short = net.conv2d("short", image, 3, 1, 1, Padding::Same).unwrap();
        let long = net.depthwise_conv2d("long/depthwise", image, 3, 1, Padding::Same).unwrap();
        let long = net.conv2d("long/pointwise", long, 3, 1, 1, Padding::Same).unwrap();
        let end = net.conv2d("end", long, 3, 1, 1, Padding::Same).unwrap();
        let sum = net.add("sum", short, end).unwrap();
        let graph = net.finish(sum).unwrap();
        let found: Vec<_> =
            keras_layers(&graph).into_iter().map(|layer| (layer.name, layer.weights.len())).collect();
        assert_eq!(found, [("long".to_owned(), 2), ("short".to_owned(), 1), ("end".to_owned(), 1)]);
    }

    #[test]
    fn every_backbone_of_keras_lists_its_layers_in_keras_order() {
        for spec in backbones().filter(|spec| !spec.name.starts_with("efficientnet_lite")) {
            let golden = Golden::open(&format!("keras_zoo/{}", spec.name));
            for (ending, order) in [(Ending::Features, "order"), (Ending::Logits, "order_with_top")] {
                let lines = order_lines(&spec.graph(ending));
                let digest = Sha256::digest(lines.as_bytes()).to_vec();
                assert_eq!(digest, golden.u8(order), "{} {order}:\n{lines}", spec.name);
            }
        }
    }

    #[test]
    fn every_backbone_of_keras_has_as_many_values_as_in_keras() {
        for spec in backbones().filter(|spec| !spec.name.starts_with("efficientnet_lite")) {
            let counts =
                [Ending::Features, Ending::Logits].map(|ending| spec.graph(ending).parameter_count());
            let want = Golden::open(&format!("keras_zoo/{}", spec.name)).usize("value_counts");
            assert_eq!(counts[..], want, "{}", spec.name);
        }
    }

    /// As `order` of `reference/keras_zoo.py` has it.
    fn order_lines(graph: &Graph) -> String {
        let mut lines = String::new();
        for layer in keras_layers(graph) {
            lines.push_str(&layer.name);
            for weight in &layer.weights {
                let lens: Vec<_> = weight.shape.iter().map(ToString::to_string).collect();
                let lens = if lens.is_empty() { "scalar".to_owned() } else { lens.join("x") };
                write!(lines, " {lens}").unwrap();
            }
            lines.push('\n');
        }
        lines
    }
}
