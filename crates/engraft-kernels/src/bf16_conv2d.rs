//! Convolution over all channels with inputs and weights rounded to bf16 and sums in single precision.
//!
//! The input is rounded block by block into a scratch, from where the windows of the block are read where they lie.
//!
//! Source: ONNX `Conv` operator.

use std::ops::Range;

use crate::arch::{Isa, Multiplier, PanelProduct, SimdOp, round_row};
use crate::{Activation, Bf16Pair, Clamp, PackedBf16Matrix, Residual, RowLayout, Segments};

/// `output = activation(clamp(convolution(input) + bias + residual))` for a rectangle of output pixels. There is no padding:
/// the input holds all windows, zeros included.
#[derive(Clone, Copy)]
pub struct Bf16Conv2d<'a> {
    /// A tap for every pixel of the window, row by row.
    pub weights: &'a PackedBf16Matrix,
    /// Starts at the window of the first output pixel.
    pub input: &'a [f32],
    /// Elements between the rows and between the pixels of the input.
    pub input_strides: [usize; 2],
    /// Elements of a pixel: the channels, padded to whole vectors.
    pub pixel_len: usize,
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Pixels between vertical and between horizontal neighbours.
    pub strides: [usize; 2],
    /// Rows and columns of output pixels.
    pub size: [usize; 2],
    /// Elements between the rows and between the pixels of the output, which hold the columns of the weights padded to whole
    /// vectors.
    pub output_strides: [usize; 2],
    /// Added to the output; has as many columns.
    pub residual: Option<Residual<'a>>,
    /// Limits the output.
    pub clamp: Option<Clamp>,
    /// Applied last.
    pub activation: Option<Activation>,
}

/// Pairs of a block where it can be that small: they stay in the second-level cache.
const BLOCK_PAIRS: usize = 64 << 10;

impl Bf16Conv2d<'_> {
    /// Pairs that the scratch must hold for a convolution of that kind.
    pub fn scratch_len(weights: &PackedBf16Matrix, kernel: [usize; 2], strides: [usize; 2]) -> usize {
        Rounded { weights, kernel, strides }.len_for_one().max(BLOCK_PAIRS)
    }

    /// Computes the rectangle into `output`, which starts at its first pixel.
    ///
    /// # Panics
    /// If a slice is too short, the scratch is shorter than [`Bf16Conv2d::scratch_len`], or the weights do not have the shape
    /// stated.
    pub fn run(self, scratch: &mut [Bf16Pair], output: &mut [f32]) {
        let unit = self.weights.unit();
        assert!(scratch.len() >= self.rounded().len_for_one(), "scratch too short");
        assert_eq!(self.weights.taps(), self.kernel[0] * self.kernel[1], "taps");
        assert!(
            self.pixel_len.div_ceil(2) <= self.weights.tap_pairs(),
            "{} elements in a pixel",
            self.pixel_len
        );
        unit.run(ConvolveInto { convolution: self, scratch, output, multiplier: unit.multiplier() });
    }

    fn rounded(&self) -> Rounded<'_> {
        Rounded { weights: self.weights, kernel: self.kernel, strides: self.strides }
    }

    fn output_layout(&self) -> RowLayout {
        let [run_stride, row_stride] = self.output_strides;
        RowLayout { run_stride, row_stride }
    }
}

/// What the windows of a block read, rounded: rows of pixels, without those that no window reads where it is a single
/// pixel.
struct Rounded<'a> {
    weights: &'a PackedBf16Matrix,
    kernel: [usize; 2],
    strides: [usize; 2],
}

impl Rounded<'_> {
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
        let ([rows, columns], pixel) = (self.steps(), self.weights.tap_pairs());
        RowLayout { run_stride: rows * self.size(output)[1] * pixel, row_stride: columns * pixel }
    }

    fn segments(&self, output: [usize; 2]) -> Segments {
        let pixel = self.weights.tap_pairs();
        let stride = self.size(output)[1] * pixel;
        Segments { count: self.kernel[0], len: self.kernel[1] * pixel, stride }
    }

    /// Pairs needed for one output pixel.
    fn len_for_one(&self) -> usize {
        let [rows, columns] = self.kernel;
        rows * columns * self.weights.tap_pairs() + self.weights.unit().slack(self.layout([1, 1]))
    }

    /// As many output rows of that many columns as fit into `scratch_len` pairs; one row of fewer columns if it must be.
    fn block_size(&self, output @ [rows, columns]: [usize; 2], scratch_len: usize) -> [usize; 2] {
        let pixels =
            (scratch_len - self.weights.unit().slack(self.layout(output))) / self.weights.tap_pairs();
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

struct ConvolveInto<'a> {
    convolution: Bf16Conv2d<'a>,
    scratch: &'a mut [Bf16Pair],
    output: &'a mut [f32],
    multiplier: Multiplier,
}

