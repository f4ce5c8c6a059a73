//! Convolutions that are large enough for Winograd's algorithm.

use engraft_engine::{Plan, PlanOptions, Precision};
use engraft_graph::{Activation, Graph, GraphBuilder, GraphError, Padding};
use engraft_kernels::{Bf16Unit, InstructionSet};
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
pub fn small_net() -> Result<Graph, GraphError> {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [7, 7, 3])?;
    let x = net.conv2d("direct", image, 32, 3, 1, Padding::Same)?;
    let x = net.activation("relu", x, Activation::Relu)?;
    let x = net.conv2d("same", x, 40, 3, 1, Padding::Same)?;
    let x = net.activation("silu", x, Activation::Silu)?;
    net.finish(x)
}

#[test]
fn it_is_used_and_equals_the_definition() {
    for (graph, names) in all() {
        for (isa, precision) in everywhere() {
            let weights = nets::weights(&graph);
            let options = PlanOptions { precision, ..PlanOptions::new(isa) };
            let plan = Plan::compile(&graph, &weights, &options).unwrap();
            let image = noise_u8(1, plan.input_shape().len());
            let steps = plan.profile(&image, 1).unwrap();
            let kernel = if precision == Precision::F32 { "winograd" } else { "bf16 winograd" };
            let used = steps.iter().filter(|step| step.kernel == kernel);
            let used: Vec<&str> = used.map(|step| step.node.as_str()).collect();
            let pays = precision == Precision::F32 || Bf16Unit::best(isa).gains_from_winograd();
            assert_eq!(used, if pays { names } else { &[] }, "{}, {precision}", isa.name());
            let want = reference::run(&graph, &weights, &floats(&image));
            let largest = want.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let mut got = vec![f32::NAN; want.len()];
            plan.run_u8(&[&image], &mut got).unwrap();
            let most = if precision == Precision::F32 { 1e-5 } else { 2e-2 };
            assert_close(&got, &want, Tolerance::abs(most * largest));
            check_bandings(&graph, &weights, &options, &image, &got);
        }
    }
}

fn all() -> [(Graph, &'static [&'static str]); 2] {
    [(net().unwrap(), &["same", "valid", "plain"]), (small_net().unwrap(), &["same"])]
}

fn everywhere() -> impl Iterator<Item = (InstructionSet, Precision)> {
    let precisions = [Precision::F32, Precision::Bf16];
    InstructionSet::available().into_iter().flat_map(move |isa| precisions.map(|precision| (isa, precision)))
}

#[test]
fn results_do_not_depend_on_threads_or_batches() {
    for (graph, _) in all() {
        for (isa, precision) in everywhere() {
            let options = PlanOptions { precision, ..PlanOptions::new(isa) };
            check_threads_and_batches(&Plan::compile(&graph, &nets::weights(&graph), &options).unwrap());
        }
    }
}
