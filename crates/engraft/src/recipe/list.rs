//! The layers of a network, as they stand in a file, and the graphs made of them.

use std::{collections::BTreeMap, path::Path, str::FromStr};

use engraft_graph::{Activation, Graph, GraphBuilder, GraphError, NodeId, Op, Shape};
use engraft_train::in_words;
use serde::{Deserialize, Serialize};

use super::RecipeLayer;
use crate::Error;

/// What the first layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkInput {
    /// An image, scaled to -1..1 unless the augmentation standardises it.
    Pixels,
    /// The features of a frozen backbone.
    Features,
}

/// The layers of a network up to the one that scores the classes, which is added to every list.
///
/// ```
/// use engraft::LayerList;
///
/// let text = r#"
///     input = "pixels"
///     [[layer]]
///     type = "conv2d"
///     filters = 8
///     kernel = 3
///     activation = "relu"
///     [[layer]]
///     type = "global_average_pool2d"
/// "#;
/// let layers: LayerList = text.parse().unwrap();
/// assert_eq!(layers.layers.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerList {
    /// What the first layer reads.
    pub input: NetworkInput,
    /// From the input to the class scores.
    #[serde(rename = "layer", default)]
    pub layers: Vec<RecipeLayer>,
}

/// What a network reads, `[height, width, channels]`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InputMap {
    /// Levels of an image, 0..255, which are scaled to -1..1.
    Levels([usize; 3]),
    /// Values of an image that are standardised before, and so taken as they are.
    Standardized([usize; 3]),
    /// Features, as a map of one pixel.
    Features([usize; 3]),
}

impl InputMap {
    /// `[height, width, channels]`
    pub fn shape(self) -> [usize; 3] {
        match self {
            InputMap::Levels(shape) | InputMap::Standardized(shape) | InputMap::Features(shape) => shape,
        }
    }
}

/// The node that scores the classes.
pub(crate) const PREDICTIONS: &str = "predictions";

/// Most bytes of a network file.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Most layers of a network file.
const MAX_LAYERS: usize = 1000;

impl LayerList {
    /// Reads a network file.
    ///
    /// # Errors
    /// [`Error::Data`] that says what in the file is wrong.
    pub fn read(path: &Path) -> Result<LayerList, Error> {
        let bytes = engraft_data::read_bytes(path, MAX_FILE_BYTES)
            .map_err(|error| Error::data(path, &error.to_string()))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Error::data(path, "not text, expected TOML"))?;
        text.parse().map_err(|problem: String| Error::data(path, problem.trim_end()))
    }

    /// The network to be trained, for `classes` classes.
    ///
    /// # Errors
    /// [`GraphError`] that names the layer whose shape is wrong.
    pub(crate) fn graph(&self, input: InputMap, classes: usize) -> Result<Graph, GraphError> {
        let mut net = GraphBuilder::new();
        let x = add_input(&mut net, input)?;
        let x = self.add_layers(&mut net, x)?;
        let x = net.dense(PREDICTIONS, x, classes)?;
        let output = net.activation("probabilities", x, Activation::Softmax)?;
        net.finish(output)
    }

    /// The part of that network before the class scores, so that what remains is a linear classifier.
    pub(crate) fn hidden_graph(&self, input: InputMap) -> Result<Graph, GraphError> {
        let mut net = GraphBuilder::new();
        let x = add_input(&mut net, input)?;
        let output = self.add_layers(&mut net, x)?;
        net.finish(output)
    }

    /// `backbone` followed by the part of the network before the class scores.
    pub(crate) fn on_backbone(&self, backbone: &Graph) -> Result<Graph, GraphError> {
        let mut net = GraphBuilder::new();
        let features = net.append(backbone, str::to_owned)?;
        let output = self.add_layers(&mut net, features)?;
        net.finish(output)
    }

    /// Every layer under its own name, `head_dense`, `head_dense_1` and so on: no layer of a backbone is called so.
    fn add_layers(&self, net: &mut GraphBuilder, mut x: NodeId) -> Result<NodeId, GraphError> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for layer in &self.layers {
            let count = counts.entry(layer.kind()).or_default();
            let name = match *count {
                0 => format!("head_{}", layer.kind()),
                count => format!("head_{}_{count}", layer.kind()),
            };
            *count += 1;
            x = layer.add(net, &name, x)?;
        }
        match net.shape(x) {
            Shape::Vector { .. } => Ok(x),
            // What scores the classes reads a vector.
            Shape::Map { .. } => net.flatten("head_features", x),
        }
    }
}

fn add_input(net: &mut GraphBuilder, input: InputMap) -> Result<NodeId, GraphError> {
    match input {
        InputMap::Levels(shape) => {
            let x = net.input("input", shape)?;
            net.node("scale", Op::Rescale { scale: vec![1.0 / 127.5], offset: vec![-1.0] }, &[x])
        }
        InputMap::Standardized(shape) => net.input("input", shape),
        InputMap::Features(shape) => {
            let x = net.input("input", shape)?;
            net.flatten("features", x)
        }
    }
}

impl FromStr for LayerList {
    type Err = String;

