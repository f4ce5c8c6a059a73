//! Maps that need not be in single precision: what convolutions write and only rounded ones read.
//!
//! A convolution that multiplies bf16 rounds its input; where the one before it has stored it rounded, it reads half the bytes,
//! mostly where they lie, and multiplies the same numbers. Only a residual, which is added to sums, is rounded that would not be
//! otherwise.

use engraft_kernels::{InstructionSet, MapFormat};

use super::layout::Layout;
use super::network::{Step, ValueId};

/// Keeps the maps in bf16 that can be; that of `output` is what a caller reads.
pub(super) fn choose_formats(values: &mut [Layout], steps: &[Step], output: ValueId, isa: InstructionSet) {
    let mut can_be_rounded = vec![false; values.len()];
    for step in steps {
        can_be_rounded[step.output.0] = step.kernel.can_write_bf16() && step.output != output;
    }
    for step in steps.iter().filter(|step| !step.kernel.can_read_bf16()) {
        step.inputs.iter().for_each(|view| can_be_rounded[view.value.0] = false);
    }
    for (layout, can_be_rounded) in values.iter_mut().zip(can_be_rounded) {
        // Whole vectors of pairs: whoever writes vectors of numbers fills them.
        if can_be_rounded && layout.pixel_len.is_multiple_of(2 * isa.lanes()) {
            layout.pixel_len = MapFormat::Bf16.words(layout.pixel_len);
            layout.block_len = layout.pixel_len;
            layout.format = MapFormat::Bf16;
        }
    }
    for step in steps {
        let Some(view) = step.inputs.first() else { continue };
        let columns = values[step.output.0].width;
        let layout = &mut values[view.value.0];
        if layout.format == MapFormat::Bf16 {
            layout.slack = layout.slack.max(step.kernel.slack(layout.pixel_len, columns));
        }
    }
}

#[cfg(test)]
mod tests {
    use engraft_graph::{GraphBuilder, Padding};

    use super::super::lower::{lower, zero_weights};
    use super::super::{Calibration, PlanOptions, Precision};
    use super::*;

    #[test]
    fn maps_between_convolutions_that_round_are_in_bf16() {
        for isa in InstructionSet::available() {
            let (whole, half) = (4 * isa.lanes(), 3 * isa.lanes());
            let mut net = GraphBuilder::new();
            let image = net.input("image", [16, 16, 3]).unwrap();
            let stem = net.conv2d("stem", image, whole, 3, 1, Padding::Same).unwrap();
            let reduce = net.conv2d("reduce", stem, whole, 1, 1, Padding::Same).unwrap();
            let down = net.conv2d("down", reduce, whole, 3, 2, Padding::Same).unwrap();
            let expand = net.conv2d("expand", down, whole, 1, 1, Padding::Same).unwrap();
            let sum = net.add("sum", expand, down).unwrap();
            let depthwise = net.depthwise_conv2d("depthwise", sum, 3, 1, Padding::Same).unwrap();
            let narrow = net.conv2d("narrow", depthwise, half, 1, 1, Padding::Same).unwrap();
            let last = net.conv2d("last", narrow, whole, 1, 1, Padding::Same).unwrap();
            let graph = net.finish(last).unwrap();
            let weights = zero_weights(&graph);
            let in_bf16 = |precision: Precision| {
                let options = PlanOptions { precision, ..PlanOptions::new(isa) };
                let (network, _) = lower(&graph, &weights, &options, &Calibration::default()).unwrap();
                let is_bf16 = |step: &&Step| network.values[step.output.0].format == MapFormat::Bf16;
                network.steps.iter().filter(is_bf16).map(|step| step.node.clone()).collect::<Vec<_>>()
            };
            // The sum is read by a depthwise convolution, `narrow` has half a vector of pairs, `last` is the output.
            assert_eq!(in_bf16(Precision::Bf16), ["reduce", "down", "depthwise"], "{}", isa.name());
            assert!(in_bf16(Precision::F32).is_empty());
        }
    }
}
