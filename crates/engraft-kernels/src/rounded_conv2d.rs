//! Convolution over all channels with inputs and weights of fewer bits than single precision.
//!
//! An input in single precision is rounded block by block into a scratch, from where the windows of the block are read; one that
//! is rounded already is read where it lies, or copied there where its pixels lie apart.
//!
//! Source: ONNX `Conv` operator.

use std::ops::Range;

use bytemuck::{cast_slice, cast_slice_mut};

use crate::arch::{Element, Isa, PanelProduct, Pixels, SimdOp, Word};
use crate::rounded_matrix::Rounding;
use crate::{Activation, Clamp, MapFormat, MapStrides, Residual, RoundedMatrix, RowLayout, Segments};

/// `output = activation(clamp(convolution(input) + bias + residual))` for a rectangle of output pixels. There is no padding:
/// the input holds all windows, zeros included.
#[derive(Clone, Copy)]
pub struct RoundedConv2d<'a> {
    /// A tap for every pixel of the window, row by row.
    pub weights: &'a RoundedMatrix,
    /// Starts at the window of the first output pixel. If it is in bf16, [`RoundedConv2d::slack`] words must follow the last window.
    pub input: &'a [f32],
    /// Where the elements of the input lie.
    pub input_strides: MapStrides,
    /// What the words of the input hold: bf16 only for weights in bf16, in whole pixels as long as their taps.
    pub input_format: MapFormat,
    /// Words of a pixel: the channels, padded to whole vectors.
    pub pixel_len: usize,
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Pixels between vertical and between horizontal neighbours.
    pub strides: [usize; 2],
    /// Rows and columns of output pixels.
    pub size: [usize; 2],
    /// Where the elements of the output lie, whose pixels hold the columns of the weights padded to whole vectors.
    pub output_strides: MapStrides,
    /// What the words of the output hold: bf16 only for weights in bf16 and without an activation.
    pub output_format: MapFormat,
    /// Added to the output; has as many columns.
    pub residual: Option<Residual<'a>>,
    /// Limits the output.
    pub clamp: Option<Clamp>,
    /// Applied last.
    pub activation: Option<Activation>,
}

/// Words of a block where it can be that small: they stay in the second-level cache.
const BLOCK_WORDS: usize = 64 << 10;

/// Words of a block of an input that is read where it lies: weights that have left the second-level cache cost more than input that
/// has.
const READ_WORDS: usize = 192 << 10;

impl RoundedConv2d<'_> {
    /// Words that the scratch must hold for a convolution of that kind.
    pub fn scratch_len(weights: &RoundedMatrix, kernel: [usize; 2], strides: [usize; 2]) -> usize {
        let for_one = match weights {
            RoundedMatrix::Bf16(weights) => Rounded { weights, kernel, strides }.len_for_one(),
            RoundedMatrix::Int8(weights) => Rounded { weights, kernel, strides }.len_for_one(),
        };
        for_one.max(BLOCK_WORDS)
    }

    /// Words of any value that must follow the last window of an input in bf16: `pixel_len` words to a pixel, `columns` of output.
    pub fn slack(
        weights: &RoundedMatrix,
        kernel: [usize; 2],
        strides: [usize; 2],
        columns: usize,
        pixel_len: usize,
    ) -> usize {
        if lie_apart(kernel, strides) {
            return 0;
        }
        let layout = RowLayout { run_stride: 0, row_stride: column_step(strides, columns) * pixel_len };
        match weights {
            RoundedMatrix::Bf16(weights) => weights.slack(layout),
            RoundedMatrix::Int8(weights) => weights.slack(layout),
        }
    }

    /// Computes the rectangle into `output`, which starts at its first pixel.
    ///
    /// # Panics
    /// If a slice is too short, the scratch is shorter than [`RoundedConv2d::scratch_len`], the weights do not have the shape
    /// stated, or a map is in bf16 that cannot be.
    pub fn run(self, scratch: &mut [u32], output: &mut [f32]) {
        match self.weights {
            RoundedMatrix::Bf16(weights) => {
                Typed { weights, convolution: self }.run(cast_slice_mut(scratch), output);
            }
            RoundedMatrix::Int8(weights) => {
                Typed { weights, convolution: self }.run(cast_slice_mut(scratch), output);
            }
        }
    }

    /// Whether windows are read from the input itself.
    fn is_read_in_place(&self) -> bool {
        self.input_format == MapFormat::Bf16 && !lie_apart(self.kernel, self.strides)
    }

    fn output_layout(&self) -> RowLayout {
        let MapStrides { row, pixel, .. } = self.output_strides;
        RowLayout { run_stride: row, row_stride: pixel }
    }
}

