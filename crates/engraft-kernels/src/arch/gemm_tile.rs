//! The inner loops of a matrix product: a tile of rows by vectors of columns, kept in registers over the whole sum.

use std::hint::black_box;
use std::mem::MaybeUninit;

use super::{Element, Isa, SimdOp};
use crate::{Clamp, MapFormat, Residual, RowLayout, Segments};

/// Room for the largest tile: its sums fill most of 32 vectors of 16.
const MAX_TILE_ELEMENTS: usize = 32 * 16;

/// Runs of rows times one panel of columns. Lengths and strides of the input count elements, each of which may be a pair.
pub(crate) struct PanelProduct<'a, E = f32> {
    /// Starts at the first row of the first run.
    pub input: &'a [E],
    pub input_layout: RowLayout,
    pub segments: Segments,
    /// Elements between neighbouring elements of a segment.
    pub element_stride: usize,
    /// The head, which begins with the bias, then for each element of the sum, or in halves for each two, its weights:
    /// `vectors * LANES` elements each.
    pub panel: &'a [E],
    /// What will be read next, to be fetched into the cache meanwhile.
    pub next_panel: &'a [E],
    /// Width of the panel.
    pub vectors: usize,
    /// Whether every column takes two neighbouring lanes, which add up the even and the odd elements.
    pub in_halves: bool,
    /// Columns to store, at most those of the panel in whole vectors.
    pub columns: usize,
    pub run_count: usize,
    pub run_len: usize,
    /// Starts at the first column of the panel, in the first row of the first run.
    pub output: &'a mut [f32],
    pub output_layout: RowLayout,
    /// Words between the vectors of an output row: those of a vector where they follow each other, as they must where a column is
    /// left out.
    pub output_vector_stride: usize,
    pub output_format: MapFormat,
    /// Starts where the output starts.
    pub residual: Option<Residual<'a>>,
    /// Whether the sums start with what the output holds, and not with the bias.
    pub accumulate: bool,
    pub clamp: Option<Clamp>,
}

