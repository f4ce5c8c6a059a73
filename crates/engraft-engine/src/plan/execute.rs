//! Runs the steps of a network in a worker's buffers.

use rayon::prelude::*;

use super::kernel::{Operands, Pixels};
use super::network::{Network, Step};
use super::worker::Worker;

/// Steps with less work than this, in multiply-adds, are not worth waking another thread.
const LEAST_WORK_TO_SPLIT: u64 = 200_000;

impl Worker {
    /// Runs all steps for one image, on up to `threads` threads of the current pool.
    pub(super) fn run(&mut self, network: &Network, image: Pixels, threads: usize) {
        for step in &network.steps {
            self.run_step(network, step, image, threads);
        }
    }

    /// Runs one step, those before it having been run for the same image.
    pub(super) fn run_step(&mut self, network: &Network, step: &Step, image: Pixels, threads: usize) {
        let layout = network.values[step.output.0];
        let slot = network.slots[step.output.0];
        let mut output = std::mem::take(&mut self.slots[slot]);
        layout.zero_ends(&mut output);
        let operands = Operands { network, views: &step.inputs, slots: &self.slots };
        let rows = &mut output[layout.row_start(0)..layout.row_start(layout.height)];
        let split = threads > 1 && step.work >= LEAST_WORK_TO_SPLIT && step.kernel.works_by_rows();
        let rows_each = if split { layout.height.div_ceil(threads) } else { layout.height };
        let run = |(part, rows): (usize, &mut [f32])| {
            step.kernel.run_rows(network.isa, operands, image, layout, part * rows_each, rows);
            layout.zero_sides(rows);
        };
        if split {
            rows.par_chunks_mut(rows_each * layout.row_len()).enumerate().for_each(run);
        } else {
            run((0, rows));
        }
        self.slots[slot] = output;
    }
}
