//! A network to look at: its layers, their shapes and what they cost.

use std::path::Path;

use engraft_graph::{Activation, BatchNorm, Graph, GraphBuilder, GraphError, Node, Op, Shape};
use engraft_zoo::{BackboneSpec, Ending};
use serde::Serialize;

use crate::{Error, backbone, joined_graph::joined_graph, model_file};

/// A backbone of the zoo or a combination of several, or a model: its backbone and its head.
pub struct Network {
    name: String,
    graph: Graph,
}

/// One layer, as Keras counts them: a separable convolution is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// Unique in the network.
    pub name: String,
    /// What Keras calls a layer of its kind.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `[height, width, channels]` or `[features]`.
    pub output_shape: Vec<usize>,
    /// Values in its weights.
    pub parameters: usize,
    /// Those of them that training would change.
    pub trainable_parameters: usize,
    /// For one image.
    pub multiply_adds: u64,
    /// The layers it reads, by name.
    pub connected_to: Vec<String>,
}

/// What is looked at of a backbone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkOptions {
    /// With the classifier of 1000 ImageNet classes.
    pub with_top: bool,
    /// Height and width of the input, in pixels, instead of the backbone's own.
    pub input_px: Option<[usize; 2]>,
}

impl Network {
    /// The backbone or combination called `name_or_path`, or else the model in the file of that name. No weights are needed.
    ///
    /// # Errors
    /// If it is neither, the model file is broken, or the backbone cannot have that input.
    pub fn open(name_or_path: &Path, options: NetworkOptions) -> Result<Network, Error> {
        match name_or_path.to_str().map(backbone::specs) {
            Some(Ok(specs)) => of_backbones(&specs, options),
            _ if name_or_path.exists() => of_model(name_or_path, options),
            Some(Err(unknown)) => Err(unknown),
            None => Err(Error::data(name_or_path, "no such backbone and no such file")),
        }
    }

    /// The backbone's name, or the model's path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its layers, each after those it reads.
    pub fn layers(&self) -> Vec<Layer> {
        let nodes = self.graph.nodes();
        let same_layer = |a: &(usize, &Node), b: &(usize, &Node)| a.1.layer() == b.1.layer();
        let numbered: Vec<(usize, &Node)> = nodes.iter().enumerate().collect();
        numbered.chunk_by(same_layer).map(|part| self.layer(part)).collect()
    }

    fn layer(&self, part: &[(usize, &Node)]) -> Layer {
        let (_, last) = part.last().expect("a chunk is not empty");
        let name = last.layer();
        let mut connected_to: Vec<String> = Vec::new();
        for input in part.iter().flat_map(|(_, node)| &node.inputs) {
            let source = self.graph.node(*input).layer();
            if source != name && !connected_to.iter().any(|known| known == source) {
                connected_to.push(source.to_owned());
            }
        }
        let sizes = part.iter().flat_map(|&(_, node)| self.weight_sizes(node));
        let (parameters, trainable_parameters) = sizes.fold((0, 0), |(all, learnt), (len, trainable)| {
            (all + len, learnt + if trainable { len } else { 0 })
        });
        Layer {
            name: name.to_owned(),
            kind: kind(part),
            output_shape: last.shape.lens(),
            parameters,
            trainable_parameters,
            multiply_adds: part
                .iter()
                .map(|(_, node)| node.op.multiply_adds(&self.inputs(node), node.shape))
                .sum(),
            connected_to,
        }
    }

    fn inputs(&self, node: &Node) -> Vec<Shape> {
        node.inputs.iter().map(|&input| self.graph.node(input).shape).collect()
    }

    /// The size of each weight of a node, and whether training changes it.
    fn weight_sizes(&self, node: &Node) -> Vec<(usize, bool)> {
        let weights = node.op.weights(&node.name, &self.inputs(node));
        weights.iter().map(|weight| (weight.shape.iter().product(), weight.is_trainable())).collect()
    }
}

fn of_backbones(specs: &[&BackboneSpec], options: NetworkOptions) -> Result<Network, Error> {
    let name = specs.iter().map(|spec| spec.name).collect::<Vec<_>>().join("+");
    if specs.len() > 1 && options.with_top {
        return Err(Error::Setting {
            setting: "--with-top",
            found: format!("asked of the combination {name}"),
            expected: "a single backbone, since only that has a classifier",
        });
    }
    let graphs = specs.iter().map(|spec| of_backbone(spec, options)).collect::<Result<Vec<_>, _>>()?;
    let networks: Vec<(&str, &Graph)> = specs.iter().map(|spec| spec.name).zip(&graphs).collect();
    let graph = joined_graph(&networks).map_err(engraft_engine::EngineError::Graph)?;
    Ok(Network { name, graph })
}

fn of_backbone(spec: &BackboneSpec, options: NetworkOptions) -> Result<Graph, Error> {
    let ending = if options.with_top { Ending::Logits } else { Ending::Features };
    let side = spec.preprocessing.input_side_px;
    let input_px = options.input_px.unwrap_or([side, side]);
    spec.graph_at(input_px, ending).map_err(|error| Error::Setting {
        setting: "the input size",
        found: format!("{} x {} pixels ({error})", input_px[0], input_px[1]),
        expected: "a size that the backbone can take",
    })
}

fn of_model(path: &Path, options: NetworkOptions) -> Result<Network, Error> {
    if options != NetworkOptions::default() {
        return Err(Error::Setting {
            setting: "--with-top or --input-size",
            found: format!("the model file {}", path.display()),
            expected: "the name of a backbone",
        });
    }
    let header = model_file::read(path)?.header;
    let networks: Vec<(&str, &Graph)> =
        header.parts.iter().map(|part| (&*part.backbone.name, &part.graph)).collect();
    let graph = joined_graph(&networks).and_then(|graph| with_head(graph, header.classes.len()));
    let graph = graph.map_err(engraft_engine::EngineError::Graph)?;
    Ok(Network { name: path.display().to_string(), graph })
}

