//! Compares backbones with what Keras or timm computes from the same formula: see `reference/keras_zoo.py` and `timm_zoo.py`.

#[path = "pictures.rs"]
mod pictures;

use std::collections::HashMap;

use engraft_graph::{Graph, NamedTensors, Op, Tensor, WeightSpec};
use engraft_testing::{Golden, noise};
use engraft_zoo::{BackboneSpec, Ending, backbone, keras_layers};
use pictures::{deviation, run, sides};

/// Agreement asked for, as a part of the largest expected value.
const TOLERANCE: f32 = 1e-4;

/// What is asked of the deepest, in which rounding adds up through many squeeze-and-excite blocks, with the largest deviation
/// measured.
const DEEPEST_TOLERANCE: f32 = 1e-3;
const DEEPEST: [(&str, f32); 5] = [
    ("efficientnet_b5", 1.2e-4),
    ("efficientnet_b6", 3.1e-4),
    ("efficientnet_b7", 7.1e-4),
    ("efficientnet_v2_l", 1.2e-4),
    ("efficientnet_v2_m", 1.0e-4),
];

/// Weight number `k` is filled with the random numbers of seed `SEED + k`.
const SEED: u64 = 1000;

/// Values taken of a longer output.
const SAMPLE: usize = 256;

/// What was found of a backbone.
pub struct Proof {
    /// Values in its weights without and with the classifier.
    pub value_counts: [usize; 2],
    /// The same in the reference.
    pub reference_value_counts: [usize; 2],
    /// The largest deviation of the features, as a part of the largest feature.
    pub features: f32,
    /// The largest deviation of any other output, as a part of the largest value of that output.
    pub others: f32,
    tolerance: f32,
}

impl Proof {
    /// Runs the backbone on the images of its golden.
    pub fn of(name: &str) -> Proof {
        let spec = backbone(name).expect("the backbone exists");
        let golden = golden(name);
        let value_counts =
            [Ending::Features, Ending::Logits].map(|ending| spec.graph(ending).parameter_count());
        let reference_value_counts = golden.usize("value_counts").try_into().expect("there are two counts");
        let mut proof = Proof {
            value_counts,
            reference_value_counts,
            features: 0.0,
            others: 0.0,
            tolerance: tolerance(name),
        };
        proof.compare_outputs(spec, &golden);
        proof
    }

    /// Whether everything is as in the reference.
    pub fn holds(&self) -> bool {
        self.value_counts == self.reference_value_counts && self.features.max(self.others) <= self.tolerance
    }

    fn compare_outputs(&mut self, spec: &BackboneSpec, golden: &Golden) {
        let body = weights(&spec.graph(Ending::Features), &golden.f32("scales"));
        for array in golden.names() {
            let Some((output, size)) = array.rsplit_once('_') else { continue };
            let Some(size) = sides(size) else { continue };
            let ending = match output {
                "max" => Ending::MaxFeatures,
                "map" => Ending::Map,
                "logits" => Ending::Logits,
                _ => Ending::Features,
            };
            let mut graph = spec.graph_at(size, ending).expect("the backbone takes images of this size");
            if let Some(layer) = ["first", "second"].iter().position(|&name| name == output) {
                graph = up_to_layer(&graph, golden, layer);
            }
            let outputs = if ending == Ending::Logits {
                run(&graph, &weights(&graph, &golden.f32("scales_with_top")), size)
            } else {
                run(&graph, &body, size)
            };
            let whole = ["features", "logits"].contains(&output);
            let outputs = if whole { outputs } else { sampled(&outputs) };
            let deviation = deviation(&outputs, &golden.f32(&array));
            let worst = if output == "features" { &mut self.features } else { &mut self.others };
            *worst = worst.max(deviation);
        }
    }
}

/// Keras has no EfficientNet-Lite; timm has.
pub fn golden(name: &str) -> Golden {
    let folder = if name.starts_with("efficientnet_lite") { "timm_zoo" } else { "keras_zoo" };
    Golden::open(&format!("{folder}/{name}"))
}

fn tolerance(name: &str) -> f32 {
    if DEEPEST.iter().any(|(deep, _)| *deep == name) { DEEPEST_TOLERANCE } else { TOLERANCE }
}

/// The network that ends with the layer of that place in the golden's list.
fn up_to_layer(graph: &Graph, golden: &Golden, place: usize) -> Graph {
    let layers = String::from_utf8(golden.u8("layers")).expect("names are text");
    let layer = layers.lines().nth(place).expect("two layers are named");
    let last = graph.nodes().iter().rfind(|node| node.layer() == layer);
    let last = last.unwrap_or_else(|| panic!("there is no layer `{layer}`"));
    graph.up_to(&last.name).expect("the node is in the network")
}

/// All weights of a network, filled by the formula; `scales` are those of the kernels, in Keras' order.
pub fn weights(graph: &Graph, scales: &[f32]) -> NamedTensors {
    let ops: HashMap<&str, &Op> = graph.nodes().iter().map(|node| (node.name.as_str(), &node.op)).collect();
    let mut scales = scales.iter();
    let mut tensors = NamedTensors::new();
    let specs = keras_layers(graph).into_iter().flat_map(|layer| layer.weights);
    for (seed, WeightSpec { name, shape }) in (SEED..).zip(specs) {
        let (node, role) = name.rsplit_once('/').expect("a weight is called NODE/ROLE");
        let (centre, half_width) = match (shape.len(), role) {
            (0, _) => (0.0, 0.0),
            (1, _) => vector_range(ops[node], role),
            _ => (0.0, *scales.next().expect("each kernel has a scale")),
        };
        let mut values = noise(seed, shape.iter().product());
        values.iter_mut().for_each(|value| *value = centre + half_width * *value);
        tensors
            .insert(name, Tensor::from_f32(shape, values).expect("the values fill the shape"))
            .expect("names are unique");
    }
    assert_eq!(scales.next(), None, "each scale belongs to a kernel");
    tensors
}

/// Centre and half width of the values of a weight that is no kernel.
fn vector_range(op: &Op, role: &str) -> (f32, f32) {
    match (op, role) {
        (Op::LayerScale, _) => (0.55, 0.45),
        (_, "bias") => (0.0, 0.1),
        (_, "beta" | "moving_mean") => (0.0, 0.2),
        (_, "gamma") => (1.0, 0.2),
        (_, "moving_variance") => (1.0, 0.3),
        (_, "mean") => (0.45, 0.05),
        (_, "variance") => (0.06, 0.02),
        (op, role) => panic!("the formula knows no {role} of {op:?}"),
    }
}

/// Evenly spaced values of the outputs for both images.
fn sampled(outputs: &[f32]) -> Vec<f32> {
    let images = outputs.chunks_exact(outputs.len() / 2);
    images.flat_map(|image| image.iter().step_by(image.len().div_ceil(SAMPLE)).copied()).collect()
}
