//! Zero paddings in front of max pools: left out where their zeros make no difference, and only there.

use engraft_engine::{Plan, PlanOptions};
use engraft_graph::{Activation, Graph, GraphBuilder, Margins, Op, Padding, Pool2d};
use engraft_kernels::InstructionSet;
use engraft_testing::{Tolerance, assert_close, noise_u8};

use super::{check_bandings, check_threads_and_batches, floats, nets, reference};

/// A padding, the window behind it, and whether what it pads is never negative.
struct Case {
    margins: [usize; 4],
    window: [usize; 2],
    strides: [usize; 2],
    padding: Padding,
    has_relu: bool,
}

const USUAL: Case =
    Case { margins: [1; 4], window: [3; 2], strides: [2; 2], padding: Padding::Valid, has_relu: true };

impl Case {
    fn graph(&self) -> Graph {
        let mut net = GraphBuilder::new();
        let image = net.input("image", [14, 11, 3]).unwrap();
        let mut x = net.conv2d("conv", image, 20, 3, 1, Padding::Same).unwrap();
        if self.has_relu {
            x = net.activation("relu", x, Activation::Relu).unwrap();
        }
        let [top, bottom, left, right] = self.margins;
        x = net.zero_padding2d("pad", x, Margins { top, bottom, left, right }).unwrap();
        let Case { window, strides, padding, .. } = *self;
        x = net.node("pool", Op::MaxPool2d(Pool2d { window, strides, padding }), &[x]).unwrap();
        net.finish(x).unwrap()
    }

    /// Compares results with those of the definition; says whether the padding is a step of its own.
    fn check(&self, isa: InstructionSet) -> bool {
        let graph = self.graph();
        let (weights, options) = (nets::weights(&graph), PlanOptions::new(isa));
        let plan = Plan::compile(&graph, &weights, &options).unwrap();
        let image = noise_u8(1, plan.input_shape().len());
        let want = reference::run(&graph, &weights, &floats(&image));
        let largest = want.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let mut got = vec![f32::NAN; want.len()];
        plan.run_u8(&[&image], &mut got).unwrap();
        assert_close(&got, &want, Tolerance::abs(1e-5 * largest));
        check_bandings(&graph, &weights, &options, &image, &got);
        check_threads_and_batches(&plan);
        plan.profile(&image, 1).unwrap().iter().any(|step| step.kernel == "zero padding")
    }
}

#[test]
fn zeros_that_make_no_difference_are_left_out() {
    for isa in InstructionSet::available() {
        assert!(!USUAL.check(isa));
        assert!(!Case { margins: [0, 1, 2, 1], strides: [1, 2], ..USUAL }.check(isa));
        assert!(!Case { margins: [1, 0, 0, 0], window: [2, 1], strides: [3, 1], ..USUAL }.check(isa));
    }
}

#[test]
fn zeros_that_may_be_the_greatest_are_kept() {
    for isa in InstructionSet::available() {
        assert!(Case { has_relu: false, ..USUAL }.check(isa));
        // Windows of nothing but zeros: the first, the last.
        assert!(Case { margins: [3, 0, 0, 0], ..USUAL }.check(isa));
        assert!(Case { margins: [0, 0, 0, 4], strides: [1; 2], ..USUAL }.check(isa));
        assert!(Case { padding: Padding::Same, ..USUAL }.check(isa));
    }
}
