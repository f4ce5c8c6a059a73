//! The buffers of one run at a time.

use std::ops::Range;

use engraft_kernels::{AlignedBuffer, Region};

use super::network::Network;

/// Memory for one image on its way through a plan. Made by [`crate::Plan::worker`] and used with that plan.
pub struct Worker {
    pub(super) slots: Vec<AlignedBuffer>,
    /// For each thread that has worked on one image.
    pub(super) scratch: Vec<Scratch>,
}

impl Worker {
    pub(super) fn new(network: &Network) -> Worker {
        let mut region = Region::default();
        let slots = network.slot_lens.iter().map(|&len| region.zeroed(len)).collect();
        Worker { slots, scratch: vec![Scratch::within(&mut region, network)] }
    }

    /// Whether it has the buffers that the network needs.
    pub(super) fn fits(&self, network: &Network) -> bool {
        let fit = |scratch: &Scratch| {
            scratch.kept.iter().map(|kept| kept.buffer.len()).eq(network.kept_lens.iter().copied())
                && scratch.work.fits(network)
        };
        self.slots.iter().map(|slot| slot.len()).eq(network.slot_lens.iter().copied())
            && self.scratch.iter().all(fit)
    }

    /// Copies the result of the last run, without borders and padding.
    pub(super) fn read_output(&self, network: &Network, out: &mut [f32]) {
        let layout = network.values[network.output.0];
        layout.assert_plain();
        let buffer = &self.slots[network.slots[network.output.0]];
        for (index, pixel) in out.chunks_exact_mut(layout.channels).enumerate() {
            let (row, column) = (index / layout.width, index % layout.width);
            let start = layout.row_start(row) + (layout.border.left + column) * layout.pixel_len;
            pixel.copy_from_slice(&buffer[start..][..layout.channels]);
        }
    }
}

/// What a thread keeps while it runs a chain.
pub(super) struct Scratch {
    /// For the first, second, .. step of a chain.
    pub kept: Vec<Kept>,
    /// What kernels work in.
    pub work: Work,
    /// Seconds spent in each step, where they are to be measured.
    pub times: Option<Vec<f64>>,
}

/// Memory that a kernel works in; what it holds does not matter.
pub(super) struct Work {
    /// The transformed input and the products of a convolution by Winograd's algorithm.
    pub transformed: AlignedBuffer,
    /// The input of a rounded convolution, some rows at a time.
    pub rounded: AlignedBuffer<u32>,
}

impl Work {
    fn within(region: &mut Region, network: &Network) -> Work {
        Work {
            transformed: region.zeroed(network.transformed_len),
            rounded: region.zeroed(network.rounded_len),
        }
    }

    fn fits(&self, network: &Network) -> bool {
        (self.transformed.len(), self.rounded.len()) == (network.transformed_len, network.rounded_len)
    }
}

/// Some rows of what a step of a chain produces.
pub(super) struct Kept {
    pub buffer: AlignedBuffer,
    /// The row that stands first in the buffer, counted with the border above the map.
    pub first: usize,
    /// The end of the rows that have been computed.
    pub filled: usize,
    /// The end of the rows that are needed now.
    pub needed: usize,
}

impl Kept {
    /// The rows that are needed and have not been computed.
    pub(super) fn missing(&self) -> Range<usize> {
        self.filled..self.needed
    }
}

impl Scratch {
    pub(super) fn new(network: &Network) -> Scratch {
        Scratch::within(&mut Region::default(), network)
    }

    fn within(region: &mut Region, network: &Network) -> Scratch {
        let kept = network.kept_lens.iter().map(|&len| {
            let buffer = region.zeroed(len);
            Kept { buffer, first: 0, filled: 0, needed: 0 }
        });
        Scratch { kept: kept.collect(), work: Work::within(region, network), times: None }
    }

    /// Forgets all rows.
    pub(super) fn start(&mut self) {
        for kept in &mut self.kept {
            (kept.first, kept.filled, kept.needed) = (0, 0, 0);
        }
    }

    /// Makes room for `rows`, each `row_len` elements long, keeping those among them that are there.
    pub(super) fn make_room(&mut self, depth: usize, rows: Range<usize>, row_len: usize) {
        let kept = &mut self.kept[depth];
        let still_needed = rows.start.max(kept.first)..kept.filled;
        if !still_needed.is_empty() && rows.start > kept.first {
            let from = (still_needed.start - kept.first) * row_len;
            kept.buffer.copy_within(from..from + still_needed.len() * row_len, 0);
        }
        kept.first = rows.start;
        kept.filled = kept.filled.max(rows.start);
        kept.needed = rows.end.max(kept.filled);
    }
}
