//! Every size and every way to begin against the naive loop.

use engraft_testing::noise;

use super::*;
use crate::Bf16Pair;

/// What multiplies.
#[derive(Clone, Copy, Debug)]
enum Way {
    Single(InstructionSet, WinogradTile),
    Bf16(Bf16Unit),
}

impl Way {
    fn all() -> impl Iterator<Item = Way> {
        InstructionSet::available().into_iter().flat_map(|isa| {
            let tiles = [WinogradTile::TwoByTwo, WinogradTile::FourByFour].map(|tile| Way::Single(isa, tile));
            tiles.into_iter().chain(Bf16Unit::available(isa).into_iter().map(Way::Bf16))
        })
    }

    fn isa(self) -> InstructionSet {
        match self {
            Way::Single(isa, _) => isa,
            Way::Bf16(unit) => unit.isa(),
        }
    }

    fn pack(self, channels: usize, kernel: &[f32], bias: &[f32]) -> PackedWinograd {
        let scale = vec![1.0; bias.len()];
        match self {
            Way::Single(isa, tile) => PackedWinograd::pack(isa, tile, channels, kernel, &scale, bias),
            Way::Bf16(unit) => PackedWinograd::pack_bf16(unit, channels, kernel, &scale, bias),
        }
    }

    /// Numbers as a direct convolution multiplies them.
    fn rounded(self, numbers: &[f32]) -> Vec<f32> {
        let round = |x: f32| match self {
            Way::Single(..) => x,
            Way::Bf16(_) => Bf16Pair::new(x, 0.0).numbers()[0],
        };
        numbers.iter().copied().map(round).collect()
    }
}

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

    /// The errors of a way and of a direct convolution with numbers rounded alike: the square roots of their mean squares, as
    /// shares of the greatest output.
    fn errors(&self, way: Way) -> [f64; 2] {
        let [height, width] = self.size;
        let [pixel, out_pixel] = [self.channels, self.filters].map(|len| way.isa().padded(len));
        // What fills up a pixel must not matter.
        let input = noise(1, (height + 2) * (width + 2) * pixel);
        let kernel = noise(2, 9 * self.channels * self.filters);
        let bias = noise(3, self.filters);
        let want = self.naive(&input, pixel, &kernel, &bias);
        let direct = self.naive(&way.rounded(&input), pixel, &way.rounded(&kernel), &bias);
        let weights = way.pack(self.channels, &kernel, &bias);
        let mut scratch = vec![f32::NAN; weights.scratch_len(self.size)];
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
        let got: Vec<f32> =
            got.chunks_exact(out_pixel).flat_map(|pixel| &pixel[..self.filters]).copied().collect();
        [got, direct].map(|found| share_of_error(&found, &want))
    }
}

fn share_of_error(found: &[f32], want: &[f32]) -> f64 {
    let squares = found.iter().zip(want).map(|(found, want)| f64::from(found - want).powi(2));
    let largest = want.iter().fold(0.0, |largest: f32, x| largest.max(x.abs()));
    (squares.sum::<f64>() / want.len() as f64).sqrt() / f64::from(largest)
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
            let [error, direct] = Case { size, channels, filters }.errors(way);
            // Sums of rounded pixels carry more of what rounding costs, in theory 1.7 times as much; of few numbers, by chance.
            let most_times = if channels < 16 { 10.0 } else { 2.5 };
            let most = MOST_ERROR_IN_SINGLE + most_times * direct;
            let row = format!("{size:?}, {channels} channels, {filters} filters, {way:?}");
            assert!(error < most, "{row}: {error:e} of the greatest output, directly {direct:e}");
        }
    }
}

/// As a share of the greatest output.
const MOST_ERROR_IN_SINGLE: f64 = 2e-6;

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
