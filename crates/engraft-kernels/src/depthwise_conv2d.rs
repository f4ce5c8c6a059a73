//! Convolution of each channel with its own filter.
//!
//! Source: Keras `DepthwiseConv2D` with `depth_multiplier=1`.

use crate::arch::{DepthwiseTiles, Isa, SimdOp};
use crate::{Activation, AlignedBuffer, Bf16Unit, Clamp, InstructionSet, MapFormat, MapStrides, Region};

/// The filters and the bias of a depthwise convolution, packed for one instruction set.
#[derive(Debug)]
pub struct PackedDepthwise {
    isa: InstructionSet,
    kernel: [usize; 2],
    /// For each vector of channels its bias, then the filters row by row; zero beyond the last channel.
    values: AlignedBuffer,
}

impl PackedDepthwise {
    /// Packs filters of `[kernel_height, kernel_width, channels]`, each channel multiplied by its element of `scale` and
    /// with its element of `bias` (one and zero where there is none).
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn pack(
        isa: InstructionSet,
        kernel: [usize; 2],
        channels: usize,
        filters: &[f32],
        scale: Option<&[f32]>,
        bias: Option<&[f32]>,
    ) -> PackedDepthwise {
        let (lanes, taps) = (isa.lanes(), kernel[0] * kernel[1]);
        let mut values = AlignedBuffer::zeroed(isa.padded(channels) * (1 + taps));
        for channel in 0..channels {
            let at = channel / lanes * (1 + taps) * lanes + channel % lanes;
            values[at] = bias.map_or(0.0, |bias| bias[channel]);
            let scale = scale.map_or(1.0, |scale| scale[channel]);
            for tap in 0..taps {
                values[at + (1 + tap) * lanes] = filters[tap * channels + channel] * scale;
            }
        }
        PackedDepthwise { isa, kernel, values }
    }

    /// Height and width of a filter.
    pub fn kernel(&self) -> [usize; 2] {
        self.kernel
    }

    /// Moves what it holds to a region.
    pub fn move_to(&mut self, region: &mut Region) {
        region.take_in(&mut self.values);
    }

    /// Memory it takes, in bytes.
    pub fn size_bytes(&self) -> usize {
        size_of_val::<[f32]>(&self.values)
    }
}

/// `output = activation(clamp(depthwise(input) + bias))` for a rectangle of output pixels. There is no padding: the input holds all
/// windows, zeros included. Pixels of input and output are padded to whole vectors.
#[derive(Clone, Copy)]
pub struct DepthwiseConv2d<'a> {
    /// Filters and bias.
    pub weights: &'a PackedDepthwise,
    /// Starts at the window of the first output pixel.
    pub input: &'a [f32],
    /// Where the elements of the input lie.
    pub input_strides: MapStrides,
    /// Vertical and horizontal stride, in pixels.
    pub strides: [usize; 2],
    /// Rows and columns of output pixels.
    pub size: [usize; 2],
    /// Where the elements of the output lie.
    pub output_strides: MapStrides,
    /// What rounds the output, if it is in bf16; then there must be no activation.
    pub rounding: Option<Bf16Unit>,
    /// Limits the output.
    pub clamp: Option<Clamp>,
    /// Applied last.
    pub activation: Option<Activation>,
}

impl DepthwiseConv2d<'_> {
    /// Computes the pixels into `output`, which starts at the first of them.
    ///
    /// # Panics
    /// If a slice is too short, or what rounds the output is not of the weights' instruction set.
    pub fn run(self, output: &mut [f32]) {
        let DepthwiseConv2d { weights, rounding, activation, .. } = self;
        let op = DepthwiseInto { layer: self, output };
        match rounding {
            Some(unit) => {
                assert!(unit.isa() == weights.isa && activation.is_none(), "an output in bf16");
                unit.run(op);
            }
            None => weights.isa.run(op),
        }
    }
}

struct DepthwiseInto<'a> {
    layer: DepthwiseConv2d<'a>,
    output: &'a mut [f32],
}

