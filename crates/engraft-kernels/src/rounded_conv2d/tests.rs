//! Convolutions of rounded numbers against the naive loop.

use engraft_testing::{Tolerance, assert_close, noise, noise_u8};

use super::*;
use crate::regroup::regroup;
use crate::{
    Bf16Pair, Bf16Unit, ByteScale, InstructionSet, Int8Unit, MatrixView, PackedBf16Matrix, PackedInt8Matrix,
};

#[derive(Debug)]
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

    /// For each element of the output, the places of the products in it: in the input, and in the weights.
    fn products(&self) -> Vec<Vec<[usize; 2]>> {
        let mut output = Vec::new();
        for (y, x) in (0..self.out()[0]).flat_map(|y| (0..self.out()[1]).map(move |x| (y, x))) {
            for column in 0..self.columns {
                let product = |k: usize| {
                    let (tap, c) = (k / self.channels, k % self.channels);
                    let row = y * self.strides[0] + tap / self.kernel[1];
                    let pixel = row * self.size[1] + x * self.strides[1] + tap % self.kernel[1];
                    [pixel * self.channels + c, k * self.columns + column]
                };
                output.push((0..self.sum_len()).map(product).collect());
            }
        }
        output
    }

    fn input_len(&self) -> usize {
        self.size[0] * self.size[1] * self.channels
    }

    fn output_len(&self) -> usize {
        self.out()[0] * self.out()[1] * self.columns
    }

    fn check_bf16(&self, unit: Bf16Unit) {
        let input = noise(1, self.input_len());
        let values = noise(2, self.sum_len() * self.columns);
        let (scale, bias) = (noise(3, self.columns), noise(4, self.columns));
        let residual = noise(5, self.output_len());
        // Rounded where the kernel rounds, added in double precision.
        let rounded = |x: f32| f64::from(Bf16Pair::new(x, 0.0).numbers()[0]);
        let naive = |(at, products): (usize, Vec<[usize; 2]>)| {
            let column = at % self.columns;
            let product = |[x, w]: [usize; 2]| rounded(input[x]) * rounded(values[w] * scale[column]);
            let sum = f64::from(bias[column])
                + f64::from(residual[at])
                + products.into_iter().map(product).sum::<f64>();
            sum.clamp(0.0, 6.0) as f32
        };
        let want: Vec<f32> = self.products().into_iter().enumerate().map(naive).collect();
        let matrix = MatrixView::row_major(&values, self.sum_len(), self.columns);
        let taps = self.kernel[0] * self.kernel[1];
        let weights = PackedBf16Matrix::pack(unit, taps, matrix, &scale, &bias);
        let got =
            self.run(&RoundedMatrix::Bf16(weights), unit.isa(), [&input, &residual], Some(Clamp::RELU6));
        println!("{} {}", unit.isa().name(), unit.name());
        assert_close(&got, &want, Tolerance { abs: 1e-6 * (self.sum_len() as f32).sqrt(), rel: 1e-5 });
    }

    /// Inputs and weights that bytes can hold exactly, `greatest` ones or any, so that every bit is known.
    fn check_int8(&self, unit: Int8Unit, greatest: bool) {
        let byte = |x: u8| if greatest { x | 0xfe } else { x };
        let bytes: Vec<u8> = noise_u8(1, self.input_len()).into_iter().map(byte).collect();
        let weights = noise_u8(2, self.sum_len() * self.columns);
        let signed = |(at, x): (usize, u8)| match (at / self.columns, at % self.columns) {
            // A column of zeros; in every other one the greatest weight, which its step follows from.
            (_, 3) => 0,
            (0, _) => 127,
            (_, column) if greatest => [127, -127][column % 2],
            _ => i32::from(x.cast_signed()).max(-127),
        };
        let signed: Vec<i32> = weights.into_iter().enumerate().map(signed).collect();
        let (zero, step, column_step) =
            (77, 0.5f32.powi(7), |column: usize| 0.5f32.powi(5 + column as i32 % 3));
        let (bias, residual) = (noise(4, self.columns), noise(5, self.output_len()));
        let clamp = (!greatest).then_some(Clamp { low: -20.0, high: 20.0 });
        let naive = |(at, products): (usize, Vec<[usize; 2]>)| {
            let product = |[x, w]: [usize; 2]| (i32::from(bytes[x]) - zero) * signed[w];
            let sum: i32 = products.into_iter().map(product).sum();
            let column = at % self.columns;
            let sum = sum as f32 * (step * column_step(column)) + bias[column] + residual[at];
            clamp.map_or(sum, |clamp| sum.clamp(clamp.low, clamp.high))
        };
        let want: Vec<f32> = self.products().into_iter().enumerate().map(naive).collect();
        let input: Vec<f32> = bytes.iter().map(|&x| (i32::from(x) - zero) as f32 * step).collect();
        let values: Vec<f32> = signed.iter().map(|&x| x as f32).collect();
        let scale: Vec<f32> = (0..self.columns).map(column_step).collect();
        let matrix = MatrixView::row_major(&values, self.sum_len(), self.columns);
        let input_scale = ByteScale::covering(-(zero as f32) * step, (255 - zero) as f32 * step);
        let taps = self.kernel[0] * self.kernel[1];
        // Weights that are whole steps lose nothing that the bias would have to make good.
        let means = noise(6, self.channels);
        let weights = PackedInt8Matrix::pack(unit, input_scale, &means, taps, matrix, &scale, &bias);
        let got = self.run(&RoundedMatrix::Int8(weights), unit.isa(), [&input, &residual], clamp);
        assert!(got == want, "{} {}, {self:?}: {got:?}, expected {want:?}", unit.isa().name(), unit.name());
    }

    fn run(
        &self,
        weights: &RoundedMatrix,
        isa: InstructionSet,
        [input, residual]: [&[f32]; 2],
        clamp: Option<Clamp>,
    ) -> Vec<f32> {
        let [out_rows, out_columns] = self.out();
        let (pixel_len, output_pixel) = (isa.padded(self.channels), isa.padded(self.columns));
        // What fills pixels up must not show: weights of zero meet it.
        let input = padded_pixels(input, self.channels, pixel_len, 7.0);
        let residual = padded_pixels(residual, self.columns, output_pixel, 0.0);
        let residual_layout = RowLayout { run_stride: out_columns * output_pixel, row_stride: output_pixel };
        let residual = Residual::new(&residual, residual_layout);
        let run = |input: &[f32], input_strides, output_strides, activation| {
            let maps = Maps {
                input,
                input_strides,
                input_format: MapFormat::F32,
                pixel_len,
                residual,
                output_strides,
                output_format: MapFormat::F32,
            };
            self.convolve(weights, maps, clamp, activation)
        };
        let lanes = isa.lanes();
        let [rows, columns] = self.size;
        let together =
            |columns: usize, pixel: usize| MapStrides { row: columns * pixel, pixel, vector: lanes };
        let apart = |columns: usize, pixel: usize| MapStrides {
            row: columns * pixel,
            pixel: lanes,
            vector: columns * lanes,
        };
        let from = [together(columns, pixel_len), apart(columns, pixel_len)];
        let to = [together(out_columns, output_pixel), apart(out_columns, output_pixel)];
        let mut blocked = vec![0.0; input.len()];
        regroup(&input, from[0], &mut blocked, from[1], [rows, columns, pixel_len / lanes], lanes);
        for activation in [None, Some(Activation::Silu)] {
            let want = run(&input, from[0], to[0], activation);
            let found = run(&blocked, from[1], to[1], activation);
            let mut got = vec![0.0; found.len()];
            let size = [out_rows, out_columns, output_pixel / lanes];
            regroup(&found, to[1], &mut got, to[0], size, lanes);
            assert_eq!(got, want, "channel-blocked, {activation:?}, {self:?}");
        }
        let got = run(&input, from[0], to[0], None);
        if let RoundedMatrix::Bf16(_) = weights {
            self.check_maps_in_bf16(weights, isa, [&input, residual.values], clamp);
        }
        got.chunks_exact(output_pixel).flat_map(|pixel| &pixel[..self.columns]).copied().collect()
    }

    /// With maps in bf16 the result is that of the same numbers in single precision, rounded.
    fn check_maps_in_bf16(
        &self,
        weights: &RoundedMatrix,
        isa: InstructionSet,
        [input, residual]: [&[f32]; 2],
        clamp: Option<Clamp>,
    ) {
        let (lanes, [_, out_columns]) = (isa.lanes(), self.out());
        let (pixel_len, found_len) = (isa.padded(self.channels), isa.padded(self.columns));
        let packed_len = isa.padded(self.channels.div_ceil(2));
        let strides = |columns: usize, pixel: usize, format: MapFormat| MapStrides {
            row: columns * pixel,
            pixel,
            vector: format.words(lanes),
        };
        // What follows a map must not show: NaN.
        let mut packed = packed_pairs(&padded_pixels(input, pixel_len, 2 * packed_len, 0.0));
        let slack = RoundedConv2d::slack(weights, self.kernel, self.strides, out_columns, packed_len);
        packed.resize(packed.len() + slack, f32::NAN);
        let convolve = |input: &[f32], input_format, pixel_len, residual: &[f32], formats: [MapFormat; 2]| {
            let [residual_len, output_len] = formats.map(|format| format.words(found_len));
            let layout = RowLayout { run_stride: out_columns * residual_len, row_stride: residual_len };
            let maps = Maps {
                input,
                input_strides: strides(self.size[1], pixel_len, input_format),
                input_format,
                pixel_len,
                residual: Residual { values: residual, layout, format: formats[0] },
                output_strides: strides(out_columns, output_len, formats[1]),
                output_format: formats[1],
            };
            self.convolve(weights, maps, clamp, None)
        };
        // Only whole vectors of pairs.
        let can_be_bf16 = found_len.is_multiple_of(2 * lanes);
        let formats = if can_be_bf16 { &[MapFormat::F32, MapFormat::Bf16][..] } else { &[MapFormat::F32] };
        for (&of_residual, &of_output) in formats.iter().flat_map(|a| formats.iter().map(move |b| (a, b))) {
            let kept = in_format(residual, of_residual);
            let exact = match of_residual {
                MapFormat::F32 => residual.to_vec(),
                MapFormat::Bf16 => unpacked_pairs(&kept),
            };
            let want = convolve(input, MapFormat::F32, pixel_len, &exact, [MapFormat::F32; 2]);
            let got = convolve(&packed, MapFormat::Bf16, packed_len, &kept, [of_residual, of_output]);
            let [got, want] =
                [got, in_format(&want, of_output)].map(|values| values.into_iter().map(f32::to_bits));
            assert!(got.eq(want), "residual in {of_residual:?}, output in {of_output:?}, {self:?}");
        }
    }

    fn convolve(
        &self,
        weights: &RoundedMatrix,
        maps: Maps,
        clamp: Option<Clamp>,
        activation: Option<Activation>,
    ) -> Vec<f32> {
        let scratch_len = RoundedConv2d::scratch_len(weights, self.kernel, self.strides);
        // What an earlier run leaves behind must not show: bits of NaN.
        let mut scratch = vec![u32::MAX; self.scratch_len.unwrap_or(scratch_len)];
        let mut output = vec![f32::NAN; self.out()[0] * maps.output_strides.row];
        RoundedConv2d {
            weights,
            input: maps.input,
            input_strides: maps.input_strides,
            input_format: maps.input_format,
            pixel_len: maps.pixel_len,
            kernel: self.kernel,
            strides: self.strides,
            size: self.out(),
            output_strides: maps.output_strides,
            output_format: maps.output_format,
            residual: Some(maps.residual),
            clamp,
            activation,
        }
        .run(&mut scratch, &mut output);
        output
    }

    /// With everything that rounds.
    fn check(&self) {
        for isa in InstructionSet::available() {
            Bf16Unit::available(isa).into_iter().for_each(|unit| self.check_bf16(unit));
            for unit in Int8Unit::available(isa) {
                self.check_int8(unit, false);
                self.check_int8(unit, true);
            }
        }
    }
}

