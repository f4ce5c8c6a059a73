//! Convolutions that are large enough for Winograd's algorithm.

use engraft_engine::{Plan, PlanOptions};
use engraft_graph::{Activation, Graph, GraphBuilder, GraphError, Padding};
use engraft_kernels::InstructionSet;
use engraft_testing::{Tolerance, assert_close, noise_u8};

use super::{check_bandings, check_threads_and_batches, floats, nets, reference};

/// Every padding and ending, between direct convolutions; tiles reach beyond the lower and the right edge.
pub fn net() -> Result<Graph, GraphError> {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [33, 30, 3])?;
    let x = net.conv2d("direct", image, 32, 3, 1, Padding::Same)?;
    let x = net.activation("relu", x, Activation::Relu)?;
    let x = net.conv2d("same", x, 40, 3, 1, Padding::Same)?;
    let x = net.activation("relu6", x, Activation::Relu6)?;
    let x = net.conv2d("valid", x, 33, 3, 1, Padding::Valid)?;
    let x = net.activation("silu", x, Activation::Silu)?;
    let x = net.conv2d("pointwise", x, 32, 1, 1, Padding::Same)?;
    let x = net.conv2d("plain", x, 32, 3, 1, Padding::Same)?;
    net.finish(x)
}

/// A map of too few pixels for tiles of 4x4, whose last tiles of 2x2 reach beyond both edges.
fn small_net() -> Result<Graph, GraphError> {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [13, 11, 3])?;
    let x = net.conv2d("direct", image, 32, 3, 1, Padding::Same)?;
    let x = net.activation("relu", x, Activation::Relu)?;
    let x = net.conv2d("same", x, 40, 3, 1, Padding::Same)?;
    let x = net.activation("silu", x, Activation::Silu)?;
    net.finish(x)
}

#[test]
fn it_is_used_and_equals_the_definition() {
    for (graph, names) in [(net(), &["same", "valid", "plain"][..]), (small_net(), &["same"])] {
        let graph = graph.unwrap();
        let weights = nets::weights(&graph);
        for isa in InstructionSet::available() {
            let plan = Plan::compile(&graph, &weights, &PlanOptions::new(isa)).unwrap();
            let image = noise_u8(1, plan.input_shape().len());
            let steps = plan.profile(&image, 1).unwrap();
            let used = steps.iter().filter(|step| step.kernel == "winograd").map(|step| step.node.as_str());
            assert_eq!(used.collect::<Vec<_>>(), names, "{}", isa.name());
            let want = reference::run(&graph, &weights, &floats(&image));
            let largest = want.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let mut got = vec![f32::NAN; want.len()];
            plan.run_u8(&[&image], &mut got).unwrap();
            assert_close(&got, &want, Tolerance::abs(1e-5 * largest));
            check_bandings(&graph, &weights, &PlanOptions::new(isa), &image, &got);
        }
    }
}

#[test]
fn results_do_not_depend_on_threads_or_batches() {
    for graph in [net().unwrap(), small_net().unwrap()] {
        for isa in InstructionSet::available() {
            check_threads_and_batches(
                &Plan::compile(&graph, &nets::weights(&graph), &PlanOptions::new(isa)).unwrap(),
            );
        }
    }
}