impl SimdOp for DepthwiseInto<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let DepthwiseInto { layer, output } = self;
        let weights = layer.weights;
        let block_len = (1 + weights.kernel[0] * weights.kernel[1]) * I::LANES;
        let [height, width] = layer.size;
        let band_rows = BAND_PIXELS.div_ceil(width.max(1));
        for first_row in (0..height).step_by(band_rows) {
            let (from, to) = (layer.input_strides, layer.output_strides);
            let input = &layer.input[first_row * layer.strides[0] * from.row..];
            let output = &mut output[first_row * to.row..];
            for (block, packed) in weights.values.chunks_exact(block_len).enumerate() {
                DepthwiseTiles {
                    input: &input[block * from.vector..],
                    input_strides: [from.row, from.pixel],
                    weights: packed,
                    kernel: weights.kernel,
                    strides: layer.strides,
                    size: [band_rows.min(height - first_row), width],
                    output: &mut output[block * to.vector..],
                    output_strides: [to.row, to.pixel],
                    output_format: layer.rounding.map_or(MapFormat::F32, |_| MapFormat::Bf16),
                    clamp: layer.clamp,
                }
                .run(isa);
            }
            if let Some(activation) = layer.activation {
                let channels = weights.values.len() / block_len * I::LANES;
                for row in output.chunks_mut(to.row).take(band_rows.min(height - first_row)) {
                    activation.apply_to_vectors(isa, row, width, [to.pixel, to.vector], channels);
                }
            }
        }
    }
}

/// Output pixels that meet one vector of channels before they meet the next. Windows above each other share rows, which stay in the
/// first-level cache from one to the next; those at the edges of a band are read again.
const BAND_PIXELS: usize = 448;

#[cfg(test)]
mod tests {
    use bytemuck::cast_slice;
    use engraft_testing::{Tolerance, assert_close, noise};

    use super::*;
    use crate::Bf16Pair;
    use crate::regroup::regroup;

    struct Case {
        size: [usize; 2],
        kernel: [usize; 2],
        strides: [usize; 2],
        channels: usize,
    }

    impl Case {
        fn out(&self) -> [usize; 2] {
            [0, 1].map(|axis| (self.size[axis] - self.kernel[axis]) / self.strides[axis] + 1)
        }

        /// Everything added in double precision.
        fn naive(&self, input: &[f32], pixel: usize, filters: &[f32], bias: &[f32]) -> Vec<f32> {
            let [height, width] = self.out();
            let mut output = vec![0.0; height * width * pixel];
            for (at, output) in output.iter_mut().enumerate() {
                let (y, x, c) = (at / pixel / width, at / pixel % width, at % pixel);
                if c >= self.channels {
                    continue;
                }
                let mut sum = f64::from(bias[c]);
                for tap in 0..self.kernel[0] * self.kernel[1] {
                    let row = y * self.strides[0] + tap / self.kernel[1];
                    let column = x * self.strides[1] + tap % self.kernel[1];
                    let value = input[(row * self.size[1] + column) * pixel + c];
                    sum += f64::from(value) * f64::from(filters[tap * self.channels + c]);
                }
                *output = (sum as f32).clamp(0.0, 6.0);
            }
            output
        }

        fn check(&self, isa: InstructionSet) {
            let pixel = isa.padded(self.channels);
            let input = noise(1, self.size[0] * self.size[1] * pixel);
            let filters = noise(2, self.kernel[0] * self.kernel[1] * self.channels);
            let bias = noise(3, self.channels);
            let want = self.naive(&input, pixel, &filters, &bias);
            let weights = PackedDepthwise::pack(isa, self.kernel, self.channels, &filters, None, Some(&bias));
            let mut got = vec![f32::NAN; want.len()];
            DepthwiseConv2d {
                weights: &weights,
                input: &input,
                input_strides: MapStrides { row: self.size[1] * pixel, pixel, vector: isa.lanes() },
                strides: self.strides,
                size: self.out(),
                output_strides: MapStrides { row: self.out()[1] * pixel, pixel, vector: isa.lanes() },
                rounding: None,
                clamp: Some(Clamp::RELU6),
                activation: None,
            }
            .run(&mut got);
            assert_close(&got, &want, Tolerance { abs: 1e-5, rel: 1e-5 });
        }
    }