/// The backbone followed by what a linear head does: standardise, weigh, normalise.
fn with_head(graph: Graph, classes: usize) -> Result<Graph, GraphError> {
    let features = graph.output();
    let mut net = GraphBuilder::from(graph);
    let moments = BatchNorm { epsilon: 0.0, momentum: BatchNorm::MOMENTUM, scale: false, center: false };
    let x = net.node("head_standardisation", Op::BatchNorm(moments), &[features])?;
    let x = net.dense("head", x, classes)?;
    let output = net.activation("head_softmax", x, Activation::Softmax)?;
    net.finish(output)
}

/// What Keras calls a layer of these operations.
fn kind(part: &[(usize, &Node)]) -> &'static str {
    let kinds: Vec<&'static str> = part.iter().map(|(_, node)| node_kind(&node.op)).collect();
    match kinds[..] {
        [one] => one,
        ["DepthwiseConv2D", "Conv2D", ..] => "SeparableConv2D",
        // An activation inside the layer whose result it takes.
        [one, "ReLU" | "Activation" | "Softmax"] => one,
        _ => "Sequential",
    }
}

/// What Keras calls a layer of one operation.
fn node_kind(op: &Op) -> &'static str {
    match op {
        Op::Input { .. } => "InputLayer",
        Op::Rescale { .. } => "Rescaling",
        Op::ReverseChannels => "ReverseChannels",
        Op::Normalization => "Normalization",
        Op::Conv2d(_) => "Conv2D",
        Op::DepthwiseConv2d(_) => "DepthwiseConv2D",
        Op::Dense(_) => "Dense",
        Op::BatchNorm(_) => "BatchNormalization",
        Op::LayerNorm { .. } => "LayerNormalization",
        Op::LayerScale => "LayerScale",
        Op::Activation(Activation::Relu | Activation::Relu6) => "ReLU",
        Op::Activation(Activation::Softmax) => "Softmax",
        Op::Activation(_) => "Activation",
        Op::ZeroPadding2d(_) => "ZeroPadding2D",
        Op::Cropping2d(_) => "Cropping2D",
        Op::MaxPool2d(_) => "MaxPooling2D",
        Op::AveragePool2d(_) => "AveragePooling2D",
        Op::GlobalAveragePool2d => "GlobalAveragePooling2D",
        Op::GlobalMaxPool2d => "GlobalMaxPooling2D",
        Op::Add => "Add",
        Op::Multiply => "Multiply",
        Op::Concatenate => "Concatenate",
        Op::Flatten => "Flatten",
        Op::Reshape { .. } => "Reshape",
        Op::Dropout { .. } => "Dropout",
        Op::StochasticDepth { .. } => "StochasticDepth",
        _ => "Layer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backbone_has_its_layers_in_order_and_knows_what_they_read() {
        let network = Network::open("efficientnet_lite0".as_ref(), NetworkOptions::default()).unwrap();
        let layers = network.layers();
        assert_eq!((layers[0].kind, &layers[0].output_shape[..]), ("InputLayer", &[224, 224, 3][..]));
        let add = layers.iter().find(|layer| layer.name == "block2b_add").unwrap();
        assert_eq!(add.connected_to, ["block2a_project_bn", "block2b_project_bn"]);
        let stem = layers.iter().find(|layer| layer.name == "stem_conv").unwrap();
        let want = (3 * 3 * 3 * 32, 112 * 112 * 3 * 3 * 3 * 32);
        assert_eq!((stem.parameters, stem.multiply_adds), want);
        let norm = layers.iter().find(|layer| layer.name == "stem_bn").unwrap();
        assert_eq!((norm.parameters, norm.trainable_parameters), (4 * 32, 2 * 32));
    }

    #[test]
    fn the_input_and_the_top_can_be_chosen() {
        let options = NetworkOptions { with_top: true, input_px: Some([64, 96]) };
        let layers = Network::open("efficientnet_lite0".as_ref(), options).unwrap().layers();
        assert_eq!(layers[0].output_shape, [64, 96, 3]);
        assert_eq!(layers.last().unwrap().output_shape, [1000]);
    }

    #[test]
    fn operations_that_share_a_layer_are_counted_as_one() {
        use engraft_graph::Padding;
        let mut net = GraphBuilder::new();
        let image = net.input("image", [8, 8, 3]).unwrap();
        let x = net.depthwise_conv2d("separable/depthwise", image, 3, 1, Padding::Same).unwrap();
        let x = net.conv2d("separable/pointwise", x, 5, 1, 1, Padding::Same).unwrap();
        let x = net.dense("dense", x, 4).unwrap();
        let x = net.activation("dense/relu", x, Activation::Relu).unwrap();
        let x = net.conv2d("stem/conv", x, 4, 1, 1, Padding::Same).unwrap();
        let x = net.node("stem/norm", Op::LayerNorm { epsilon: 1e-6 }, &[x]).unwrap();
        let network = Network { name: String::new(), graph: net.finish(x).unwrap() };
        let found: Vec<_> = network
            .layers()
            .iter()
            .map(|layer| format!("{} {} {}", layer.name, layer.kind, layer.parameters))
            .collect();
        assert_eq!(
            found,
            ["image InputLayer 0", "separable SeparableConv2D 42", "dense Dense 24", "stem Sequential 24"]
        );
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let error = Network::open("efficientnet_lite9".as_ref(), NetworkOptions::default()).err().unwrap();
        assert!(error.to_string().contains("`efficientnet_lite9` is unknown"), "{error}");
    }
}
