//! Products in tiles of bf16: how rows are cut into tiles, and in which order these meet the weights.
//!
//! Source: the blocking follows Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008).

use std::mem::MaybeUninit;
use std::ops::Range;

use super::super::gemm_tile::{finish, load_row};
use super::super::{Bf16Pair, Isa, PanelProduct};
use super::{COLUMNS, PAIRS, ROWS, Sums, Tiles, add_products, load_sums, store_sums, zero_sums};
use crate::RowLayout;

/// Most steps of sums that are computed at once: more weights would not stay in the first-level cache.
const WHOLE_STEPS: usize = 20;

/// Most steps of a part of longer sums: half of a first-level cache of weights.
const PART_STEPS: usize = 12;

/// Pairs of tiles that meet a part of the sums one after another.
const PART_PAIRS: usize = 4;

/// Fewest pairs for which parts pay: with fewer, weights are waited for, not read again.
const LEAST_PAIRS: usize = 3;

impl PanelProduct<'_, Bf16Pair> {
    /// Elements of the input that must follow what the rows use: tiles are read whole.
    pub(crate) fn tile_slack(layout: RowLayout) -> usize {
        (ROWS - 1).saturating_mul(layout.row_stride)
    }

    /// Computes the product, as [`PanelProduct::run`] does, in tiles. The segments are whole rows of tiles.
    ///
    /// # Panics
    /// If a slice is too short for its layout, the segments are no whole rows of tiles or none, or the panel is wider than two
    /// vectors.
    #[inline(always)]
    pub(crate) fn run_in_tiles<I: Isa>(self, isa: I, tiles: &Tiles) {
        if self.run_count == 0 || self.run_len == 0 {
            return;
        }
        self.check::<I>();
        let is_whole = self.segments.len.is_multiple_of(PAIRS) && self.steps() > 0;
        assert!(I::LANES == COLUMNS && self.element_stride == 1 && !self.in_halves && is_whole);
        let window = (self.segments.count - 1) * self.segments.stride + self.segments.len;
        let span = self.input_layout.span(self.run_count, self.run_len, window);
        let slack = PanelProduct::tile_slack(self.input_layout);
        assert!(self.input.len() >= span.saturating_add(slack), "no room for whole tiles behind the input");
        match self.vectors {
            1 => self.tile_pairs::<I, 1>(isa, tiles),
            2 => self.tile_pairs::<I, 2>(isa, tiles),
            vectors => panic!("a panel of {vectors} vectors"),
        }
    }

    /// Goes through the tiles of rows, two at a time, so that what is read of the panel serves twice; and through the sums in parts,
    /// so that what several pairs of tiles read of the panel one after another stays in the first-level cache.
    #[inline(always)]
    fn tile_pairs<I: Isa, const V: usize>(self, isa: I, tiles: &Tiles) {
        let mut sums = [const { MaybeUninit::<Sums<V>>::uninit() }; PART_PAIRS];
        let output = self.output.as_mut_ptr();
        let tiling = Tiling::of(&self);
        let (pair_count, steps) = (tiling.count.div_ceil(2), self.steps());
        let [part_steps, part_pairs] = part(steps, pair_count);
        let mut ahead = Ahead::new(&self, pair_count);
        for first_pair in (0..pair_count).step_by(part_pairs) {
            let pairs = first_pair..pair_count.min(first_pair + part_pairs);
            for first_step in (0..steps).step_by(part_steps) {
                let part = first_step..steps.min(first_step + part_steps);
                for (pair, sums) in pairs.clone().zip(&mut sums) {
                    let places = tiling.pair(pair);
                    // SAFETY: `run_in_tiles` has seen that all rows of these tiles lie inside the input; the sums of earlier steps
                    // were stored for this pair before.
                    unsafe { self.sum_up(isa, places, part.clone(), &mut ahead, tiles, sums) };
                }
            }
            for (pair, sums) in pairs.zip(&sums) {
                // SAFETY: the sums of this pair were stored above, at least once: there is a first step.
                let sums = unsafe { sums.assume_init_ref() };
                for (place, sums) in tiling.pair(pair).into_iter().zip(&sums.0).take(tiling.count - 2 * pair)
                {
                    for (rows, start) in tiling.pieces([self.run_count, self.run_len], place) {
                        // SAFETY: the rows are those of a run, and `check` has seen the output and the residual.
                        unsafe { self.finish_rows::<I, V>(isa, &sums[rows], start, output) };
                    }
                }
            }
        }
    }

    /// Number of tiles that a row of the input consists of.
    fn steps(&self) -> usize {
        self.segments.count * (self.segments.len / PAIRS)
    }

    /// Some of the products of two tiles of rows, which start at `places`, with the panel, added to `sums` unless they are the first
    /// ones. Meanwhile a share of the next panel is fetched into the cache.
    ///
    /// # Safety
    /// 16 rows from each place on must lie inside the input, and the steps among those of the product; unless they begin with the
    /// first one, `sums` must hold those of all earlier ones.
    #[inline(always)]
    unsafe fn sum_up<I: Isa, const V: usize>(
        &self,
        isa: I,
        places: [[usize; 2]; 2],
        steps: Range<usize>,
        ahead: &mut Ahead,
        _: &Tiles,
        sums: &mut MaybeUninit<Sums<V>>,
    ) {
        let [first, second] =
            places.map(|[run, row]| self.input.as_ptr().wrapping_add(self.input_layout.offset(run, row)));
        let row_bytes = self.input_layout.row_stride * size_of::<Bf16Pair>();
        // The bias stands first.
        let mut weights = self.panel.as_ptr().wrapping_add((1 + steps.start * PAIRS) * V * COLUMNS);
        let segment_steps = self.segments.len / PAIRS;
        let (mut segment, mut step) = (steps.start / segment_steps, steps.start % segment_steps);
        // SAFETY: the caller vouches for the input, `check` has seen the panel; there is a `Tiles`.
        unsafe {
            if steps.start == 0 {
                zero_sums()
            } else {
                load_sums(sums.assume_init_ref())
            }
            for _ in steps {
                let at = segment * self.segments.stride + step * PAIRS;
                add_products::<V>([first.wrapping_add(at), second.wrapping_add(at)], row_bytes, weights);
                weights = weights.wrapping_add(PAIRS * V * COLUMNS);
                step += 1;
                if step == segment_steps {
                    (segment, step) = (segment + 1, 0);
                }
                ahead.fetch(isa);
            }
            store_sums(sums);
        }
    }

    /// Adds bias and residual, limits and stores rows of a tile, of which the first is `[run, row]`.
    ///
    /// # Safety
    /// `output` must be that of the product, and the rows must lie inside it and inside the residual.
    #[inline(always)]
    unsafe fn finish_rows<I: Isa, const V: usize>(
        &self,
        isa: I,
        sums: &[[[f32; COLUMNS]; V]],
        [run, row]: [usize; 2],
        output: *mut f32,
    ) {
        // SAFETY: `check` has seen that the panel starts with a vector of bias for each of sums; the caller vouches for the
        // output.
        unsafe {
            let bias = load_row::<I, V>(isa, self.panel.as_ptr().cast());
            for (index, sums) in sums.iter().enumerate() {
                let mut vectors = bias;
                for (vector, sums) in vectors.iter_mut().zip(sums) {
                    *vector = isa.add(*vector, isa.load(sums));
                }
                let row = row + index;
                let output = output.add(self.output_layout.offset(run, row));
                finish::<I, Bf16Pair, 1, V>(isa, self, [vectors], [run, row], output);
            }
        }
    }
}

