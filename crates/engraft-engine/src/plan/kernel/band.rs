//! Some rows of a step's output, and what they are computed from.

use engraft_kernels::{AlignedBuffer, InstructionSet};

use super::super::layout::{Border, Layout};
use super::super::network::{Network, View};
use super::Pixels;

/// A value that a kernel reads.
#[derive(Clone, Copy)]
pub(in super::super) struct Operand<'a> {
    pub buffer: &'a [f32],
    pub layout: Layout,
    /// The zeros around the map: a convolution reads so far beyond it, a max pool leaves them out.
    pub padding: Border,
    /// The row that stands first in the buffer, counted with the border above the map.
    pub first_row: usize,
}

impl<'a> Operand<'a> {
    /// The pixels of a row of the map, without its border.
    pub fn row(&self, row: usize) -> &'a [f32] {
        self.layout.assert_plain();
        &self.window(row, Border::default())[..self.layout.width * self.layout.pixel_len]
    }

    /// What follows the first pixel of a window that begins `padding` pixels above and to the left of row `row`.
    pub fn window(&self, row: usize, padding: Border) -> &'a [f32] {
        &self.buffer[self.layout.window_start(row, padding) - self.first_row * self.layout.row_len()..]
    }

    /// The first row of the map that is in the buffer.
    pub fn first_map_row(&self) -> usize {
        self.first_row.saturating_sub(self.layout.border.top)
    }
}

/// Rows of the first operand of a step in a chain.
#[derive(Clone, Copy)]
pub(in super::super) struct Held<'a> {
    pub buffer: &'a [f32],
    /// The row that stands first in the buffer, counted with the border above the map.
    pub first_row: usize,
}

/// The values that a step reads, where they lie.
#[derive(Clone, Copy)]
pub(in super::super) struct Operands<'a> {
    pub network: &'a Network,
    /// What a conversion reads.
    pub image: Pixels<'a>,
    pub views: &'a [View],
    pub slots: &'a [AlignedBuffer],
    /// The first operand, if it does not stand in a slot.
    pub held: Option<Held<'a>>,
}

impl<'a> Operands<'a> {
    pub fn get(&self, index: usize) -> Option<Operand<'a>> {
        let operand = self.views.get(index).map(|&view| self.of(view))?;
        Some(match self.held.filter(|_| index == 0) {
            Some(Held { buffer, first_row }) => Operand { buffer, first_row, ..operand },
            None => operand,
        })
    }

    /// All of them, where all stand in slots.
    pub fn iter(&self) -> impl Iterator<Item = Operand<'a>> {
        self.views.iter().map(|&view| self.of(view))
    }

    fn of(&self, view: View) -> Operand<'a> {
        let value = view.value.0;
        let layout = self.network.values[value];
        let buffer = &self.slots[self.network.slots[value]];
        Operand { buffer, layout, padding: view.padding, first_row: 0 }
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
    /// The rows from `first_row` on that `rows` holds, each with its side borders.
    pub fn new(operands: Operands<'a>, output: Layout, first_row: usize, rows: &[f32]) -> Band<'a> {
        let (isa, row_count) = (operands.network.isa, rows.len() / output.row_len());
        Band { isa, operands, output, first_row, row_count }
    }

    /// The first operand.
    ///
    /// # Panics
    /// If there is none: a bug in lowering.
    pub fn input(&self) -> Operand<'a> {
        self.operands.get(0).unwrap_or_else(|| unreachable!("all kernels but a conversion read a value"))
    }

    /// Where the first pixel lies in the rows of the output.
    pub fn output_start(&self) -> usize {
        self.output.border.left * self.output.block_len
    }

    /// Calls `fill` with each row's number in the map and its pixels, without the border.
    pub fn each_row(&self, rows: &mut [f32], mut fill: impl FnMut(usize, &mut [f32])) {
        self.output.assert_plain();
        let (start, len) = (self.output_start(), self.output.width * self.output.pixel_len);
        for (index, row) in rows.chunks_exact_mut(self.output.row_len()).enumerate() {
            fill(self.first_row + index, &mut row[start..][..len]);
        }
    }
}
