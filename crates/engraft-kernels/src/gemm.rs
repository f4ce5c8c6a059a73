//! Matrix product with packed weights; also every convolution that is not depthwise.
//!
//! A row of the left matrix is not copied together from a feature map: it is read where it lies, as some segments of
//! equal length. A dense layer or a 1x1 convolution has one segment, the channels of a pixel; a k x k convolution has k,
//! one for each kernel row.
//!
//! Long sums are computed in parts, between which they stand in the output: storing and loading them changes no bit.
//!
//! Source: ONNX `Gemm` and `Conv` operators; the blocking follows Goto and van de Geijn, "Anatomy of high-performance
//! matrix multiplication" (2008).

use crate::arch::{Isa, PanelProduct, SimdOp};
use crate::packed_matrix::Panel;
use crate::{Activation, Clamp, PackedMatrix};

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
    /// If a slice is too short for its layout, or the weights do not have the shape stated.
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
                for part in Part::all(gemm.segments, I::PART_WEIGHTS / (panel.vectors * I::LANES)) {
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
        // Neighbouring windows share what they read.
        let overlap = gemm.input_layout.row_stride < gemm.segments.len;
        let row_len = if overlap { gemm.input_layout.row_stride.max(1) } else { sum_len };
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
        let width = panel.vectors * I::LANES;
        let vector_stride = gemm.output_vector_stride.unwrap_or(I::LANES);
        let weights = &gemm.weights.values()[panel.start + part.first * width..];
        let (weights, following) = weights.split_at((1 + part.len()) * width);
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
            columns: width.min(gemm.output_columns - panel.first_column),
            run_count: self.run_count,
            run_len: self.run_len,
            output: &mut output
                [self.offset(gemm.output_layout) + panel.first_column / I::LANES * vector_stride..],
            output_layout: gemm.output_layout,
            output_vector_stride: vector_stride,
            residual: gemm.residual.filter(|_| is_last).map(|Residual { values, layout }| {
                let values = &values[self.offset(layout) + panel.first_column..];
                Residual { values, layout }
            }),
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
mod tests {
    use engraft_testing::{Tolerance, assert_close, noise};

    use super::*;
    use crate::{InstructionSet, MatrixView};

    /// Runs of windows over an image of `[height, width, channels]`: a k x k convolution without padding.
    struct Case {
        size: [usize; 3],
        kernel: usize,
        stride: usize,
        columns: usize,
    }

    impl Case {
        fn out(&self) -> [usize; 2] {
            [0, 1].map(|axis| (self.size[axis] - self.kernel) / self.stride + 1)
        }

        fn sum_len(&self) -> usize {
            self.kernel * self.kernel * self.size[2]
        }

        /// Everything added in double precision.
        fn naive(&self, input: &[f32], weights: &[f32], bias: &[f32], residual: &[f32]) -> Vec<f32> {
            let [_, width, channels] = self.size;
            let mut output = Vec::new();
            for (y, x) in (0..self.out()[0]).flat_map(|y| (0..self.out()[1]).map(move |x| (y, x))) {
                for column in 0..self.columns {
                    let mut sum = f64::from(bias[column]) + f64::from(residual[output.len()]);
                    for k in 0..self.sum_len() {
                        let (ky, kx, c) =
                            (k / channels / self.kernel, k / channels % self.kernel, k % channels);
                        let at = ((y * self.stride + ky) * width + x * self.stride + kx) * channels + c;
                        sum += f64::from(input[at]) * f64::from(weights[k * self.columns + column]);
                    }
                    output.push((sum as f32).clamp(0.0, 6.0));
                }
            }
            output
        }

        fn check(&self, isa: InstructionSet) {
            let [height, width, channels] = self.size;
            let [out_height, out_width] = self.out();
            let input = noise(1, height * width * channels);
            let weights = noise(2, self.sum_len() * self.columns);
            let bias = noise(3, self.columns);
            let residual = noise(4, out_height * out_width * self.columns);
            let want = self.naive(&input, &weights, &bias, &residual);
            let matrix = MatrixView::row_major(&weights, self.sum_len(), self.columns);
            let weights = PackedMatrix::pack(isa, matrix, None, Some(&bias));
            let output_layout = RowLayout { run_stride: out_width * self.columns, row_stride: self.columns };
            let mut got = vec![f32::NAN; want.len()];
            let gemm = Gemm {
                weights: &weights,
                input: &input,
                input_layout: RowLayout {
                    run_stride: self.stride * width * channels,
                    row_stride: self.stride * channels,
                },
                segments: Segments {
                    count: self.kernel,
                    len: self.kernel * channels,
                    stride: width * channels,
                },
                run_count: out_height,
                run_len: out_width,
                output_layout,
                output_columns: self.columns,
                output_vector_stride: None,
                residual: Some(Residual { values: &residual, layout: output_layout }),
                clamp: Some(Clamp::RELU6),
                activation: None,
            };
            gemm.run(&mut got);
            assert_close(&got, &want, Tolerance { abs: 1e-5 * (self.sum_len() as f32).sqrt(), rel: 1e-5 });
        }
    }

    #[test]
    fn convolutions_equal_the_naive_loop_at_awkward_sizes() {
        for isa in InstructionSet::available() {
            for width in 1..27 {
                Case { size: [2, width, 5], kernel: 1, stride: 1, columns: 17 }.check(isa);
                Case { size: [1, width, 3], kernel: 1, stride: 1, columns: 49 }.check(isa);
            }
            for columns in 1..66 {
                Case { size: [3, 7, 3], kernel: 1, stride: 1, columns }.check(isa);
            }
            Case { size: [9, 11, 3], kernel: 3, stride: 2, columns: 33 }.check(isa);
            Case { size: [8, 7, 4], kernel: 5, stride: 1, columns: 24 }.check(isa);
            Case { size: [1, 200, 150], kernel: 1, stride: 1, columns: 80 }.check(isa);
            Case { size: [30, 30, 40], kernel: 1, stride: 1, columns: 16 }.check(isa);
            Case { size: [7, 7, 700], kernel: 1, stride: 1, columns: 96 }.check(isa);
            // Large weights and more rows than one block takes, in one run and in several.
            Case { size: [1, 330, 600], kernel: 1, stride: 1, columns: 120 }.check(isa);
            Case { size: [26, 20, 350], kernel: 1, stride: 1, columns: 200 }.check(isa);
        }
    }

    #[test]
    fn the_vectors_of_a_row_may_lie_apart() {
        for isa in InstructionSet::available() {
            // The sums are long enough for several parts.
            let (rows, sum_len, vectors, lanes) = (29, 900, 5, isa.lanes());
            let columns = vectors * lanes;
            let (input, weights) = (noise(1, rows * sum_len), noise(2, sum_len * columns));
            let matrix = MatrixView::row_major(&weights, sum_len, columns);
            let (weights, residual) = (PackedMatrix::pack(isa, matrix, None, None), noise(3, rows * columns));
            let rows_of = |row_stride| RowLayout { run_stride: 0, row_stride };
            let run = |row_stride, output_vector_stride| {
                let mut output = vec![f32::NAN; rows * columns];
                Gemm {
                    weights: &weights,
                    input: &input,
                    input_layout: rows_of(sum_len),
                    segments: Segments::one(sum_len),
                    run_count: 1,
                    run_len: rows,
                    output_layout: rows_of(row_stride),
                    output_columns: columns,
                    output_vector_stride,
                    residual: Some(Residual { values: &residual, layout: rows_of(columns) }),
                    clamp: None,
                    activation: Some(Activation::Silu),
                }
                .run(&mut output);
                output
            };
            let (together, apart) = (run(columns, None), run(lanes, Some(rows * lanes)));
            for (row, together) in together.chunks_exact(columns).enumerate() {
                for (vector, together) in together.chunks_exact(lanes).enumerate() {
                    assert_eq!(&apart[(vector * rows + row) * lanes..][..lanes], together, "{}", isa.name());
                }
            }
        }
    }

    #[test]
    fn padded_columns_are_zero() {
        for isa in InstructionSet::available() {
            let matrix = [1.0; 15];
            let weights = PackedMatrix::pack(
                isa,
                MatrixView::row_major(&matrix, 5, 3),
                Some(&[1.0, 2.0, 3.0]),
                Some(&[0.5; 3]),
            );
            let columns = isa.padded(3);
            let layout = RowLayout { run_stride: 0, row_stride: columns };
            let mut got = vec![f32::NAN; 2 * columns];
            Gemm {
                weights: &weights,
                input: &[1.0; 10],
                input_layout: RowLayout { run_stride: 0, row_stride: 5 },
                segments: Segments::one(5),
                run_count: 1,
                run_len: 2,
                output_layout: layout,
                output_columns: columns,
                output_vector_stride: None,
                residual: None,
                clamp: None,
                activation: None,
            }
            .run(&mut got);
            let mut row = vec![5.5, 10.5, 15.5];
            row.resize(columns, 0.0);
            assert_eq!(got, [row.clone(), row].concat(), "{}", isa.name());
        }
    }

    #[test]
    #[should_panic(expected = "input too short")]
    fn a_short_input_is_noticed() {
        let weights =
            PackedMatrix::pack(InstructionSet::best(), MatrixView::row_major(&[1.0; 6], 3, 2), None, None);
        let layout = RowLayout { run_stride: 0, row_stride: 2 };
        Gemm {
            weights: &weights,
            input: &[0.0; 5],
            input_layout: RowLayout { run_stride: 0, row_stride: 3 },
            segments: Segments::one(3),
            run_count: 1,
            run_len: 2,
            output_layout: layout,
            output_columns: 2,
            output_vector_stride: None,
            residual: None,
            clamp: None,
            activation: None,
        }
        .run(&mut [0.0; 4]);
    }
}
