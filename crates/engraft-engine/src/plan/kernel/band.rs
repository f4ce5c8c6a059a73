//! Some rows of a step's output, and what they are computed from.

use engraft_kernels::{AlignedBuffer, InstructionSet};

use super::super::layout::{Border, Layout};
use super::super::network::{Network, View};

/// A value that a kernel reads.
#[derive(Clone, Copy)]
pub(in super::super) struct Operand<'a> {
    pub buffer: &'a [f32],
    pub layout: Layout,
    /// How far beyond the map the kernel reads.
    pub padding: Border,
}

impl<'a> Operand<'a> {
    /// The pixels of a row of the map, without its border.
    pub fn row(&self, row: usize) -> &'a [f32] {
        let start = self.layout.window_start(row, Border::default());
        &self.buffer[start..][..self.layout.width * self.layout.pixel_len]
    }
}

/// The values that a step reads, where they lie.
#[derive(Clone, Copy)]
pub(in super::super) struct Operands<'a> {
    pub network: &'a Network,
    pub views: &'a [View],
    pub slots: &'a [AlignedBuffer],
}

impl<'a> Operands<'a> {
    pub fn get(&self, index: usize) -> Option<Operand<'a>> {
        self.views.get(index).map(|&view| self.of(view))
    }

    pub fn iter(&self) -> impl Iterator<Item = Operand<'a>> {
        self.views.iter().map(|&view| self.of(view))
    }

    fn of(&self, view: View) -> Operand<'a> {
        let value = view.value.0;
        let layout = self.network.values[value];
        Operand { buffer: &self.slots[self.network.slots[value]], layout, padding: view.padding }
    }
}

/// Rows of an output that are computed together.
pub(in super::super) struct Band<'a> {
    pub isa: InstructionSet,
    pub operands: Operands<'a>,
    pub output: Layout,
    pub first_row: usize,
    pub row_count: usize,
}

impl<'a> Band<'a> {
    /// The first operand.
    ///
    /// # Panics
    /// If there is none: a bug in lowering.
    pub fn input(&self) -> Operand<'a> {
        self.operands.get(0).unwrap_or_else(|| unreachable!("all kernels but a conversion read a value"))
    }

    /// Where the first pixel lies in the rows of the output.
    pub fn output_start(&self) -> usize {
        self.output.border.left * self.output.pixel_len
    }

    /// Calls `fill` with each row's number in the map and its pixels, without the border.
    pub fn each_row(&self, rows: &mut [f32], mut fill: impl FnMut(usize, &mut [f32])) {
        let (start, len) = (self.output_start(), self.output.width * self.output.pixel_len);
        for (index, row) in rows.chunks_exact_mut(self.output.row_len()).enumerate() {
            fill(self.first_row + index, &mut row[start..][..len]);
        }
    }
}