impl<E: Element> PanelProduct<'_, E> {
    /// Computes the product.
    ///
    /// # Panics
    /// If a slice is too short for its layout.
    #[inline(always)]
    pub(crate) fn run<I: Isa>(self, isa: I) {
        if self.run_count == 0 || self.run_len == 0 {
            return;
        }
        self.check::<I>();
        if I::SUMS_IN_HALVES && E::SUMS_IN_HALVES && self.in_halves {
            match self.vectors {
                2 => self.split_runs::<I, 2, true>(isa),
                _ => self.split_runs::<I, 3, true>(isa),
            }
        } else {
            match self.vectors {
                1 => self.split_runs::<I, 1, false>(isa),
                2 => self.split_runs::<I, 2, false>(isa),
                _ => self.split_runs::<I, 3, false>(isa),
            }
        }
    }

    /// Vectors of columns that it gives.
    fn output_vectors(&self) -> usize {
        if self.in_halves { self.vectors.div_ceil(2) } else { self.vectors }
    }

    /// Rows of weights in the panel, behind its head.
    fn weight_rows(&self) -> usize {
        let sum_len = self.segments.count.saturating_mul(self.segments.len);
        if self.in_halves { sum_len / 2 } else { sum_len }
    }

    /// Everything the tiles rely on when they go through pointers. Saturating, because a wrapped product would pass.
    #[inline(always)]
    pub(super) fn check<I: Isa>(&self) {
        let Segments { count, len, stride } = self.segments;
        let (width, sum_len) = (self.output_vectors() * I::LANES, count.saturating_mul(len));
        assert!((1..=I::TILE_ROWS.len()).contains(&self.vectors), "a panel of {} vectors", self.vectors);
        assert!(self.columns <= width);
        if self.in_halves {
            assert!(I::SUMS_IN_HALVES && E::SUMS_IN_HALVES && self.vectors > 1, "sums in halves");
            let are_pairs = len.is_multiple_of(2) && self.element_stride == 1;
            assert!(are_pairs, "segments of {len} elements for sums in halves");
            assert!(!self.accumulate, "sums in halves have no parts");
        }
        let panel_rows = self.weight_rows().saturating_add(E::HEAD_ROWS);
        assert!(self.panel.len() >= panel_rows.saturating_mul(self.vectors * I::LANES), "panel too short");
        let segment = len.saturating_sub(1).saturating_mul(self.element_stride).saturating_add(1);
        let window =
            if sum_len == 0 { 0 } else { (count - 1).saturating_mul(stride).saturating_add(segment) };
        let (runs, rows) = (self.run_count, self.run_len);
        assert!(self.input.len() >= self.input_layout.span(runs, rows, window), "input too short");
        let whole = self.columns == width;
        assert!(
            whole || self.output_vector_stride == I::LANES,
            "vectors of which a part is left out lie apart"
        );
        let formats = [Some(self.output_format), self.residual.map(|residual| residual.format)];
        let may_be_bf16 = E::MEETS_BF16 && whole && !self.accumulate;
        assert!(may_be_bf16 || !formats.contains(&Some(MapFormat::Bf16)), "a map in bf16");
        let vector = self.output_format.words(I::LANES);
        let behind_first = (self.output_vectors() - 1).saturating_mul(self.output_vector_stride);
        let apart = behind_first.saturating_add(vector);
        let columns = if whole { apart } else { self.columns };
        assert!(self.output.len() >= self.output_layout.span(runs, rows, columns), "output too short");
        if let Some(residual) = &self.residual {
            let span = residual.layout.span(runs, rows, residual.format.words(self.columns));
            assert!(residual.values.len() >= span, "residual too short");
        }
    }

    /// Cuts every run into tiles of as nearly equal height as possible.
    #[inline(always)]
    fn split_runs<I: Isa, const V: usize, const HALVES: bool>(self, isa: I) {
        let most_rows = I::TILE_ROWS.get(V - 1).copied().unwrap_or(1);
        let tiles = self.run_len.div_ceil(most_rows);
        let (rows, higher_tiles) = (self.run_len / tiles, self.run_len % tiles);
        let output = self.output.as_mut_ptr();
        for (rows, first_row, tiles) in
            [(rows + 1, 0, higher_tiles), (rows, higher_tiles * (rows + 1), tiles - higher_tiles)]
        {
            if tiles > 0 {
                let tiles = Tiles { product: &self, output, first_row, tiles };
                tiles.dispatch::<I, V, HALVES>(isa, rows);
            }
        }
    }
}

/// Tiles of equal height in every run. Made only from a checked [`PanelProduct`], and within its runs.
#[derive(Clone, Copy)]
struct Tiles<'a, E> {
    product: &'a PanelProduct<'a, E>,
    /// The output of `product`.
    output: *mut f32,
    first_row: usize,
    tiles: usize,
}

/// [`Tiles`] of `R` rows and `V` vectors, with whole sums or `HALVES`.
struct SizedTiles<'a, E, const R: usize, const V: usize, const HALVES: bool>(Tiles<'a, E>);

macro_rules! dispatch_rows {
    ($tiles:expr, $isa:expr, $v:ident, $halves:ident, $rows:expr, [$($r:literal)*]) => {
        match $rows {
            $($r if $r <= I::TILE_ROWS.get($v - 1).copied().unwrap_or(0) =>
                $isa.call(SizedTiles::<E, $r, $v, $halves>($tiles)),)*
            rows => unreachable!("a tile of {rows} rows"),
        }
    };
}

impl<E: Element> Tiles<'_, E> {
    #[inline(always)]
    fn dispatch<I: Isa, const V: usize, const HALVES: bool>(self, isa: I, rows: usize) {
        dispatch_rows!(self, isa, V, HALVES, rows, [1 2 3 4 5 6 7 8 9 10 11 12]);
    }
}