impl SimdOp for ConvolveInto<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let ConvolveInto { convolution, scratch, output, multiplier } = self;
        let [rows, columns] = convolution.size;
        if rows == 0 || columns == 0 {
            return;
        }
        let [block_rows, block_columns] = convolution.rounded().block_size([rows, columns], scratch.len());
        for first_row in (0..rows).step_by(block_rows) {
            for first_column in (0..columns).step_by(block_columns) {
                let block = Block {
                    rows: first_row..rows.min(first_row + block_rows),
                    columns: first_column..columns.min(first_column + block_columns),
                };
                block.round(isa, &convolution, scratch);
                block.multiply(isa, &convolution, scratch, &multiplier, output);
            }
        }
    }
}

/// Output pixels that are computed from one filling of the scratch.
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
    fn round<I: Isa>(&self, isa: I, convolution: &Bf16Conv2d, scratch: &mut [Bf16Pair]) {
        let rounded = convolution.rounded();
        let ([sample_rows, sample_columns], [row_len, pixel_stride]) =
            (rounded.sampling(), convolution.input_strides);
        let pixel_pairs = convolution.weights.tap_pairs();
        let columns = rounded.size(self.size())[1];
        let first = self.rows.start * convolution.strides[0] * row_len
            + self.columns.start * convolution.strides[1] * pixel_stride;
        for (row, to) in
            scratch.chunks_exact_mut(columns * pixel_pairs).take(rounded.size(self.size())[0]).enumerate()
        {
            let from = &convolution.input[first + row * sample_rows * row_len..];
            if sample_columns * pixel_stride == 2 * pixel_pairs {
                round_row(isa, &from[..2 * to.len()], to);
                continue;
            }
            for (column, to) in to.chunks_exact_mut(pixel_pairs).enumerate() {
                let from = &from[column * sample_columns * pixel_stride..][..convolution.pixel_len];
                round_row(isa, from, to);
            }
        }
    }

    /// Multiplies what the scratch holds.
    #[inline(always)]
    fn multiply<I: Isa>(
        &self,
        isa: I,
        convolution: &Bf16Conv2d,
        scratch: &[Bf16Pair],
        multiplier: &Multiplier,
        output: &mut [f32],
    ) {
        let (rounded, weights) = (convolution.rounded(), convolution.weights);
        let output_layout = convolution.output_layout();
        let at = |layout: RowLayout| layout.offset(self.rows.start, self.columns.start);
        let next_panels = weights.panels().cycle().skip(1);
        for ((panel, values), (_, next_panel)) in weights.panels().zip(next_panels) {
            let product = PanelProduct {
                input: scratch,
                input_layout: rounded.layout(self.size()),
                segments: rounded.segments(self.size()),
                element_stride: 1,
                panel: values,
                next_panel,
                vectors: panel.vectors,
                columns: panel.vectors * I::LANES,
                run_count: self.rows.len(),
                run_len: self.columns.len(),
                output: &mut output[at(output_layout) + panel.first_column..],
                output_layout,
                residual: convolution.residual.map(|Residual { values, layout }| Residual {
                    values: &values[at(layout) + panel.first_column..],
                    layout,
                }),
                accumulate: false,
                clamp: convolution.clamp,
            };
            multiplier.run(isa, product);
        }
        if let Some(activation) = convolution.activation {
            let columns = weights.columns().next_multiple_of(I::LANES);
            for row in self.rows.clone() {
                let rows = &mut output[output_layout.offset(row, self.columns.start)..];
                activation.apply_to_rows(isa, rows, self.columns.len(), output_layout.row_stride, columns);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Tolerance, assert_close, noise};

    use super::*;
    use crate::{Bf16Unit, InstructionSet, MatrixView};

    struct Case {
        size: [usize; 2],
        channels: usize,
        kernel: [usize; 2],
        strides: [usize; 2],
        columns: usize,
        scratch_len: Option<usize>,
    }

    impl Case {
        fn new(size: [usize; 2], channels: usize, kernel: usize, stride: usize, columns: usize) -> Case {
            Case { size, channels, kernel: [kernel; 2], strides: [stride; 2], columns, scratch_len: None }
        }

        fn out(&self) -> [usize; 2] {
            [0, 1].map(|axis| (self.size[axis] - self.kernel[axis]) / self.strides[axis] + 1)
        }

        fn sum_len(&self) -> usize {
            self.kernel[0] * self.kernel[1] * self.channels
        }

        /// Rounded where the kernel rounds, added in double precision.
        fn naive(
            &self,
            input: &[f32],
            weights: &[f32],
            scale: &[f32],
            rest: impl Fn(usize) -> f64,
        ) -> Vec<f32> {
            let rounded = |x: f32| f64::from(Bf16Pair::new(x, 0.0).numbers()[0]);
            let mut output = Vec::new();
            for (y, x) in (0..self.out()[0]).flat_map(|y| (0..self.out()[1]).map(move |x| (y, x))) {
                for column in 0..self.columns {
                    let product = |k: usize| {
                        let (tap, c) = (k / self.channels, k % self.channels);
                        let row = y * self.strides[0] + tap / self.kernel[1];
                        let at = (row * self.size[1] + x * self.strides[1] + tap % self.kernel[1])
                            * self.channels
                            + c;
                        rounded(input[at]) * rounded(weights[k * self.columns + column] * scale[column])
                    };
                    let sum = rest(output.len()) + (0..self.sum_len()).map(product).sum::<f64>();
                    output.push(sum.clamp(0.0, 6.0) as f32);
                }
            }
            output
        }

        fn check(&self, unit: Bf16Unit) {
            let isa = unit.isa();
            let [out_rows, out_columns] = self.out();
            let input = noise(1, self.size[0] * self.size[1] * self.channels);
            let values = noise(2, self.sum_len() * self.columns);
            let (scale, bias) = (noise(3, self.columns), noise(4, self.columns));
            let residual = noise(5, out_rows * out_columns * self.columns);
            let want = self.naive(&input, &values, &scale, |at| {
                f64::from(bias[at % self.columns]) + f64::from(residual[at])
            });
            let matrix = MatrixView::row_major(&values, self.sum_len(), self.columns);
            let weights =
                PackedBf16Matrix::pack(unit, self.kernel[0] * self.kernel[1], matrix, &scale, &bias);
            let (pixel_len, output_pixel) = (isa.padded(self.channels), isa.padded(self.columns));
            // What fills pixels up must not show: weights of zero meet it.
            let input = padded_pixels(&input, self.channels, pixel_len, 7.0);
            let residual = padded_pixels(&residual, self.columns, output_pixel, 0.0);
            let output_layout =
                RowLayout { run_stride: out_columns * output_pixel, row_stride: output_pixel };
            let scratch_len = Bf16Conv2d::scratch_len(&weights, self.kernel, self.strides);
            // What an earlier run leaves behind must not show either.
            let mut scratch =
                vec![Bf16Pair::new(f32::NAN, f32::INFINITY); self.scratch_len.unwrap_or(scratch_len)];
            let mut got = vec![f32::NAN; out_rows * out_columns * output_pixel];
            Bf16Conv2d {
                weights: &weights,
                input: &input,
                input_strides: [self.size[1] * pixel_len, pixel_len],
                pixel_len,
                kernel: self.kernel,
                strides: self.strides,
                size: self.out(),
                output_strides: [output_layout.run_stride, output_layout.row_stride],
                residual: Some(Residual { values: &residual, layout: output_layout }),
                clamp: Some(Clamp::RELU6),
                activation: None,
            }
            .run(&mut scratch, &mut got);
            let got: Vec<f32> =
                got.chunks_exact(output_pixel).flat_map(|pixel| &pixel[..self.columns]).copied().collect();
            println!("{} {}", unit.isa().name(), unit.name());
            assert_close(&got, &want, Tolerance { abs: 1e-6 * (self.sum_len() as f32).sqrt(), rel: 1e-5 });
        }
    }

    fn padded_pixels(values: &[f32], len: usize, padded_len: usize, filling: f32) -> Vec<f32> {
        let pixels = values.chunks_exact(len);
        pixels.flat_map(|pixel| [pixel, &vec![filling; padded_len - len]].concat()).collect()
    }

    fn units() -> impl Iterator<Item = Bf16Unit> {
        InstructionSet::available().into_iter().flat_map(Bf16Unit::available)
    }

    #[test]
    fn convolutions_equal_the_naive_loop_at_awkward_sizes() {
        for unit in units() {
            for width in 1..35 {
                Case::new([1, width], 5, 1, 1, 17).check(unit);
            }
            for channels in [1, 15, 16, 17, 31, 32, 33, 64, 65] {
                Case::new([3, 7], channels, 1, 1, 40).check(unit);
                Case::new([4, 5], channels, 3, 1, 16).check(unit);
            }
            for columns in [1, 16, 17, 32, 33, 48, 49, 64, 80, 96] {
                Case::new([2, 9], 24, 1, 1, columns).check(unit);
            }
            Case::new([9, 11], 20, 3, 2, 33).check(unit);
            Case::new([9, 11], 20, 1, 2, 33).check(unit);
            Case::new([20, 19], 40, 5, 1, 24).check(unit);
            Case { kernel: [1, 7], ..Case::new([9, 20], 33, 1, 1, 50) }.check(unit);
            Case { strides: [2, 1], ..Case::new([9, 20], 33, 3, 1, 50) }.check(unit);
            Case::new([7, 7], 700, 1, 1, 96).check(unit);
        }
    }

    #[test]
    fn small_scratches_are_filled_more_often() {
        for unit in units() {
            for scratch_len in [1400, 2000, 4000, 12_000] {
                let scratch_len = Some(scratch_len);
                Case { scratch_len, ..Case::new([9, 40], 20, 3, 1, 33) }.check(unit);
                Case { scratch_len, ..Case::new([12, 17], 20, 3, 2, 33) }.check(unit);
                Case { scratch_len, ..Case::new([1, 200], 33, 1, 1, 20) }.check(unit);
            }
        }
    }

    #[test]
    #[should_panic(expected = "scratch too short")]
    fn a_short_scratch_is_noticed() {
        let unit = Bf16Unit::best(InstructionSet::best());
        Case { scratch_len: Some(10), ..Case::new([4, 4], 20, 3, 1, 5) }.check(unit);
    }
}
