//! What a graph is compiled to: steps in the order they run, and the buffers they read and write.

use engraft_kernels::{Bf16Unit, InstructionSet};

use super::Precision;
use super::chain::{Chain, RowWindow};
use super::kernel::Kernel;
use super::layout::{Border, Layout};

/// The place of a value in [`Network::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValueId(pub usize);

/// A value as a step reads it: with zeros around it, which the value's own border provides to convolutions and max pools leave out.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub value: ValueId,
    pub padding: Border,
}

/// One kernel with its operands.
pub(super) struct Step {
    /// The first node that it computes.
    pub node: String,
    pub kernel: Kernel,
    /// The values read; a sum's second operand comes second.
    pub inputs: Vec<View>,
    pub output: ValueId,
    /// Multiply-adds of the convolutions and dense layers in it.
    pub multiply_adds: u64,
    /// Multiply-adds or comparable work, to judge whether threads pay.
    pub work: u64,
}

impl Step {
    /// How rows of the output follow from rows of the first operand, if the kernel can do with some rows of it.
    pub(super) fn row_window(&self) -> Option<RowWindow> {
        let padding = self.inputs.first().map_or(0, |view| view.padding.top);
        self.kernel.row_window(padding)
    }
}

/// A compiled graph.
pub(super) struct Network {
    pub isa: InstructionSet,
    pub precision: Precision,
    /// What rounds maps to bf16.
    pub bf16_unit: Bf16Unit,
    pub values: Vec<Layout>,
    pub steps: Vec<Step>,
    /// All steps, in their order.
    pub chains: Vec<Chain>,
    pub output: ValueId,
    /// The buffer of each value; of no meaning for those that pass between the steps of a chain.
    pub slots: Vec<usize>,
    /// Elements of each buffer.
    pub slot_lens: Vec<usize>,
    /// Elements of memory that the steps work in.
    pub transformed_len: usize,
    /// Elements needed to keep the rows of the first, second, .. step of any chain.
    pub kept_lens: Vec<usize>,
    /// Words of 32 bits that any step needs room for.
    pub rounded_len: usize,
}

impl Network {
    pub(super) fn weights_bytes(&self) -> usize {
        self.steps.iter().map(|step| step.kernel.weights_bytes()).sum()
    }
}
