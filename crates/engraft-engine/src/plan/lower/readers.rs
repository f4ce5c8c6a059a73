//! How a value should lie in memory, which depends on who reads it.

use engraft_graph::Op;

use super::Lowering;
use super::window::is_convolution;
use crate::plan::kernel::Kernel;

impl Lowering<'_> {
    /// Whether the channels of what `kernel` computes for the node `index` should stand in blocks of one vector: where a depthwise
    /// convolution writes or reads it, if all its readers are depthwise or pointwise. Where it turns out to be kept in bf16, they do
    /// not after all.
    pub(super) fn is_blocked(&self, kernel: &Kernel, index: usize) -> bool {
        let is_depthwise = |op: &Op| matches!(op, Op::DepthwiseConv2d(_));
        let can_read = |op: &Op| match op {
            Op::Conv2d(conv) => conv.kernel == [1, 1],
            op => is_depthwise(op),
        };
        let pays = match kernel {
            Kernel::Convolution { .. } | Kernel::RoundedConvolution { .. } => {
                self.readers(index).any(is_depthwise)
            }
            Kernel::Depthwise { .. } => true,
            _ => false,
        };
        let is_whole = self.graph.nodes()[index].shape.channels().is_multiple_of(self.isa.lanes());
        pays && is_whole && self.all_readers(index, can_read)
    }

    /// Whether a map is read by convolutions over all channels only, padded or not: they need no padded pixels.
    pub(super) fn only_feeds_convolutions(&self, index: usize) -> bool {
        self.all_readers(index, |op| matches!(op, Op::Conv2d(_)))
    }

    /// Whether all readers, of which there is at least one, are of a kind.
    fn all_readers(&self, index: usize, kind: impl Fn(&Op) -> bool) -> bool {
        self.readers(index).next().is_some() && self.readers(index).all(kind)
    }

    /// The operations that read a node; those behind a zero padding that convolutions take in, in its place.
    fn readers(&self, index: usize) -> impl Iterator<Item = &Op> {
        let readers = self.consumers.of(index).iter().flat_map(|reader| self.behind_padding(reader));
        readers.map(|&reader| &self.graph.nodes()[reader].op)
    }

    /// The reader itself, or who reads it where it is such a padding.
    fn behind_padding<'s>(&'s self, reader: &'s usize) -> &'s [usize] {
        match self.graph.nodes()[*reader].op {
            Op::ZeroPadding2d(_) if self.only_feeds(*reader, is_convolution) => self.consumers.of(*reader),
            _ => std::slice::from_ref(reader),
        }
    }
}

#[cfg(test)]
mod tests {
    use engraft_graph::{GraphBuilder, Padding};
    use engraft_kernels::InstructionSet;

    use super::super::{lower, zero_weights};
    use crate::plan::{Calibration, PlanOptions, Precision};

    #[test]
    fn what_depthwise_convolutions_write_and_read_is_blocked() {
        let mut net = GraphBuilder::new();
        let image = net.input("image", [8, 8, 3]).unwrap();
        let expand = net.conv2d("expand", image, 32, 1, 1, Padding::Same).unwrap();
        let depthwise = net.depthwise_conv2d("depthwise", expand, 3, 1, Padding::Same).unwrap();
        let project = net.conv2d("project", depthwise, 32, 1, 1, Padding::Same).unwrap();
        let again = net.depthwise_conv2d("again", project, 3, 1, Padding::Same).unwrap();
        let sum = net.add("sum", again, project).unwrap();
        let graph = net.finish(sum).unwrap();
        let weights = zero_weights(&graph);
        let precisions = [Precision::F32, Precision::Bf16];
        let options = |isa| precisions.map(|precision| PlanOptions { precision, ..PlanOptions::new(isa) });
        for options in InstructionSet::available().into_iter().flat_map(options) {
            let (network, _) = lower(&graph, &weights, &options, &Calibration::default()).unwrap();
            let is_blocked = |node: &str| {
                let step = network.steps.iter().find(|step| step.node == node).unwrap();
                network.values[step.output.0].block_stride().is_some()
            };
            // A sum reads `project` and `again` too. What only rounded convolutions read is in bf16, pixel by pixel.
            let in_blocks = options.precision == Precision::F32;
            let found = ["image", "expand", "depthwise", "project", "again"].map(is_blocked);
            assert_eq!(found, [false, true, in_blocks, false, false], "{options:?}");
        }
    }
}