    fn from_str(text: &str) -> Result<LayerList, String> {
        let File { input, layers } = toml::from_str(text).map_err(|error| with_line(text, &error))?;
        if layers.len() > MAX_LAYERS {
            return Err(format!("found {} layers, expected at most {MAX_LAYERS}", layers.len()));
        }
        let layer = |(index, table): (usize, toml::Table)| {
            table.try_into().map_err(|error: toml::de::Error| {
                format!("layer {}: {}", index + 1, in_words(error.message()))
            })
        };
        let layers = layers.into_iter().enumerate().map(layer).collect::<Result<_, String>>()?;
        Ok(LayerList { input, layers })
    }
}

/// A network file whose layers are not read yet: an error in one of them shall say in which.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    input: NetworkInput,
    #[serde(rename = "layer", default)]
    layers: Vec<toml::Table>,
}

/// `line 3: what is wrong`
fn with_line(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    format!("line {}: {}", before.matches('\n').count() + 1, in_words(error.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> LayerList {
        text.parse().unwrap()
    }

    #[test]
    fn layers_are_numbered_and_end_in_a_vector() {
        let convolution = "[[layer]]\ntype = \"conv2d\"\nfilters = 2\nkernel = 3\nactivation = \"relu\"\n";
        let layers = list(&format!("input = \"pixels\"\n{convolution}{convolution}"));
        let graph = layers.graph(InputMap::Levels([6, 6, 3]), 4).unwrap();
        let names: Vec<&str> = graph.nodes().iter().map(|node| &*node.name).collect();
        let want = [
            "input",
            "scale",
            "head_conv2d",
            "head_conv2d_activation",
            "head_conv2d_1",
            "head_conv2d_1_activation",
            "head_features",
            "predictions",
            "probabilities",
        ];
        assert_eq!(names, want);
        let hidden = layers.hidden_graph(InputMap::Standardized([6, 6, 3])).unwrap();
        assert_eq!(hidden.output_shape(), Shape::vector(2 * 2 * 2));
        assert!(hidden.nodes().iter().all(|node| node.name != "scale"), "what is standardised is not scaled");
    }

    #[test]
    fn a_backbone_is_continued() {
        let layers = list("input = \"features\"\n[[layer]]\ntype = \"dense\"\nunits = 7\n");
        let mut net = GraphBuilder::new();
        let image = net.input("image", [4, 4, 3]).unwrap();
        let pool = net.global_average_pool2d("pool", image).unwrap();
        let whole = layers.on_backbone(&net.finish(pool).unwrap()).unwrap();
        assert_eq!(whole.output_shape(), Shape::vector(7));
        let alone = layers.hidden_graph(InputMap::Features([1, 1, 3])).unwrap();
        assert_eq!(whole.parameter_count(), alone.parameter_count());
    }

    #[test]
    fn the_documentation_names_every_layer_and_its_example_is_one() {
        let documentation = include_str!("../../../../docs/NETWORKS.md");
        let example = documentation.split("```").find_map(|part| part.strip_prefix("toml\n")).unwrap();
        assert_eq!(list(example).layers.len(), 2);
        let error = "input = \"pixels\"\n[[layer]]\ntype = \"none\"".parse::<LayerList>().unwrap_err();
        let (_, known) = error.split_once("expected one of ").unwrap();
        for layer in known.split(", ") {
            assert!(documentation.contains(layer), "{layer}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, want) in [
            ("input = \"sound\"", "unknown variant `sound`"),
            ("layer = []", "missing field `input`"),
            ("input = \"pixels\"\n[[layer]\n", "line 2: "),
            (
                "input = \"pixels\"\n[[layer]]\ntype = \"flatten\"\n[[layer]]\ntype = \"dense\"\nunits = -4",
                "layer 2: invalid value: integer `-4`, expected a whole number of at least 0",
            ),
            ("input = \"pixels\"\n[[layer]]\ntype = \"conv3d\"", "unknown variant `conv3d`"),
            ("input = \"pixels\"\n[[layer]]\ntype = \"dense\"", "missing field `units`"),
            (
                "input = \"pixels\"\n[[layer]]\ntype = \"dense\"\nunits = 3\nwidth = 2",
                "unknown field `width`",
            ),
            ("input = \"pixels\"\nlayers = 3", "unknown field `layers`"),
        ] {
            let error = text.parse::<LayerList>().unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
        let norm = list("input = \"pixels\"\n[[layer]]\ntype = \"batch_norm\"\nepsilon = -1\n");
        let error = norm.graph(InputMap::Levels([6, 6, 3]), 2).unwrap_err().to_string();
        assert_eq!(error, "node `head_batch_norm` has epsilon -1, expected a finite number of at least 0");
        let norm = list("input = \"pixels\"\n[[layer]]\ntype = \"batch_norm\"\nmomentum = 1\n");
        let error = norm.graph(InputMap::Levels([6, 6, 3]), 2).unwrap_err().to_string();
        let want = "node `head_batch_norm` has momentum 1, expected a number from 0 up to, not including, 1";
        assert_eq!(error, want);
        let kernel = list("input = \"pixels\"\n[[layer]]\ntype = \"conv2d\"\nfilters = 2\nkernel = 9\n");
        let error = kernel.graph(InputMap::Levels([6, 6, 3]), 2).unwrap_err().to_string();
        assert!(error.contains("head_conv2d") && error.contains('9'), "{error}");
    }
}