/// Whether windows are pixels that lie apart: a cache holds them badly, so that they are not read in place.
fn lie_apart(kernel: [usize; 2], strides: [usize; 2]) -> bool {
    kernel == [1, 1] && strides != [1, 1]
}

/// Pixels from one window to the next; to one that is not there, as few as can be.
fn column_step(strides: [usize; 2], columns: usize) -> usize {
    if columns == 1 { 1 } else { strides[1] }
}

/// A convolution with the weights that it has, of a kind that is known.
struct Typed<'a, W> {
    weights: &'a W,
    convolution: RoundedConv2d<'a>,
}

impl<'a, W: Rounding> Typed<'a, W> {
    fn run(self, scratch: &mut [W::Word], output: &mut [f32]) {
        const { assert!(size_of::<W::Word>() == size_of::<u32>(), "what a scratch counts") };
        let Typed { weights, convolution: RoundedConv2d { kernel, pixel_len, .. } } = self;
        assert!(scratch.len() >= self.rounded().len_for_one(), "scratch too short");
        assert_eq!(weights.taps(), kernel[0] * kernel[1], "taps");
        let fits = match self.convolution.input_format {
            MapFormat::F32 => pixel_len.div_ceil(W::Word::NUMBERS) <= weights.tap_words(),
            MapFormat::Bf16 => {
                let is_whole = self.convolution.input_strides.pixel == pixel_len;
                W::Word::MEETS_BF16 && is_whole && pixel_len == weights.tap_words()
            }
        };
        assert!(fits, "{pixel_len} words in a pixel");
        let is_last = self.convolution.activation.is_none();
        assert!(is_last || self.convolution.output_format == MapFormat::F32, "an activation in bf16");
        weights.run(ConvolveInto { typed: self, scratch, output, ready: weights.ready() });
    }

    fn rounded(&self) -> Rounded<'a, W> {
        let RoundedConv2d { kernel, strides, .. } = self.convolution;
        Rounded { weights: self.weights, kernel, strides }
    }
}

/// What the windows of a block read, rounded or copied: rows of pixels, without those that no window reads where it is a single
/// pixel.
struct Rounded<'a, W> {
    weights: &'a W,
    kernel: [usize; 2],
    strides: [usize; 2],
}

impl<W: Rounding> Rounded<'_, W> {
    /// Pixels between those that are rounded.
    fn sampling(&self) -> [usize; 2] {
        if self.kernel == [1, 1] { self.strides } else { [1, 1] }
    }

    /// Pixels between neighbouring windows.
    fn steps(&self) -> [usize; 2] {
        if self.kernel == [1, 1] { [1, 1] } else { self.strides }
    }

    /// Rows and columns of pixels for that many output pixels.
    fn size(&self, output: [usize; 2]) -> [usize; 2] {
        let steps = self.steps();
        [0, 1].map(|axis| (output[axis] - 1) * steps[axis] + self.kernel[axis])
    }

    fn layout(&self, output: [usize; 2]) -> RowLayout {
        let ([rows, columns], pixel) = (self.steps(), self.weights.tap_words());
        RowLayout { run_stride: rows * self.size(output)[1] * pixel, row_stride: columns * pixel }
    }

    fn segments(&self, output: [usize; 2]) -> Segments {
        let stride = self.size(output)[1] * self.weights.tap_words();
        Segments { count: self.kernel[0], len: self.kernel[1] * self.weights.summed_words(), stride }
    }

    /// Words needed for one output pixel.
    fn len_for_one(&self) -> usize {
        let [rows, columns] = self.kernel;
        rows * columns * self.weights.tap_words() + self.weights.slack(self.layout([1, 1]))
    }

    /// As many output rows of that many columns as fit into `scratch_len` words; one row of fewer columns if it must be.
    fn block_size(&self, output @ [rows, columns]: [usize; 2], scratch_len: usize) -> [usize; 2] {
        let pixels = (scratch_len - self.weights.slack(self.layout(output))) / self.weights.tap_words();
        match self.windows(0, pixels / self.size(output)[1]) {
            0 => [1, equal_parts(columns, self.windows(1, pixels / self.kernel[0]).max(1))],
            most_rows => [equal_parts(rows, most_rows), columns],
        }
    }

    /// Windows that fit into that many pixels of an axis.
    fn windows(&self, axis: usize, pixels: usize) -> usize {
        let behind_first = pixels.checked_sub(self.kernel[axis]);
        behind_first.map_or(0, |pixels| pixels / self.steps()[axis] + 1)
    }
}

