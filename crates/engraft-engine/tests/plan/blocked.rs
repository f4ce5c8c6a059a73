//! Channels that stand in blocks of one vector around depthwise convolutions.

use engraft_engine::{PlanOptions, Precision};
use engraft_graph::{
    Activation, Conv2d, DepthwiseConv2d, Graph, GraphBuilder, GraphError, Margins, NodeId, Op, Padding,
};
use engraft_kernels::InstructionSet;
use engraft_testing::{Tolerance, assert_close, noise_u8};

use super::{check_bandings, check_threads_and_batches, compiled, floats, nets, reference};

/// Several vectors of every instruction set.
const CHANNELS: usize = 64;

/// Every way into and out of a depthwise convolution: padded by a node of its own, rectangular, after another, read by a
/// strided pointwise convolution.
fn net(height: usize, width: usize) -> Result<Graph, GraphError> {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [height, width, 3])?;
    let x = net.conv2d("stem", image, CHANNELS, 3, 1, Padding::Same)?;
    let x = net.activation("stem_silu", x, Activation::Silu)?;
    let x = net.zero_padding2d("pad", x, Margins { top: 2, bottom: 1, left: 1, right: 0 })?;
    let x = depthwise(&mut net, "rectangular", x, [4, 2], [1, 1], Padding::Valid)?;
    let x = net.activation("rectangular_silu", x, Activation::Silu)?;
    let x = depthwise(&mut net, "strided", x, [5, 5], [2, 1], Padding::Same)?;
    let x = net.activation("strided_silu", x, Activation::Silu)?;
    let pointwise =
        Conv2d { filters: CHANNELS, kernel: [1, 1], strides: [1, 2], padding: Padding::Same, bias: true };
    let x = net.node("pointwise", Op::Conv2d(pointwise), &[x])?;
    let x = net.activation("pointwise_relu6", x, Activation::Relu6)?;
    let x = depthwise(&mut net, "last", x, [3, 3], [1, 1], Padding::Same)?;
    let x = net.conv2d("project", x, 5, 1, 1, Padding::Same)?;
    net.finish(x)
}

fn depthwise(
    net: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    kernel: [usize; 2],
    strides: [usize; 2],
    padding: Padding,
) -> Result<NodeId, GraphError> {
    net.node(name, Op::DepthwiseConv2d(DepthwiseConv2d { kernel, strides, padding, bias: true }), &[x])
}

#[test]
fn results_equal_the_definition() {
    for [height, width] in [[23, 19], [9, 1], [1, 9]] {
        let graph = net(height, width).unwrap();
        let weights = nets::weights(&graph);
        let image = noise_u8(1, graph.nodes()[0].shape.len());
        let want = reference::run(&graph, &weights, &floats(&image));
        let largest = want.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        for (precision, most) in [(Precision::F32, 1e-5), (Precision::Bf16, 0.02), (Precision::Int8, 0.05)] {
            for isa in InstructionSet::available() {
                let options = PlanOptions { precision, ..PlanOptions::new(isa) };
                let plan = compiled(&graph, &weights, &options, &image);
                let mut got = vec![f32::NAN; want.len()];
                plan.run_u8(&[&image], &mut got).unwrap();
                assert_close(&got, &want, Tolerance::abs(most * largest));
                check_bandings(&graph, &weights, &options, &image, &got);
                check_threads_and_batches(&plan);
            }
        }
    }
}
