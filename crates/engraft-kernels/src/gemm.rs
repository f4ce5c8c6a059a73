//! Matrix product with packed weights; also every convolution that is not depthwise.
//!
//! A row of the left matrix is not copied together from a feature map: it is read where it lies, as some segments of
//! equal length. A dense layer or a 1x1 convolution has one segment, the channels of a pixel, or one for each of their blocks;
//! a k x k convolution has k, one for each kernel row.
//!
//! Long sums are computed in parts, between which they stand in the output: storing and loading them changes no bit.
//!
//! Source: ONNX `Gemm` and `Conv` operators; the blocking follows Goto and van de Geijn, "Anatomy of high-performance
//! matrix multiplication" (2008).

use crate::arch::{Isa, PanelProduct, SimdOp};
use crate::packed_matrix::Panel;
use crate::{Activation, Clamp, MapFormat, PackedMatrix};

/// Where rows lie in a slice: in runs (the rows of an image) of neighbours (its pixels).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowLayout {
    /// Elements between the first rows of neighbouring runs.
    pub run_stride: usize,
    /// Elements between neighbouring rows of a run.
    pub row_stride: usize,
}

impl RowLayout {
    /// Where row `row` of run `run` starts.
    #[inline(always)]
    pub(crate) fn offset(self, run: usize, row: usize) -> usize {
        run * self.run_stride + row * self.row_stride
    }

    /// Elements needed for that many runs of rows, of which the last takes `last` elements.
    #[inline(always)]
    pub(crate) fn span(self, runs: usize, rows: usize, last: usize) -> usize {
        let run = (runs - 1).saturating_mul(self.run_stride);
        run.saturating_add((rows - 1).saturating_mul(self.row_stride)).saturating_add(last)
    }
}

/// How the elements of one row of the left matrix lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    /// Number of segments.
    pub count: usize,
    /// Elements in each.
    pub len: usize,
    /// Elements between the starts of neighbouring segments.
    pub stride: usize,
}

impl Segments {
    /// A row whose elements follow each other.
    pub const fn one(len: usize) -> Segments {
        Segments { count: 1, len, stride: 0 }
    }
}

/// What is added to the output before it is limited.
#[derive(Clone, Copy)]
pub struct Residual<'a> {
    /// Starts at the first row of the first run.
    pub values: &'a [f32],
    /// Where its rows lie.
    pub layout: RowLayout,
    /// What its words hold.
    pub format: MapFormat,
}

impl<'a> Residual<'a> {
    /// One in single precision.
    pub fn new(values: &'a [f32], layout: RowLayout) -> Residual<'a> {
        Residual { values, layout, format: MapFormat::F32 }
    }

    /// What is added to the columns from `column` on, in rows that begin `offset` words further on.
    pub(crate) fn following(self, offset: usize, column: usize) -> Residual<'a> {
        Residual { values: &self.values[offset + self.format.words(column)..], ..self }
    }
}

/// `output = activation(clamp(input x weights + bias + residual))`, for `run_count` runs of `run_len` rows each.
#[derive(Clone, Copy)]
pub struct Gemm<'a> {
    /// `[segments.count * segments.len, columns]`, and the bias.
    pub weights: &'a PackedMatrix,
    /// Starts at the first row of the first run.
    pub input: &'a [f32],
    /// Where the rows of the input lie; rows may overlap.
    pub input_layout: RowLayout,
    /// How the elements of such a row lie.
    pub segments: Segments,
    /// Number of runs.
    pub run_count: usize,
    /// Rows in each run.
    pub run_len: usize,
    /// Where the rows of the output lie.
    pub output_layout: RowLayout,
    /// Columns to store: those of the weights, or those padded to whole vectors, the rest being zero before the residual.
    pub output_columns: usize,
    /// Elements between the vectors of an output row, where they do not follow each other; then all columns must be whole
    /// vectors.
    pub output_vector_stride: Option<usize>,
    /// Added to the output; has as many columns.
    pub residual: Option<Residual<'a>>,
    /// Limits the output.
    pub clamp: Option<Clamp>,
    /// Applied last.
    pub activation: Option<Activation>,
}

