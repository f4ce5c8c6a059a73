//! Runs the chains of a network in a worker's buffers.

use std::ops::Range;
use std::time::Instant;

use engraft_kernels::AlignedBuffer;
use rayon::prelude::*;

use super::chain::Chain;
use super::kernel::{Band, Held, Operands, Pixels};
use super::layout::Layout;
use super::network::{Network, Step};
use super::worker::{Kept, Scratch, Work, Worker};

/// Chains with less work than this, in multiply-adds, are not worth waking another thread.
const LEAST_WORK_TO_SPLIT: u64 = 200_000;

impl Worker {
    /// Runs all steps for one image, on up to `threads` threads of the current pool.
    pub(super) fn run(&mut self, network: &Network, image: Pixels, threads: usize) {
        for chain in &network.chains {
            self.run_chain(network, chain, image, threads);
        }
    }

    /// Runs the steps of one chain.
    pub(super) fn run_chain(&mut self, network: &Network, chain: &Chain, image: Pixels, threads: usize) {
        let last = &network.steps[chain.steps.end - 1];
        let layout = network.values[last.output.0];
        let slot = network.slots[last.output.0];
        let pays = threads > 1 && chain.work >= LEAST_WORK_TO_SPLIT;
        let rows_each = match last.kernel.row_step().filter(|_| pays) {
            Some(step) => layout.height.div_ceil(threads).next_multiple_of(step),
            None => layout.height,
        };
        while self.scratch.len() < layout.height.div_ceil(rows_each) {
            self.scratch.push(Scratch::new(network));
        }
        let mut output = std::mem::take(&mut self.slots[slot]);
        layout.zero_ends(&mut output);
        let rows = &mut output[layout.row_start(0)..layout.row_start(layout.height)];
        let part_len = rows_each * layout.row_len();
        let run = Run { network, chain, image, slots: &self.slots };
        if rows_each < layout.height {
            let parts = rows.par_chunks_mut(part_len).zip(&mut self.scratch).enumerate();
            parts.for_each(|(part, (rows, scratch))| run.rows(part * rows_each, rows, scratch));
        } else {
            run.rows(0, rows, &mut self.scratch[0]);
        }
        self.slots[slot] = output;
    }
}

/// One image on its way through a chain.
#[derive(Clone, Copy)]
struct Run<'a> {
    network: &'a Network,
    chain: &'a Chain,
    image: Pixels<'a>,
    slots: &'a [AlignedBuffer],
}

impl Run<'_> {
    /// Computes the rows of the last step's output from `first_row` on that `rows` holds.
    fn rows(self, first_row: usize, rows: &mut [f32], scratch: &mut Scratch) {
        let row_len = self.output(self.chain.steps.len() - 1).row_len();
        scratch.start();
        for (band, rows) in rows.chunks_mut(self.chain.band_rows * row_len).enumerate() {
            let first = first_row + band * self.chain.band_rows;
            self.band(first..first + rows.len() / row_len, rows, scratch);
        }
    }

    /// The step at that place of the chain.
    fn step(&self, depth: usize) -> &Step {
        &self.network.steps[self.chain.steps.start + depth]
    }

    fn output(&self, depth: usize) -> Layout {
        self.network.values[self.step(depth).output.0]
    }

    /// Asks every step for the rows that the next one lacks, from the last step to the first, then computes them.
    fn band(&self, rows: Range<usize>, output: &mut [f32], scratch: &mut Scratch) {
        let last = self.chain.steps.len() - 1;
        let mut wanted = rows.clone();
        for depth in (0..last).rev() {
            let layout = self.output(depth);
            let window = self.step(depth + 1).row_window();
            if let Some(window) = window.filter(|_| !wanted.is_empty()) {
                scratch.make_room(depth, window.buffer_rows(&wanted, &layout), layout.row_len());
            }
            wanted = layout.map_rows(&scratch.kept[depth].missing());
        }
        for depth in 0..last {
            self.fill(depth, scratch);
        }
        let Scratch { kept, work, times } = scratch;
        self.time(last, times, || self.compute(last, rows.start, output, kept, work));
    }

    /// Computes the missing rows of what a step that is not the last produces, and the border's among them.
    fn fill(&self, depth: usize, scratch: &mut Scratch) {
        let layout = self.output(depth);
        let Scratch { kept, work, times } = scratch;
        let (earlier, later) = kept.split_at_mut(depth);
        let kept = &mut later[0];
        let missing = kept.missing();
        let map_rows = layout.map_rows(&missing);
        let row_len = layout.row_len();
        let buffer = &mut kept.buffer[(missing.start - kept.first) * row_len..][..missing.len() * row_len];
        let above = if map_rows.is_empty() {
            missing.len()
        } else {
            map_rows.start + layout.border.top - missing.start
        };
        let (above, rest) = buffer.split_at_mut(above * row_len);
        let (inside, below) = rest.split_at_mut(map_rows.len() * row_len);
        above.fill(0.0);
        below.fill(0.0);
        if !map_rows.is_empty() {
            self.time(depth, times, || self.compute(depth, map_rows.start, inside, earlier, work));
        }
        kept.filled = missing.end;
    }

    /// Computes rows of a step from `first_row` on; `kept` ends with what the step before it has produced.
    fn compute(&self, depth: usize, first_row: usize, rows: &mut [f32], kept: &[Kept], work: &mut Work) {
        let step = self.step(depth);
        let layout = self.output(depth);
        let previous = depth.checked_sub(1).map(|previous| &kept[previous]);
        let held = previous.map(|kept| Held { buffer: &kept.buffer, first_row: kept.first });
        let (network, image, slots) = (self.network, self.image, self.slots);
        let operands = Operands { network, image, views: &step.inputs, slots, held };
        step.kernel.run_rows(&Band::new(operands, layout, first_row, rows), work, rows);
        layout.zero_sides(rows);
    }

    fn time(&self, depth: usize, times: &mut Option<Vec<f64>>, compute: impl FnOnce()) {
        let Some(times) = times else { return compute() };
        let start = Instant::now();
        compute();
        times[self.chain.steps.start + depth] += start.elapsed().as_secs_f64();
    }
}