/// What a convolution reads, and where it writes.
struct Maps<'a> {
    input: &'a [f32],
    input_strides: MapStrides,
    input_format: MapFormat,
    pixel_len: usize,
    residual: Residual<'a>,
    output_strides: MapStrides,
    output_format: MapFormat,
}

fn in_format(values: &[f32], format: MapFormat) -> Vec<f32> {
    match format {
        MapFormat::F32 => values.to_vec(),
        MapFormat::Bf16 => packed_pairs(values),
    }
}

/// Words of pairs in bf16.
fn packed_pairs(values: &[f32]) -> Vec<f32> {
    let pairs: Vec<Bf16Pair> = values.chunks_exact(2).map(|pair| Bf16Pair::new(pair[0], pair[1])).collect();
    cast_slice(&pairs).to_vec()
}

fn unpacked_pairs(words: &[f32]) -> Vec<f32> {
    cast_slice::<f32, Bf16Pair>(words).iter().flat_map(|pair| pair.numbers()).collect()
}

fn padded_pixels(values: &[f32], len: usize, padded_len: usize, filling: f32) -> Vec<f32> {
    let pixels = values.chunks_exact(len);
    pixels.flat_map(|pixel| [pixel, &vec![filling; padded_len - len]].concat()).collect()
}

#[test]
fn convolutions_equal_the_naive_loop_at_awkward_sizes() {
    for width in 1..35 {
        Case::new([1, width], 5, 1, 1, 17).check();
    }
    for channels in [1, 15, 16, 17, 31, 32, 33, 64, 65] {
        Case::new([3, 7], channels, 1, 1, 40).check();
        Case::new([4, 5], channels, 3, 1, 16).check();
    }
    for columns in [1, 16, 17, 32, 33, 48, 49, 64, 80, 96] {
        Case::new([2, 9], 24, 1, 1, columns).check();
    }
    Case::new([9, 11], 20, 3, 2, 33).check();
    for channels in [4, 8, 16, 20] {
        Case::new([9, 11], channels, 1, 2, 33).check();
    }
    Case::new([20, 19], 40, 5, 1, 24).check();
    Case { kernel: [1, 7], ..Case::new([9, 20], 33, 1, 1, 50) }.check();
    Case { strides: [2, 1], ..Case::new([9, 20], 33, 3, 1, 50) }.check();
    Case::new([7, 7], 700, 1, 1, 96).check();
    // Long sums in parts: for an odd number of tiles, for more pairs of them than meet a part, from the middle of a segment on.
    Case::new([10, 10], 700, 1, 1, 96).check();
    Case::new([13, 12], 700, 1, 1, 40).check();
    Case::new([12, 12], 160, 3, 1, 33).check();
}