impl<E: Element, const R: usize, const V: usize, const HALVES: bool> SimdOp
    for SizedTiles<'_, E, R, V, HALVES>
{
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Tiles { product, output, first_row, tiles } = self.0;
        let ahead = Ahead::new(product, R);
        for run in 0..product.run_count {
            for tile in 0..tiles {
                let row = first_row + tile * R;
                // SAFETY: `check` has seen that every row of every run lies inside its slice, and these rows do:
                // `first_row + tiles * R` is at most `run_len`. Nothing else uses the output meanwhile.
                unsafe {
                    let input = product.input.as_ptr().add(product.input_layout.offset(run, row));
                    let output = output.add(product.output_layout.offset(run, row));
                    let ahead = ahead.at_row(run * product.run_len + row);
                    let sums = start::<I, E, R, V>(isa, product, output);
                    let sums = accumulate::<I, E, R, V, HALVES>(isa, product, sums, input, ahead);
                    if !HALVES {
                        finish::<I, E, R, V>(isa, product, sums, [run, row], output);
                    } else if V == 2 {
                        finish::<I, E, R, 1>(isa, product, joined(isa, sums), [run, row], output);
                    } else {
                        finish::<I, E, R, 2>(isa, product, joined(isa, sums), [run, row], output);
                    }
                }
            }
        }
    }
}

/// The share of the next panel that is fetched into the cache while a tile is computed, a little with every row of
/// weights: all at once would be more than the memory can deliver.
#[derive(Clone, Copy)]
struct Ahead<E> {
    at: *const E,
    /// Elements that a row of the product has to fetch.
    per_row: usize,
    /// Elements fetched with every row of weights: at most two cache lines, which a tile of few rows needs.
    step: usize,
}

impl<E: Element> Ahead<E> {
    /// Elements of a cache line.
    const LINE: usize = 16;

    /// For tiles of `height` rows. It divides, which takes as long as some rows of a sum: not for every tile.
    #[inline(always)]
    fn new(product: &PanelProduct<E>, height: usize) -> Ahead<E> {
        let rows = product.run_count * product.run_len;
        let per_row = product.next_panel.len().div_ceil(rows);
        let step = (height * per_row).div_ceil(product.weight_rows().max(1)).min(2 * Self::LINE);
        Ahead { at: product.next_panel.as_ptr(), per_row, step }
    }

    /// The share of the tile that begins with this row of all runs.
    #[inline(always)]
    fn at_row(self, row: usize) -> Ahead<E> {
        Ahead { at: self.at.wrapping_add(row * self.per_row), ..self }
    }

    #[inline(always)]
    fn fetch<I: Isa>(&mut self, isa: I) {
        isa.prefetch(self.at.cast());
        if self.step > Self::LINE {
            isa.prefetch(self.at.wrapping_add(Self::LINE).cast());
        }
        self.at = self.at.wrapping_add(self.step);
    }
}

/// What the products of a tile are added to: the bias, or what the output holds.
///
/// # Safety
/// `output` must lie in the output of `product`, with `R` rows to go in its run.
#[inline(always)]
unsafe fn start<I: Isa, E: Element, const R: usize, const V: usize>(
    isa: I,
    product: &PanelProduct<E>,
    output: *const f32,
) -> [[I::Vector; V]; R] {
    // SAFETY: the panel begins with a row of bias, and `check` has seen that `columns` elements of every row, or its
    // vectors where they lie apart, are inside the output, and that sums which start with it are not in halves.
    unsafe {
        let mut sums = [load_row::<I, V>(isa, product.panel.as_ptr().cast()); R];
        if product.accumulate {
            let mut detour = MaybeUninit::<[f32; MAX_TILE_ELEMENTS]>::uninit();
            let detour = detour.as_mut_ptr().cast::<f32>();
            let strides = [product.output_layout.row_stride, product.output_vector_stride];
            let (from, [row_stride, vector_stride]) =
                whole_rows::<I, R, V>(output, strides, product.columns, detour);
            for (r, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = isa.load_ptr(from.add(r * row_stride + v * vector_stride));
                }
            }
        }
        sums
    }
}