/// The length of as few equal parts of `len` as can be had with no more than `most` in each.
fn equal_parts(len: usize, most: usize) -> usize {
    len.div_ceil(len.div_ceil(most))
}

struct ConvolveInto<'a, W: Rounding> {
    typed: Typed<'a, W>,
    scratch: &'a mut [W::Word],
    output: &'a mut [f32],
    ready: W::Ready,
}

impl<W: Rounding> SimdOp for ConvolveInto<'_, W> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ConvolveInto { typed, scratch, output, ready } = self;
        let [rows, columns] = typed.convolution.size;
        if rows == 0 || columns == 0 {
            return;
        }
        if typed.convolution.is_read_in_place() {
            let row_words = typed.convolution.strides[0] * typed.convolution.input_strides.row;
            let most_rows = (READ_WORDS / row_words.max(1)).max(1);
            let block_rows = equal_parts(rows, most_rows);
            for first_row in (0..rows).step_by(block_rows) {
                let block = Block { rows: first_row..rows.min(first_row + block_rows), columns: 0..columns };
                let source = Source::in_place(&typed, &block);
                block.multiply(isa, &typed, source, &ready, output);
            }
            return;
        }
        let [block_rows, block_columns] = typed.rounded().block_size([rows, columns], scratch.len());
        for first_row in (0..rows).step_by(block_rows) {
            for first_column in (0..columns).step_by(block_columns) {
                let block = Block {
                    rows: first_row..rows.min(first_row + block_rows),
                    columns: first_column..columns.min(first_column + block_columns),
                };
                block.round(isa, &typed, scratch);
                block.multiply(isa, &typed, Source::rounded(&typed, &block, scratch), &ready, output);
            }
        }
    }
}

/// Where the windows of a block are read.
#[derive(Clone, Copy)]
struct Source<'a, T> {
    words: &'a [T],
    layout: RowLayout,
    segments: Segments,
}

