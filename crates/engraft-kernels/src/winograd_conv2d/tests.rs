//! Every size and every way to begin against the naive loop.

use engraft_testing::noise;

use super::*;
use crate::Bf16Pair;

/// What multiplies.
#[derive(Clone, Copy, Debug)]
enum Way {
    Single(InstructionSet, WinogradTile),
    Bf16(Bf16Unit, WinogradTile),
}

impl Way {
    fn all() -> impl Iterator<Item = Way> {
        InstructionSet::available().into_iter().flat_map(|isa| {
            let tiles = [WinogradTile::TwoByTwo, WinogradTile::FourByFour].map(|tile| Way::Single(isa, tile));
            let rounded = |unit| Way::Bf16(unit, WinogradTile::TwoByTwo);
            tiles.into_iter().chain(Bf16Unit::available(isa).into_iter().map(rounded))
        })
    }

    fn isa(self) -> InstructionSet {
        match self {
            Way::Single(isa, _) => isa,
            Way::Bf16(unit, _) => unit.isa(),
        }
    }

    fn pack(self, channels: usize, kernel: &[f32], bias: &[f32]) -> PackedWinograd {
        let scale = vec![1.0; bias.len()];
        match self {
            Way::Single(isa, tile) => PackedWinograd::pack(isa, tile, channels, kernel, &scale, bias),
            Way::Bf16(unit, tile) => PackedWinograd::pack_bf16(unit, tile, channels, kernel, &scale, bias),
        }
    }

    /// Numbers as a direct convolution multiplies them.
    fn rounded(self, numbers: &[f32]) -> Vec<f32> {
        let round = |x: f32| match self {
            Way::Single(..) => x,
            Way::Bf16(..) => Bf16Pair::new(x, 0.0).numbers()[0],
        };
        numbers.iter().copied().map(round).collect()
    }
}

#[derive(Debug)]
struct Case {
    /// Rows and columns of output pixels.
    size: [usize; 2],
    channels: usize,
    filters: usize,
}

impl Case {
    /// Everything added in double precision; `input` has pixels of `pixel` elements.
    fn naive(&self, input: &[f32], pixel: usize, kernel: &[f32], bias: &[f32]) -> Vec<f32> {
        let [height, width] = self.size;
        let mut output = Vec::new();
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            for (filter, &bias) in bias.iter().enumerate() {
                let mut sum = f64::from(bias);
                for (tap, channel) in (0..9).flat_map(|tap| (0..self.channels).map(move |c| (tap, c))) {
                    let at = ((y + tap / 3) * (width + 2) + x + tap % 3) * pixel + channel;
                    let weight = kernel[(tap * self.channels + channel) * self.filters + filter];
                    sum += f64::from(input[at]) * f64::from(weight);
                }
                output.push(sum.max(0.0) as f32);
            }
        }
        output
    }

    /// What a way gives, and what a direct convolution with numbers rounded alike and an exact one would. A scratch that is not whole
    /// has room for the tiles of one row.
    fn outputs(&self, way: Way, whole_scratch: bool) -> [Vec<f32>; 3] {
        let [height, width] = self.size;
        let [pixel, out_pixel] = [self.channels, self.filters].map(|len| way.isa().padded(len));
        // What fills up a pixel must not matter.
        let input = noise(1, (height + 2) * (width + 2) * pixel);
        let kernel = noise(2, 9 * self.channels * self.filters);
        let bias = noise(3, self.filters);
        let want = self.naive(&input, pixel, &kernel, &bias);
        let direct = self.naive(&way.rounded(&input), pixel, &way.rounded(&kernel), &bias);
        let weights = way.pack(self.channels, &kernel, &bias);
        let rows = if whole_scratch { height } else { 1 };
        let mut scratch = vec![f32::NAN; weights.scratch_len([rows, width])];
        let mut got = vec![f32::NAN; height * width * out_pixel];
        WinogradConv2d {
            weights: &weights,
            input: &input,
            input_strides: [(width + 2) * pixel, pixel],
            size: self.size,
            output_strides: [width * out_pixel, out_pixel],
            clamp: Some(Clamp::RELU),
            activation: None,
        }
        .run(&mut scratch, &mut got);
        let pixels = got.chunks_exact(out_pixel).flat_map(|pixel| &pixel[..self.filters]);
        [pixels.copied().collect(), direct, want]
    }
}

/// The square root of the mean square error and the greatest error, as shares of the greatest output.
fn errors(found: &[f32], want: &[f32]) -> [f64; 2] {
    let differences = || found.iter().zip(want).map(|(found, want)| f64::from(found - want));
    let largest = f64::from(want.iter().fold(0.0, |largest: f32, x| largest.max(x.abs())));
    let mean = differences().map(|x| x * x).sum::<f64>() / want.len() as f64;
    let worst = differences().fold(0.0, |worst: f64, x| if x.is_nan() { x } else { worst.max(x.abs()) });
    [mean.sqrt() / largest, worst / largest]
}

#[test]
fn every_size_equals_the_naive_loop() {
    for way in Way::all() {
        for (size, channels, filters) in [
            ([4, 4], 1, 1),
            ([1, 1], 5, 3),
            ([2, 9], 17, 33),
            ([7, 6], 32, 16),
            ([14, 14], 64, 48),
            ([13, 35], 20, 40),
            ([9, 8], 300, 10),
        ] {
            let case = Case { size, channels, filters };
            let [got, direct, want] = case.outputs(way, true);
            let [error, worst] = errors(&got, &want);
            let row = format!("{case:?}, {way:?}: {error:e} of the greatest output, {worst:e} at worst");
            match way {
                Way::Single(..) => assert!(worst < 1e-5, "{row}"),
                Way::Bf16(..) => {
                    // Rounded sums of pixels carry more of what rounding costs, in theory 1.7 times as much; of few numbers, by
                    // chance.
                    let most_times = if channels < 16 { 10.0 } else { 2.5 };
                    let [directly, _] = errors(&direct, &want);
                    assert!(error < most_times * directly, "{row}, directly {directly:e}");
                }
            }
            let [in_bands, ..] = case.outputs(way, false);
            assert_eq!(in_bands, got, "{row}");
        }
    }
}

#[test]
fn parts_that_begin_at_whole_tiles_give_the_same_bits() {
    for way in Way::all() {
        let pixel = way.isa().padded(16);
        let (height, width) = (11, 6);
        let strides = [(width + 2) * pixel, pixel];
        let input = noise(1, (height + 2) * strides[0]);
        let kernel = noise(2, 9 * 16 * 16);
        let weights = way.pack(16, &kernel, &[0.5; 16]);
        let run = |first: usize, rows: usize, output: &mut [f32]| {
            let mut scratch = vec![f32::NAN; weights.scratch_len([rows, width])];
            WinogradConv2d {
                weights: &weights,
                input: &input[first * strides[0]..],
                input_strides: strides,
                size: [rows, width],
                output_strides: [width * pixel, pixel],
                clamp: None,
                activation: Some(Activation::Silu),
            }
            .run(&mut scratch, output);
        };
        let mut whole = vec![f32::NAN; height * width * pixel];
        run(0, height, &mut whole);
        let mut parts = vec![f32::NAN; whole.len()];
        let first = 2 * weights.tile().side();
        let (above, below) = parts.split_at_mut(first * width * pixel);
        run(0, first, above);
        run(first, height - first, below);
        assert_eq!(whole, parts, "{way:?}");
    }
}