impl Gemm<'_> {
    /// Computes the product into `output`, which starts at the first row of the first run.
    ///
    /// # Panics
    /// If a slice is too short for its layout, the weights do not have the shape stated, or they were packed for segments of even
    /// length and these are not.
    pub fn run(self, output: &mut [f32]) {
        self.run_before(self.weights, output);
    }

    /// As [`Gemm::run`]; meanwhile the beginning of `next`, which is multiplied next, is fetched into the cache.
    pub(crate) fn run_before(self, next: &PackedMatrix, output: &mut [f32]) {
        let (isa, columns) = (self.weights.isa, self.weights.columns());
        assert_eq!(self.weights.rows(), self.segments.count * self.segments.len, "length of the sums");
        assert!(
            [columns, isa.padded(columns)].contains(&self.output_columns),
            "{} output columns for {columns} columns of weights",
            self.output_columns
        );
        isa.run(GemmInto { gemm: self, next, output });
    }
}

struct GemmInto<'a> {
    gemm: Gemm<'a>,
    next: &'a PackedMatrix,
    output: &'a mut [f32],
}

impl SimdOp for GemmInto<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let GemmInto { gemm, next, output } = self;
        for block in Block::all(&gemm) {
            // After its last panel another block begins with the first.
            let next = if block.is_last(&gemm) { next } else { gemm.weights };
            for (panel, _) in gemm.weights.panels() {
                // (Sums in halves are short enough for a single part.)
                let most_elements = I::PART_WEIGHTS / (panel.vectors * I::LANES) * panel.lanes_of_column();
                for part in Part::all(gemm.segments, most_elements) {
                    block.multiply(isa, &gemm, panel, &part, next, output);
                }
            }
            if let Some(activation) = gemm.activation {
                block.activate(isa, activation, &gemm, output);
            }
        }
    }
}

/// Neighbouring elements of a sum, whose weights stay in a near cache while all rows of a block meet them.
struct Part {
    /// Number of the first element.
    first: usize,
    /// Where it lies in a row.
    offset: usize,
    segments: Segments,
}

impl Part {
    /// Parts of nearly equal length, at most `most`: whole segments, or pieces of one.
    fn all(segments: Segments, most: usize) -> impl Iterator<Item = Part> {
        let Segments { count, len, stride } = segments;
        let len_step = equal_parts(len, most);
        let count_step = if len_step < len { 1 } else { equal_parts(count, most / len.max(1)) };
        (0..count.max(1)).step_by(count_step).flat_map(move |segment| {
            let count = count_step.min(count - segment);
            (0..len.max(1)).step_by(len_step).map(move |element| Part {
                first: segment * len + element,
                offset: segment * stride + element,
                segments: Segments { count, len: len_step.min(len - element), stride },
            })
        })
    }

    fn len(&self) -> usize {
        self.segments.count * self.segments.len
    }

    fn end(&self) -> usize {
        self.first + self.len()
    }
}

/// Rows that meet all panels before the next block begins.
struct Block {
    first_run: usize,
    run_count: usize,
    first_row: usize,
    run_len: usize,
}

/// Weights up to this size stay in the second-level cache while blocks of rows go by.
const SMALL_WEIGHTS_BYTES: usize = 256 << 10;

/// Elements of the input in a block where the weights are small: both are in the second-level cache.
const SMALL_BLOCK_ELEMENTS: usize = 16 << 10;

/// The same where the weights are large: they are read as few times as possible, while the input stays in the
/// second-level cache.
const LARGE_BLOCK_ELEMENTS: usize = 320 << 10;

/// A height that all tile heights divide well.
const BLOCK_ROWS: usize = 24;

impl Block {
    /// Blocks of nearly equal height: a last one of few rows would read all weights for them.
    fn all(gemm: &Gemm) -> impl Iterator<Item = Block> + use<> {
        let (run_count, run_len) = (gemm.run_count, gemm.run_len.max(1));
        let most_rows = Block::most_rows(gemm);
        let runs_step = equal_parts(run_count, (most_rows / run_len).max(1));
        let rows_step = if run_count > 1 { run_len } else { equal_parts(run_len, most_rows) };
        let run_len = gemm.run_len;
        (0..run_count).step_by(runs_step).flat_map(move |first_run| {
            (0..run_len).step_by(rows_step).map(move |first_row| Block {
                first_run,
                run_count: runs_step.min(run_count - first_run),
                first_row,
                run_len: rows_step.min(run_len - first_row),
            })
        })
    }