    #[test]
    fn the_vectors_of_a_pixel_may_lie_apart() {
        for isa in InstructionSet::available() {
            for (kernel, strides) in [([3, 3], [1, 1]), ([5, 5], [2, 2]), ([2, 4], [1, 3])] {
                // Pixels for more than one band.
                let case = Case { size: [97, 67], kernel, strides, channels: 3 * isa.lanes() };
                let (lanes, channels, [height, width]) = (isa.lanes(), case.channels, case.size);
                let filters = noise(1, kernel[0] * kernel[1] * channels);
                let packed = PackedDepthwise::pack(isa, kernel, channels, &filters, None, None);
                let together = |width| MapStrides { row: width * channels, pixel: channels, vector: lanes };
                let apart = |width| MapStrides { row: width * channels, pixel: lanes, vector: width * lanes };
                let input = noise(2, height * width * channels);
                let mut blocked = vec![f32::NAN; input.len()];
                regroup(&input, together(width), &mut blocked, apart(width), [height, width, 3], lanes);
                let [rows, columns] = case.out();
                let run = |input: &[f32], input_strides, output_strides| {
                    let mut output = vec![f32::NAN; rows * columns * channels];
                    DepthwiseConv2d {
                        weights: &packed,
                        input,
                        input_strides,
                        strides,
                        size: [rows, columns],
                        output_strides,
                        rounding: None,
                        clamp: None,
                        activation: Some(Activation::Silu),
                    }
                    .run(&mut output);
                    output
                };
                let want = run(&input, together(width), together(columns));
                let blocked = run(&blocked, apart(width), apart(columns));
                let mut got = vec![f32::NAN; want.len()];
                regroup(&blocked, apart(columns), &mut got, together(columns), [rows, columns, 3], lanes);
                assert_eq!(got, want, "{}", isa.name());
            }
        }
    }

    #[test]
    fn an_output_in_bf16_is_that_in_single_precision_rounded() {
        // Pixels of several vectors, and of one, which follow each other.
        let cases =
            InstructionSet::available().into_iter().flat_map(|isa| [1, 4].map(|vectors| (isa, vectors)));
        for (isa, vectors) in cases {
            let channels = vectors * isa.lanes();
            let case = Case { size: [9, 13], kernel: [3, 3], strides: [1, 1], channels };
            let ([height, width], [rows, columns]) = (case.size, case.out());
            let packed =
                PackedDepthwise::pack(isa, case.kernel, channels, &noise(1, 9 * channels), None, None);
            let input = noise(2, height * width * channels);
            let run = |rounding: Option<Bf16Unit>| {
                let format = rounding.map_or(MapFormat::F32, |_| MapFormat::Bf16);
                let pixel = format.words(channels);
                let mut output = vec![f32::NAN; rows * columns * pixel];
                let vector = isa.lanes();
                DepthwiseConv2d {
                    weights: &packed,
                    input: &input,
                    input_strides: MapStrides { row: width * channels, pixel: channels, vector },
                    strides: case.strides,
                    size: [rows, columns],
                    output_strides: MapStrides { row: columns * pixel, pixel, vector: format.words(vector) },
                    rounding,
                    clamp: Some(Clamp::RELU6),
                    activation: None,
                }
                .run(&mut output);
                output
            };
            let want = run(None);
            let want: Vec<Bf16Pair> =
                want.chunks_exact(2).map(|pair| Bf16Pair::new(pair[0], pair[1])).collect();
            for unit in Bf16Unit::available(isa) {
                let got = run(Some(unit));
                assert_eq!(cast_slice::<f32, Bf16Pair>(&got), want, "{} {}", isa.name(), unit.name());
            }
        }
    }

    #[test]
    fn every_kernel_and_stride_equals_the_naive_loop_at_awkward_sizes() {
        for isa in InstructionSet::available() {
            for kernel in [[3, 3], [5, 5], [1, 1], [7, 7], [2, 4]] {
                for strides in [[1, 1], [2, 2], [3, 1], [1, 3]] {
                    for width in 1..20 {
                        let size = [kernel[0] + 4, kernel[1] + width - 1];
                        // Pixels of several vectors, and of one, which follow each other.
                        for channels in [19, isa.lanes()] {
                            Case { size, kernel, strides, channels }.check(isa);
                        }
                    }
                }
            }
            for channels in 1..36 {
                Case { size: [4, 6], kernel: [3, 3], strides: [1, 1], channels }.check(isa);
            }
        }
    }
}
