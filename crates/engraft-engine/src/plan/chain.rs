//! Finds steps that run together, some rows at a time, so that what passes between them stays in the cache.
//!
//! Source: "fused-layer" evaluation, Alwani, Chen, Ferdman and Milder, "Fused-layer CNN accelerators" (2016); here without
//! computing any row twice.

use std::ops::Range;

use super::Banding;
use super::layout::Layout;
use super::network::{Step, ValueId};

/// Neighbouring steps, of which each but the first reads what the one before it produces, and nobody else does.
pub(super) struct Chain {
    /// Places among the steps of the network.
    pub steps: Range<usize>,
    /// Rows of the last step's output that are computed at a time.
    pub band_rows: usize,
    /// Rows kept of what each step but the last produces, rows of its border included.
    pub kept_rows: Vec<usize>,
    /// Multiply-adds or comparable work of all steps, to judge whether threads pay.
    pub work: u64,
}

/// The rows of its first operand that a step reads for a row `r` of its output: `size` of them from `r * stride` on, where
/// row 0 stands `before` rows above the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowWindow {
    pub size: usize,
    pub stride: usize,
    pub before: usize,
}

impl RowWindow {
    /// The output row of the same number.
    pub(super) const SAME: RowWindow = RowWindow { size: 1, stride: 1, before: 0 };

    /// The rows of the operand's buffer, borders included, that some rows of the output need.
    pub(super) fn buffer_rows(self, rows: &Range<usize>, operand: &Layout) -> Range<usize> {
        let top = operand.border.top;
        let start = (rows.start * self.stride + top).saturating_sub(self.before);
        let end = ((rows.end - 1) * self.stride + self.size + top).saturating_sub(self.before);
        start..end.min(operand.buffer_rows())
    }
}

/// A value smaller than this stays in the cache anyway.
const LEAST_VALUE_BYTES: usize = 256 << 10;

/// Most memory for the rows that are kept: about half of a small second-level cache.
const MOST_KEPT_BYTES: usize = 256 << 10;

/// Most weights in a chain: they are read again for every band.
const MOST_WEIGHTS_BYTES: usize = 512 << 10;

/// Fewest pixels of a band: with fewer the weights are not used often enough once they are there.
const LEAST_BAND_PIXELS: usize = 48;

/// Divides all steps into chains, many of them of a single step, such that as little as possible passes between chains.
pub(super) fn chains(values: &[Layout], steps: &[Step], output: ValueId, banding: Banding) -> Vec<Chain> {
    let finder = Finder { values, steps, readers: readers(values.len(), steps, output), banding };
    // For each number of steps: the elements that pass between chains, and where the last chain starts.
    let mut best = vec![(0, 0)];
    for end in 1..=steps.len() {
        let passed_on = finder.output(end - 1).len();
        let starts = finder.starts(end).map(|start| (best[start].0 + passed_on, start));
        best.push(starts.min().unwrap_or_default());
    }
    let mut chains = Vec::new();
    let mut end = steps.len();
    while end > 0 {
        let start = best[end].1;
        chains.push(finder.chain(start..end));
        end = start;
    }
    chains.reverse();
    chains
}

/// How often each value is read.
fn readers(values: usize, steps: &[Step], output: ValueId) -> Vec<usize> {
    let mut readers = vec![0; values];
    readers[output.0] += 1;
    steps.iter().flat_map(|step| &step.inputs).for_each(|view| readers[view.value.0] += 1);
    readers
}

struct Finder<'a> {
    values: &'a [Layout],
    steps: &'a [Step],
    readers: Vec<usize>,
    banding: Banding,
}

impl Finder<'_> {
    fn output(&self, step: usize) -> &Layout {
        &self.values[self.steps[step].output.0]
    }

    /// Where a chain can start that ends before step `end`.
    fn starts(&self, end: usize) -> impl Iterator<Item = usize> {
        let earlier = (0..end - 1).rev();
        let joined =
            earlier.take_while(move |&start| self.joins(start + 1) && self.band_rows(start..end).is_some());
        std::iter::once(end - 1).chain(joined)
    }

    /// Whether step `next` can and should run together with the one before it.
    fn joins(&self, next: usize) -> bool {
        let (previous, next) = (&self.steps[next - 1], &self.steps[next]);
        let reads = next.inputs.first().is_some_and(|view| view.value == previous.output);
        let pays = match self.banding {
            Banding::Never => false,
            Banding::Automatic => self.values[previous.output.0].len() * size_of::<f32>() > LEAST_VALUE_BYTES,
            Banding::Always => true,
        };
        pays && reads
            && self.readers[previous.output.0] == 1
            && previous.kernel.row_step() == Some(1)
            && next.row_window().is_some()
    }

    /// The rows of a band for a chain, if it should be one.
    fn band_rows(&self, steps: Range<usize>) -> Option<usize> {
        let Layout { height, width, .. } = *self.output(steps.end - 1);
        if steps.len() == 1 {
            return Some(height);
        }
        if self.banding == Banding::Always {
            return Some(1);
        }
        let weights_bytes: usize =
            self.steps[steps.clone()].iter().map(|step| step.kernel.weights_bytes()).sum();
        let most =
            (1..=height).take_while(|&rows| self.kept_bytes(&steps, rows) <= MOST_KEPT_BYTES).last()?;
        let rows = height.div_ceil(height.div_ceil(most));
        let enough = rows * width >= LEAST_BAND_PIXELS.min(height * width);
        (enough && weights_bytes <= MOST_WEIGHTS_BYTES).then_some(rows)
    }

    fn kept_bytes(&self, steps: &Range<usize>, band_rows: usize) -> usize {
        let kept_rows = self.kept_rows(steps, band_rows);
        let elements =
            kept_rows.iter().zip(steps.clone()).map(|(rows, step)| rows * self.output(step).row_len());
        elements.sum::<usize>() * size_of::<f32>()
    }

    fn kept_rows(&self, steps: &Range<usize>, band_rows: usize) -> Vec<usize> {
        let mut kept_rows = vec![0; steps.len() - 1];
        let mut rows = band_rows;
        for (kept, step) in kept_rows.iter_mut().zip(steps.clone()).rev() {
            let window = self.steps[step + 1].row_window().unwrap_or(RowWindow::SAME);
            rows = ((rows - 1) * window.stride + window.size).min(self.output(step).buffer_rows());
            *kept = rows;
        }
        kept_rows
    }

    fn chain(&self, steps: Range<usize>) -> Chain {
        let band_rows = self.band_rows(steps.clone()).unwrap_or(1);
        let kept_rows = self.kept_rows(&steps, band_rows);
        let work = self.steps[steps.clone()].iter().map(|step| step.work).sum();
        Chain { steps, band_rows, kept_rows, work }
    }
}

/// Elements needed to keep the rows of the first, second, .. step of any chain.
pub(super) fn kept_lens(values: &[Layout], steps: &[Step], chains: &[Chain]) -> Vec<usize> {
    let mut lens = Vec::new();
    for chain in chains {
        for (depth, (rows, step)) in chain.kept_rows.iter().zip(chain.steps.clone()).enumerate() {
            let layout = values[steps[step].output.0];
            let len = rows * layout.row_len() + layout.slack;
            if depth == lens.len() {
                lens.push(0);
            }
            lens[depth] = lens[depth].max(len);
        }
    }
    lens
}