/// Adds the products of a tile to `sums`, in the order of the segments.
///
/// # Safety
/// `input` must lie in `product.input`, with `R` rows to go in its run.
#[inline(always)]
unsafe fn accumulate<I: Isa, E: Element, const R: usize, const V: usize, const HALVES: bool>(
    isa: I,
    product: &PanelProduct<E>,
    mut sums: [[I::Vector; V]; R],
    input: *const E,
    mut ahead: Ahead<E>,
) -> [[I::Vector; V]; R] {
    let (row_stride, element_stride) = (product.input_layout.row_stride, product.element_stride);
    let mut weights = product.panel.as_ptr().cast::<f32>().wrapping_add(E::HEAD_ROWS * V * I::LANES);
    // SAFETY: the panel holds the rows of its head and one for each element of the sum, or in halves for each two, of which a
    // segment holds an even number, side by side; the windows of all `R` rows lie inside the input. `PanelProduct::check` has
    // seen all that. A pointer beyond the last row is not read.
    unsafe {
        let Segments { count, len, stride } = product.segments;
        let to_next_segment = stride.wrapping_sub(len.wrapping_mul(element_stride));
        let mut groups = row_groups(input, row_stride);
        let elements = if HALVES { 2 } else { 1 };
        for _ in 0..count {
            for _ in 0..len / elements {
                ahead.fetch(isa);
                let row = load_row::<I, V>(isa, weights);
                for (r, sums) in sums.iter_mut().enumerate() {
                    let at = groups[r / GROUP_ROWS].add(r % GROUP_ROWS * row_stride);
                    let x = if HALVES { isa.splat_two_ptr(at.cast()) } else { (*at).splat(isa) };
                    for (sum, weight) in sums.iter_mut().zip(row) {
                        *sum = E::mul_add(isa, x, weight, *sum);
                    }
                }
                groups = groups.map(|x| x.wrapping_add(elements * element_stride));
                weights = weights.add(V * I::LANES);
            }
            groups = groups.map(|x| x.wrapping_add(to_next_segment));
        }
        sums
    }
}

/// The sums of which `V` vectors hold the halves; what the last one does not fill is zero.
#[inline(always)]
fn joined<I: Isa, const R: usize, const V: usize, const W: usize>(
    isa: I,
    halves: [[I::Vector; V]; R],
) -> [[I::Vector; W]; R] {
    let zero = isa.splat(0.0);
    let mut sums = [[zero; W]; R];
    for (sums, halves) in sums.iter_mut().zip(&halves) {
        for (w, sum) in sums.iter_mut().enumerate() {
            let [first, second] = [2 * w, 2 * w + 1].map(|v| if v < V { halves[v] } else { zero });
            *sum = isa.add_neighbours(first, second);
        }
    }
    sums
}

/// Rows read through one pointer: as many as an address can reach by adding a multiple of the stride to it.
const GROUP_ROWS: usize = 4;

/// The starts of rows 0, 4 and 8. The compiler must not see that one follows from the other: it would compute every
/// address anew in every step, on the ports that multiply.
#[inline(always)]
fn row_groups<E>(first: *const E, row_stride: usize) -> [*const E; 3] {
    [0, 1, 2].map(|group| black_box(first.wrapping_add(group * GROUP_ROWS * row_stride)))
}

/// # Safety
/// `V * LANES` elements from `from` on must be readable.
#[inline(always)]
pub(super) unsafe fn load_row<I: Isa, const V: usize>(isa: I, from: *const f32) -> [I::Vector; V] {
    let mut row = [isa.splat(0.0); V];
    for (v, x) in row.iter_mut().enumerate() {
        // SAFETY: the caller vouches for the elements.
        *x = unsafe { isa.load_ptr(from.add(v * I::LANES)) };
    }
    row
}