/// Steps of the sums, and pairs of tiles that meet them one after another.
fn part(steps: usize, pairs: usize) -> [usize; 2] {
    if steps <= WHOLE_STEPS || pairs < LEAST_PAIRS {
        [steps, 1]
    } else {
        [steps.div_ceil(steps.div_ceil(PART_STEPS)), PART_PAIRS]
    }
}

/// How the rows of a product are cut into tiles: those of each run on their own, or all of them as one long run, which includes
/// the rows between runs and leaves no tile but the last unfilled.
#[derive(Clone, Copy, Debug)]
struct Tiling {
    /// Number of tiles.
    count: usize,
    /// Tiles of a run, where each is cut on its own.
    run_tiles: usize,
    /// Rows from the start of a run to that of the next one, where they are cut as one.
    pitch: Option<usize>,
}

impl Tiling {
    /// The one with fewer tiles.
    fn of(product: &PanelProduct<Bf16Pair>) -> Tiling {
        Tiling::new([product.run_count, product.run_len], product.input_layout)
    }

    /// The same for so many runs of so many rows.
    fn new([run_count, run_len]: [usize; 2], RowLayout { run_stride, row_stride }: RowLayout) -> Tiling {
        let run_tiles = run_len.div_ceil(ROWS);
        let apart = Tiling { count: run_count * run_tiles, run_tiles, pitch: None };
        if row_stride == 0 || !run_stride.is_multiple_of(row_stride) || run_stride < run_len * row_stride {
            return apart;
        }
        let pitch = run_stride / row_stride;
        let count = ((run_count - 1) * pitch + run_len).div_ceil(ROWS);
        if count < apart.count { Tiling { count, run_tiles, pitch: Some(pitch) } } else { apart }
    }