#[test]
fn small_scratches_are_filled_more_often() {
    for scratch_len in [1400, 2000, 4000, 12_000] {
        let scratch_len = Some(scratch_len);
        Case { scratch_len, ..Case::new([9, 40], 20, 3, 1, 33) }.check();
        Case { scratch_len, ..Case::new([12, 17], 20, 3, 2, 33) }.check();
        Case { scratch_len, ..Case::new([1, 200], 33, 1, 1, 20) }.check();
    }
}

#[test]
fn bytes_are_the_nearest_ones_and_limited() {
    let step = 0.25;
    let input = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, -0.0, 0.125, 0.375, -0.375, 0.13];
    // A product with 127 of the bytes 0, 255, 0, 255, 0, 3, and of 3 and an even half, an even half, an odd half, more.
    let bytes = [0, 255, 0, 255, 0, 3, 4, 4, 2, 4];
    for isa in InstructionSet::available() {
        for unit in Int8Unit::available(isa) {
            let scale = ByteScale::covering(-3.0 * step, 252.0 * step);
            let matrix = MatrixView::row_major(&[127.0], 1, 1);
            let weights = PackedInt8Matrix::pack(unit, scale, &[0.0], 1, matrix, &[1.0], &[0.0]);
            let pixel_len = isa.padded(1);
            let one_row = MapStrides { row: 0, pixel: pixel_len, vector: isa.lanes() };
            let mut got = vec![f32::NAN; input.len() * pixel_len];
            RoundedConv2d {
                weights: &RoundedMatrix::Int8(weights),
                input: &padded_pixels(&input, 1, pixel_len, 0.0),
                input_strides: one_row,
                input_format: MapFormat::F32,
                pixel_len,
                kernel: [1, 1],
                strides: [1, 1],
                size: [1, input.len()],
                output_strides: one_row,
                output_format: MapFormat::F32,
                residual: None,
                clamp: None,
                activation: None,
            }
            .run(&mut [0; 1000], &mut got);
            let got: Vec<f32> = got.iter().step_by(pixel_len).map(|x| x / (127.0 * step) + 3.0).collect();
            assert_eq!(got, bytes.map(|byte| byte as f32), "{} {}", isa.name(), unit.name());
        }
    }
}

