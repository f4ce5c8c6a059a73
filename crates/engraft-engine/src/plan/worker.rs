//! The buffers of one run at a time.

use engraft_kernels::AlignedBuffer;

use super::network::Network;

/// Memory for one image on its way through a plan. Made by [`crate::Plan::worker`] and used with that plan.
pub struct Worker {
    pub(super) slots: Vec<AlignedBuffer>,
}

impl Worker {
    pub(super) fn new(network: &Network) -> Worker {
        Worker { slots: network.slot_lens.iter().map(|&len| AlignedBuffer::zeroed(len)).collect() }
    }

    /// Whether it has the buffers that the network needs.
    pub(super) fn fits(&self, network: &Network) -> bool {
        self.slots.iter().map(|slot| slot.len()).eq(network.slot_lens.iter().copied())
    }

    /// Copies the result of the last run, without borders and padding.
    pub(super) fn read_output(&self, network: &Network, out: &mut [f32]) {
        let layout = network.values[network.output.0];
        let buffer = &self.slots[network.slots[network.output.0]];
        for (index, pixel) in out.chunks_exact_mut(layout.channels).enumerate() {
            let (row, column) = (index / layout.width, index % layout.width);
            let start = layout.row_start(row) + (layout.border.left + column) * layout.pixel_len;
            pixel.copy_from_slice(&buffer[start..][..layout.channels]);
        }
    }
}