impl<'a, T: Word> Source<'a, T> {
    /// In the scratch, which holds what the block reads.
    fn rounded<W: Rounding<Word = T>>(typed: &Typed<W>, block: &Block, scratch: &'a [T]) -> Source<'a, T> {
        let (rounded, size) = (typed.rounded(), block.size());
        Source { words: scratch, layout: rounded.layout(size), segments: rounded.segments(size) }
    }

    /// In the input, where it is rounded already.
    fn in_place<W: Rounding<Word = T>>(typed: &Typed<'a, W>, block: &Block) -> Source<'a, T> {
        let Typed { weights, ref convolution } = *typed;
        let RoundedConv2d { kernel, strides, input_strides: MapStrides { row, pixel, .. }, .. } =
            *convolution;
        let step = column_step(strides, convolution.size[1]);
        let layout = RowLayout { run_stride: strides[0] * row, row_stride: step * pixel };
        let words = &convolution.input[layout.offset(block.rows.start, block.columns.start)..];
        let segments = Segments { count: kernel[0], len: kernel[1] * weights.summed_words(), stride: row };
        Source { words: cast_slice(words), layout, segments }
    }
}

/// Output pixels that are computed together.
struct Block {
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Block {
    fn size(&self) -> [usize; 2] {
        [self.rows.len(), self.columns.len()]
    }

    /// Fills the scratch.
    #[inline(always)]
    fn round<I: Isa, W: Rounding>(&self, isa: I, typed: &Typed<W>, scratch: &mut [W::Word]) {
        let Typed { weights, convolution } = *typed;
        let rounded = typed.rounded();
        let ([sample_rows, sample_columns], strides) = (rounded.sampling(), convolution.input_strides);
        let (pixel_words, pixel_vectors) = (weights.tap_words(), convolution.pixel_len / I::LANES);
        let pixel_stride = sample_columns * strides.pixel;
        let columns = rounded.size(self.size())[1];
        let first = self.rows.start * convolution.strides[0] * strides.row
            + self.columns.start * convolution.strides[1] * strides.pixel;
        assert!(convolution.pixel_len.is_multiple_of(I::LANES), "pixels of whole vectors");
        if convolution.input_format == MapFormat::Bf16 {
            for (row, to) in scratch.chunks_exact_mut(columns * pixel_words).take(self.rows.len()).enumerate()
            {
                let from = &convolution.input[first + row * sample_rows * strides.row..];
                for (column, to) in to.chunks_exact_mut(pixel_words).enumerate() {
                    to.copy_from_slice(cast_slice(&from[column * pixel_stride..][..pixel_words]));
                }
            }
            return;
        }
        let is_gapless = sample_columns == 1
            && strides.vector == I::LANES
            && pixel_stride == W::Word::NUMBERS * pixel_words;
        for (row, to) in
            scratch.chunks_exact_mut(columns * pixel_words).take(rounded.size(self.size())[0]).enumerate()
        {
            let from = &convolution.input[first + row * sample_rows * strides.row..];
            let pixels = if is_gapless {
                Pixels::one(&from[..columns * pixel_stride], I::LANES)
            } else {
                Pixels::new(from, columns, pixel_vectors, [pixel_stride, strides.vector])
            };
            weights.round_pixels(isa, pixels, to);
        }
    }

    /// Multiplies what the source holds.
    #[inline(always)]
    fn multiply<I: Isa, W: Rounding>(
        &self,
        isa: I,
        typed: &Typed<W>,
        source: Source<W::Word>,
        ready: &W::Ready,
        output: &mut [f32],
    ) {
        let Typed { weights, convolution } = *typed;
        let output_layout = convolution.output_layout();
        let at = |layout: RowLayout| layout.offset(self.rows.start, self.columns.start);
        let [run_count, run_len] = self.runs(&convolution, source.layout);
        let vector_stride = convolution.output_strides.vector;
        let next_panels = weights.panels().cycle().skip(1);
        for ((panel, values), (_, next_panel)) in weights.panels().zip(next_panels) {
            let product = PanelProduct {
                input: source.words,
                input_layout: source.layout,
                segments: source.segments,
                element_stride: 1,
                panel: values,
                next_panel,
                vectors: panel.vectors,
                in_halves: panel.in_halves,
                columns: panel.width(I::LANES),
                run_count,
                run_len,
                output: &mut output[at(output_layout) + panel.first_column / I::LANES * vector_stride..],
                output_layout,
                output_vector_stride: vector_stride,
                output_format: convolution.output_format,
                residual: convolution
                    .residual
                    .map(|residual| residual.following(at(residual.layout), panel.first_column)),
                accumulate: false,
                clamp: convolution.clamp,
            };
            W::multiply(isa, ready, product);
        }
        if let Some(activation) = convolution.activation {
            let columns = weights.columns().next_multiple_of(I::LANES);
            let strides = [output_layout.row_stride, vector_stride];
            for row in self.rows.clone() {
                let rows = &mut output[output_layout.offset(row, self.columns.start)..];
                activation.apply_to_vectors(isa, rows, self.columns.len(), strides, columns);
            }
        }
    }

    /// The pixels as runs: a single one where the windows are pixels and those of all rows follow each other.
    fn runs(&self, convolution: &RoundedConv2d, source: RowLayout) -> [usize; 2] {
        let [rows, columns] = self.size();
        let residual = convolution.residual.map(|residual| residual.layout);
        let mut layouts = [Some(source), Some(convolution.output_layout()), residual].into_iter().flatten();
        let is_one_run = layouts.all(|layout| layout.run_stride == columns * layout.row_stride);
        if convolution.kernel == [1, 1] && is_one_run { [1, rows * columns] } else { [rows, columns] }
    }
}

#[cfg(test)]
mod tests;