/// Finishes the sums, adds the residual, limits and stores a tile whose first row is `[run, row]`.
///
/// Every loop over the sums is short and without branches, so that the compiler unrolls it and keeps them in registers;
/// a panel with fewer columns than its width takes a detour through `detour`.
///
/// # Safety
/// `output` must be where that row starts, with `R` rows to go in its run.
#[inline(always)]
pub(super) unsafe fn finish<I: Isa, E: Element, const R: usize, const V: usize>(
    isa: I,
    product: &PanelProduct<E>,
    sums: [[I::Vector; V]; R],
    [run, row]: [usize; 2],
    output: *mut f32,
) {
    // SAFETY: `check` has seen that the panel holds the rows of its head.
    let mut sums = unsafe { E::finished(isa, product.panel.as_ptr().cast(), sums) };
    let width = V * I::LANES;
    let ragged = product.columns < width;
    let mut detour = MaybeUninit::<[f32; MAX_TILE_ELEMENTS]>::uninit();
    let detour = detour.as_mut_ptr().cast::<f32>();
    // SAFETY: `check` has seen that `columns` elements of every row, or its vectors where they lie apart, are inside output and
    // residual, and that all columns are there if one of these is in bf16; the detour has room for `R` rows of the panel's width,
    // and is filled before it is read.
    unsafe {
        if let Some(residual) = &product.residual {
            let from = residual.values.as_ptr().add(residual.layout.offset(run, row));
            if E::MEETS_BF16 && residual.format == MapFormat::Bf16 {
                for (r, sums) in sums.iter_mut().enumerate() {
                    let from = from.add(r * residual.layout.row_stride).cast::<u16>();
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = isa.add(*sum, isa.load_bf16_ptr(from.add(v * I::LANES)));
                    }
                }
            } else {
                let strides = [residual.layout.row_stride, I::LANES];
                let (from, [row_stride, _]) = whole_rows::<I, R, V>(from, strides, product.columns, detour);
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = isa.add(*sum, isa.load_ptr(from.add(r * row_stride + v * I::LANES)));
                    }
                }
            }
        }
        if let Some(clamp) = product.clamp {
            for sums in &mut sums {
                for sum in sums {
                    *sum = clamp.apply(isa, *sum);
                }
            }
        }
        let strides = [product.output_layout.row_stride, product.output_vector_stride];
        if E::MEETS_BF16 && product.output_format == MapFormat::Bf16 {
            for (r, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    isa.store_bf16_ptr(*sum, output.add(r * strides[0] + v * strides[1]).cast());
                }
            }
            return;
        }
        let (to, [row_stride, vector_stride]) =
            if ragged { (detour, [width, I::LANES]) } else { (output, strides) };
        for (r, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                isa.store_ptr(*sum, to.add(r * row_stride + v * vector_stride));
            }
        }
        if ragged {
            copy_rows(R, product.columns, detour, width, output, strides[0]);
        }
    }
}

/// Where `R` rows of a tile's width can be read, and the elements between them and between their vectors: `from` itself, or
/// `detour` if only `columns` elements of each are there.
///
/// # Safety
/// The elements must be readable at `from`, and `detour` must have room for `R` rows of the tile's width.
#[inline(always)]
unsafe fn whole_rows<I: Isa, const R: usize, const V: usize>(
    from: *const f32,
    strides: [usize; 2],
    columns: usize,
    detour: *mut f32,
) -> (*const f32, [usize; 2]) {
    let width = V * I::LANES;
    if columns == width {
        return (from, strides);
    }
    // SAFETY: the caller vouches for the rows and the detour.
    unsafe {
        detour.write_bytes(0, R * width);
        copy_rows(R, columns, from, strides[0], detour, width);
    }
    (detour, [width, I::LANES])
}

/// Copies `rows` rows of `columns` elements.
///
/// # Safety
/// They must be readable at `from` and writable at `to`, without overlap.
unsafe fn copy_rows(
    rows: usize,
    columns: usize,
    from: *const f32,
    from_stride: usize,
    to: *mut f32,
    to_stride: usize,
) {
    for row in 0..rows {
        // SAFETY: the caller vouches for the elements of every row.
        unsafe {
            let (from, to) = (from.add(row * from_stride), to.add(row * to_stride));
            std::ptr::copy_nonoverlapping(from, to, columns);
        }
    }
}