#[test]
fn what_rounding_the_weights_takes_off_a_mean_input_is_made_good() {
    let case = Case::new([3, 3], 20, 3, 1, 10);
    let values = noise(1, case.sum_len() * case.columns);
    let bias = noise(2, case.columns);
    let matrix = MatrixView::row_major(&values, case.sum_len(), case.columns);
    // A byte each, so that inputs lose nothing.
    let means: Vec<f32> = (0..case.channels).map(|channel| channel as f32 * 0.25).collect();
    let input: Vec<f32> = means.iter().copied().cycle().take(9 * case.channels).collect();
    let sum = |column: usize| {
        let product =
            |(row, x): (usize, &f32)| f64::from(*x) * f64::from(values[row * case.columns + column]);
        f64::from(bias[column]) + input.iter().enumerate().map(product).sum::<f64>()
    };
    let want: Vec<f32> = (0..case.columns).map(|column| sum(column) as f32).collect();
    for isa in InstructionSet::available() {
        for unit in Int8Unit::available(isa) {
            let run = |means: &[f32]| {
                let scale = ByteScale::covering(0.0, 255.0 * 0.25);
                let ones = vec![1.0; case.columns];
                let weights = PackedInt8Matrix::pack(unit, scale, means, 9, matrix, &ones, &bias);
                let residual = vec![0.0; case.columns];
                case.run(&RoundedMatrix::Int8(weights), isa, [&input, &residual], None)
            };
            assert_close(&run(&means), &want, Tolerance::abs(1e-3));
            let uncorrected = run(&vec![0.0; case.channels]);
            let most =
                uncorrected.iter().zip(&want).map(|(got, want)| (got - want).abs()).fold(0.0, f32::max);
            assert!(most > 0.1, "rounding shows in {uncorrected:?}, expected {want:?}");
        }
    }
}

#[test]
#[should_panic(expected = "scratch too short")]
fn a_short_scratch_is_noticed() {
    Case { scratch_len: Some(10), ..Case::new([4, 4], 20, 3, 1, 5) }.check();
}