    /// The run and the row that a tile begins with; between runs the row is beyond the last one.
    fn place(&self, tile: usize) -> [usize; 2] {
        match self.pitch {
            Some(pitch) => [tile * ROWS / pitch, tile * ROWS % pitch],
            None => [tile / self.run_tiles, tile % self.run_tiles * ROWS],
        }
    }

    /// Where the tiles of a pair begin: the last one is computed twice where it has no partner.
    fn pair(&self, pair: usize) -> [[usize; 2]; 2] {
        [2 * pair, (2 * pair + 1).min(self.count - 1)].map(|tile| self.place(tile))
    }

    /// The rows of a tile that belong to the product, and the run and the row that they begin with.
    fn pieces(
        self,
        [run_count, run_len]: [usize; 2],
        [mut run, mut row]: [usize; 2],
    ) -> impl Iterator<Item = (Range<usize>, [usize; 2])> {
        let mut start = 0;
        std::iter::from_fn(move || {
            while start < ROWS && run < run_count {
                let rows = start..(start + run_len.saturating_sub(row)).min(ROWS);
                let place = [run, row];
                start = self.pitch.map_or(ROWS, |pitch| start + pitch - row);
                [run, row] = [run + 1, 0];
                if !rows.is_empty() {
                    return Some((rows, place));
                }
            }
            None
        })
    }
}

/// What is fetched into the cache while tiles are multiplied, a little with every step: what is asked for at once waits for each
/// other, and what is multiplied waits behind it.
struct Ahead {
    at: *const Bf16Pair,
    /// Cache lines to be fetched with every step.
    lines: usize,
}

impl Ahead {
    /// Pairs of a cache line.
    const LINE: usize = 16;

    /// The next panel, while so many pairs of tiles are multiplied.
    fn new(product: &PanelProduct<Bf16Pair>, pairs: usize) -> Ahead {
        let lines = product.next_panel.len().div_ceil(Ahead::LINE);
        Ahead { at: product.next_panel.as_ptr(), lines: lines.div_ceil(pairs * product.steps()) }
    }

    #[inline(always)]
    fn fetch<I: Isa>(&mut self, isa: I) {
        for _ in 0..self.lines {
            isa.prefetch(self.at.cast());
            self.at = self.at.wrapping_add(Ahead::LINE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_tile_at_its_place() {
        for [runs, rows, pitch] in
            [[1, 1, 1], [1, 40, 40], [7, 7, 7], [7, 7, 9], [5, 1, 3], [9, 17, 19], [3, 2, 40]]
        {
            let layout = RowLayout { run_stride: pitch * 8, row_stride: 8 };
            let tiling = Tiling::new([runs, rows], layout);
            let mut seen = vec![0; runs * rows];
            for tile in 0..tiling.count {
                let [first_run, first_row] = tiling.place(tile);
                for (tile_rows, [run, row]) in tiling.pieces([runs, rows], [first_run, first_row]) {
                    for (index, tile_row) in tile_rows.enumerate() {
                        // A tile reads rows that follow each other in memory.
                        let read = layout.offset(first_run, first_row) + tile_row * layout.row_stride;
                        assert_eq!(read, layout.offset(run, row + index), "{tiling:?}");
                        seen[run * rows + row + index] += 1;
                    }
                }
            }
            assert_eq!(seen, vec![1; runs * rows], "{tiling:?}");
            assert!(tiling.count <= runs * rows.div_ceil(ROWS));
        }
        let small_map = Tiling::new([7, 7], RowLayout { run_stride: 9, row_stride: 1 });
        assert_eq!((small_map.count, small_map.pitch), (4, Some(9)));
    }

    #[test]
    fn long_sums_are_computed_in_equal_parts_where_several_pairs_share_them() {
        assert_eq!(part(20, 9), [20, 1]);
        assert_eq!(part(23, 12), [12, 4]);
        assert_eq!(part(36, 7), [12, 4]);
        assert_eq!(part(144, 2), [144, 1]);
    }
}
