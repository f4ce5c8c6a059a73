//! Compares backbones with what PyTorch computed on the patterns of `golden/zoo`; see `reference/lite_features.py`.

use engraft_engine::{Plan, PlanOptions};
use engraft_graph::{Graph, GraphBuilder, NodeId, Shape};
use engraft_testing::{Golden, Tolerance, assert_close};
use engraft_zoo::{BackboneSpec, Opened};

/// Agreement asked for, as a part of the largest expected value.
const TOLERANCE: f32 = 1e-4;

/// Asserts that features and two activations agree with `golden/zoo/GOLDEN.safetensors`. Returns the largest deviation
/// of a feature, as a part of the largest one.
pub fn assert_agrees(opened: &Opened, golden: &str) -> f32 {
    let golden = Golden::open(&format!("zoo/{golden}"));
    let images = patterns(opened.spec);
    for (name, node, step) in [
        ("stem_activation", node_index(&opened.graph, "stem_activation"), 16),
        ("stage6", last_of_stage(&opened.graph, "block6"), 4),
    ] {
        let part = cut_after(&opened.graph, node);
        let shape = golden.shape(name);
        let whole = run(&part, opened, &images[..shape[0]]);
        assert_agreement(&thinned(&whole, part.output_shape(), step), &golden.f32(name));
    }
    assert_agreement(&run(&opened.graph, opened, &images), &golden.f32("features"))
}

/// Runs a network that takes the weights of `opened` on images of bytes.
pub fn run(graph: &Graph, opened: &Opened, images: &[Vec<u8>]) -> Vec<f32> {
    let options = PlanOptions::from_env().expect("ENGRAFT_ISA names an instruction set of this machine");
    let plan = Plan::compile(graph, &opened.weights, &options).expect("a backbone compiles");
    let images: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();
    let mut out = vec![0.0; images.len() * plan.output_shape().len()];
    plan.run_u8(&images, &mut out).expect("the patterns have the size of the input");
    out
}

/// The images of `golden/zoo/patterns`, enlarged to the backbone's input without interpolation.
pub fn patterns(spec: &BackboneSpec) -> Vec<Vec<u8>> {
    let golden = Golden::open("zoo/patterns");
    let [_, small, _, channels] = golden.shape("images")[..] else { panic!("patterns are [n, h, w, c]") };
    let side = spec.preprocessing.input_side_px;
    let source = move |place: usize| place * small / side;
    let enlarged = |image: &[u8]| {
        let pixels = (0..side).flat_map(|y| (0..side).map(move |x| source(y) * small + source(x)));
        pixels.flat_map(|pixel| image[pixel * channels..][..channels].to_vec()).collect()
    };
    golden.u8("images").chunks_exact(small * small * channels).map(enlarged).collect()
}

fn assert_agreement(got: &[f32], want: &[f32]) -> f32 {
    let largest = want.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
    assert_close(got, want, Tolerance::abs(TOLERANCE * largest));
    let deviations = got.iter().zip(want).map(|(got, want)| (got - want).abs());
    deviations.fold(0.0, f32::max) / largest
}

fn node_index(graph: &Graph, name: &str) -> usize {
    graph.nodes().iter().position(|node| node.name == name).expect("the node exists")
}

fn last_of_stage(graph: &Graph, stage: &str) -> usize {
    graph.nodes().iter().rposition(|node| node.name.starts_with(stage)).expect("the stage exists")
}

/// The network up to and including its node number `last`.
fn cut_after(graph: &Graph, last: usize) -> Graph {
    let mut net = GraphBuilder::new();
    let nodes = &graph.nodes()[..=last];
    let ids: Result<Vec<NodeId>, _> =
        nodes.iter().map(|node| net.node(&node.name, node.op.clone(), &node.inputs)).collect();
    net.finish(ids.expect("nodes of a network fit again")[last]).expect("the node exists")
}

/// Every `step`-th row and column of maps.
fn thinned(maps: &[f32], shape: Shape, step: usize) -> Vec<f32> {
    let Shape::Map { width, channels, .. } = shape else { panic!("{shape} is not a map") };
    let images = maps.chunks_exact(shape.len());
    let rows = images.flat_map(|image| image.chunks_exact(width * channels).step_by(step));
    rows.flat_map(|row| row.chunks_exact(channels).step_by(step)).flatten().copied().collect()
}