    fn most_rows(gemm: &Gemm) -> usize {
        let sum_len = gemm.weights.rows().max(1);
        if gemm.weights.size_bytes() <= SMALL_WEIGHTS_BYTES {
            return (SMALL_BLOCK_ELEMENTS / sum_len).next_multiple_of(BLOCK_ROWS).max(BLOCK_ROWS);
        }
        // Neighbouring windows share what they read, those above each other or those side by side.
        let (Segments { count, len, stride }, RowLayout { run_stride, row_stride }) =
            (gemm.segments, gemm.input_layout);
        let overlap = row_stride < len || count * stride > run_stride;
        let row_len = if overlap { row_stride.clamp(1, sum_len) } else { sum_len };
        (LARGE_BLOCK_ELEMENTS / row_len).max(BLOCK_ROWS)
    }

    fn is_last(&self, gemm: &Gemm) -> bool {
        self.first_run + self.run_count == gemm.run_count && self.first_row + self.run_len == gemm.run_len
    }

    fn offset(&self, layout: RowLayout) -> usize {
        layout.offset(self.first_run, self.first_row)
    }

    /// Adds the products of one part of the sums, for the columns of one panel; the first part starts with the bias, the
    /// last one finishes. `next` comes after the last panel.
    #[inline(always)]
    fn multiply<I: Isa>(
        &self,
        isa: I,
        gemm: &Gemm,
        panel: Panel,
        part: &Part,
        next: &PackedMatrix,
        output: &mut [f32],
    ) {
        let (width, elements) = (panel.vectors * I::LANES, panel.lanes_of_column());
        let vector_stride = gemm.output_vector_stride.unwrap_or(I::LANES);
        let weights = &gemm.weights.values()[panel.start + part.first / elements * width..];
        let (weights, following) = weights.split_at((1 + part.len() / elements) * width);
        let following = if following.is_empty() { next.values() } else { following };
        let is_last = part.end() == gemm.weights.rows();
        PanelProduct {
            input: &gemm.input[self.offset(gemm.input_layout) + part.offset..],
            input_layout: gemm.input_layout,
            segments: part.segments,
            element_stride: 1,
            panel: weights,
            next_panel: &following[..weights.len().min(following.len())],
            vectors: panel.vectors,
            in_halves: panel.in_halves,
            columns: panel.width(I::LANES).min(gemm.output_columns - panel.first_column),
            run_count: self.run_count,
            run_len: self.run_len,
            output: &mut output
                [self.offset(gemm.output_layout) + panel.first_column / I::LANES * vector_stride..],
            output_layout: gemm.output_layout,
            output_vector_stride: vector_stride,
            output_format: MapFormat::F32,
            residual: gemm
                .residual
                .filter(|_| is_last)
                .map(|residual| residual.following(self.offset(residual.layout), panel.first_column)),
            accumulate: part.first > 0,
            clamp: gemm.clamp.filter(|_| is_last),
        }
        .run(isa);
    }

    /// Applies a function to the block's output, which is still in the cache.
    #[inline(always)]
    fn activate<I: Isa>(&self, isa: I, activation: Activation, gemm: &Gemm, output: &mut [f32]) {
        let layout = gemm.output_layout;
        let strides = [layout.row_stride, gemm.output_vector_stride.unwrap_or(I::LANES)];
        for run in self.first_run..self.first_run + self.run_count {
            let rows = &mut output[layout.offset(run, self.first_row)..];
            activation.apply_to_vectors(isa, rows, self.run_len, strides, gemm.output_columns);
        }
    }
}

/// The length of as few equal parts of `len` as can be had with no more than `most` in each.
fn equal_parts(len: usize, most: usize) -> usize {
    len.div_ceil(len.div_ceil(most).max(1)).max(1)
}

#[cfg(test)]
mod tests;
