//! 3x3 convolution with a stride of one by fewer multiplications: tiles of 4x4 output pixels are computed from 36 matrix
//! products instead of 144, or tiles of 2x2 from 16 instead of 36.
//!
//! The input pixels that a tile is computed from are transformed to as many others, each of these is multiplied with a matrix
//! of its own, made from the filters, and the products are transformed to output pixels. All tiles of a band share the
//! matrices.
//!
//! Source: Lavin and Gray, "Fast algorithms for convolutional neural networks" (2015), arXiv:1509.09308.

mod tile;

use crate::arch::{Isa, SimdOp};
use crate::{
    Activation, AlignedBuffer, Clamp, Gemm, InstructionSet, MatrixView, PackedMatrix, Region, RowLayout,
    Segments,
};
pub use tile::WinogradTile;
use tile::{FourByFour, Transform, TwoByTwo};

/// Most elements of transformed input and products in a band: they stay in the second-level cache.
const MOST_BAND_ELEMENTS: usize = 320 << 10;

/// Fewest tiles in a band: all transformed filters are read for them.
const LEAST_BAND_TILES: usize = 24;

/// The transformed filters and the bias of a convolution, packed for one instruction set.
#[derive(Debug)]
pub struct PackedWinograd {
    isa: InstructionSet,
    tile: WinogradTile,
    /// For each pixel of a transformed window, `[channels, filters]`.
    matrices: Vec<PackedMatrix>,
    /// One for each filter; zero up to whole vectors.
    bias: AlignedBuffer,
}

impl PackedWinograd {
    /// Packs filters of `[3, 3, channels, filters]`, each multiplied by its element of `scale` and with its element of
    /// `bias`.
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn pack(
        isa: InstructionSet,
        tile: WinogradTile,
        channels: usize,
        kernel: &[f32],
        scale: &[f32],
        bias: &[f32],
    ) -> PackedWinograd {
        let filters = scale.len();
        let mut padded_bias = AlignedBuffer::zeroed(isa.padded(filters));
        padded_bias[..filters].copy_from_slice(&bias[..filters]);
        let len = channels * filters;
        let transformed = match tile {
            WinogradTile::TwoByTwo => transform_filters(TwoByTwo, kernel, len),
            WinogradTile::FourByFour => transform_filters(FourByFour, kernel, len),
        };
        let matrices = transformed.chunks_exact(len).map(|values| {
            PackedMatrix::pack(isa, MatrixView::row_major(values, channels, filters), Some(scale), None)
        });
        PackedWinograd { isa, tile, matrices: matrices.collect(), bias: padded_bias }
    }

    /// What the outputs are computed in: parts of them must begin at a multiple of its side.
    pub fn tile(&self) -> WinogradTile {
        self.tile
    }

    /// Moves what it holds to a region.
    pub fn move_to(&mut self, region: &mut Region) {
        self.matrices.iter_mut().for_each(|matrix| matrix.move_to(region));
        region.take_in(&mut self.bias);
    }

    /// Memory it takes, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.matrices.iter().map(PackedMatrix::size_bytes).sum::<usize>() + size_of_val::<[f32]>(&self.bias)
    }

    /// Elements of scratch memory that an output of that many rows and columns needs.
    pub fn scratch_len(&self, size: [usize; 2]) -> usize {
        let tiles = self.most_tiles().min(self.tile.count(size));
        tiles * (self.tile_len(self.channels()) + self.tile_len(self.bias.len()))
    }

    fn channels(&self) -> usize {
        self.isa.padded(self.matrices[0].rows())
    }

    /// Most tiles in a band.
    fn most_tiles(&self) -> usize {
        let per_tile = self.matrices.len() * (self.channels() + self.bias.len());
        (MOST_BAND_ELEMENTS / per_tile).max(LEAST_BAND_TILES)
    }

    /// Tiles in a band: nearly as many in each as in any other.
    fn band_tiles(&self, size: [usize; 2]) -> usize {
        let tiles = self.tile.count(size).max(1);
        tiles.div_ceil(tiles.div_ceil(self.most_tiles()))
    }

    /// Elements from one tile to the next. Not a power of two, which would crowd a few sets of the cache.
    fn tile_len(&self, pixel_len: usize) -> usize {
        self.matrices.len() * pixel_len + self.isa.lanes()
    }
}

/// The matrix `[channels, filters]` of every product, from `[3, 3, channels, filters]`; `len` is the size of one.
fn transform_filters<T: Transform<TILE, WINDOW>, const TILE: usize, const WINDOW: usize>(
    transform: T,
    kernel: &[f32],
    len: usize,
) -> Vec<f32> {
    let mut transformed = vec![0.0; WINDOW * WINDOW * len];
    for element in 0..len {
        let taps = [0, 1, 2].map(|y| [0, 1, 2].map(|x| f64::from(kernel[(y * 3 + x) * len + element])));
        let columns = [0, 1, 2].map(|x| transform.taps(taps.map(|row| row[x])));
        for y in 0..WINDOW {
            for (x, value) in transform.taps(columns.map(|column| column[y])).into_iter().enumerate() {
                transformed[(y * WINDOW + x) * len + element] = value as f32;
            }
        }
    }
    transformed
}

/// `output = activation(clamp(convolution(input) + bias))` for a rectangle of output pixels. There is no padding: the input
/// holds all windows, zeros included. Pixels of input and output are padded to whole vectors.
#[derive(Clone, Copy)]
pub struct WinogradConv2d<'a> {
    /// Filters and bias.
    pub weights: &'a PackedWinograd,
    /// Starts at the window of the first output pixel.
    pub input: &'a [f32],
    /// Elements between rows and between neighbouring pixels of the input.
    pub input_strides: [usize; 2],
    /// Rows and columns of output pixels.
    pub size: [usize; 2],
    /// Elements between rows and between neighbouring pixels of the output.
    pub output_strides: [usize; 2],
    /// Limits the output.
    pub clamp: Option<Clamp>,
    /// Applied last.
    pub activation: Option<Activation>,
}

impl WinogradConv2d<'_> {
    /// Computes the pixels into `output`, which starts at the first of them. `scratch` has at least
    /// [`PackedWinograd::scratch_len`] elements; what it holds does not matter.
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn run(self, scratch: &mut [f32], output: &mut [f32]) {
        match self.weights.tile {
            WinogradTile::TwoByTwo => self.run_bands(TwoByTwo, scratch, output),
            WinogradTile::FourByFour => self.run_bands(FourByFour, scratch, output),
        }
        if let Some(activation) = self.activation {
            let [row_stride, pixel_stride] = self.output_strides;
            for row in output.chunks_mut(row_stride).take(self.size[0]) {
                for pixel in row.chunks_mut(pixel_stride).take(self.size[1]) {
                    activation.run(self.weights.isa, &mut pixel[..self.weights.bias.len()]);
                }
            }
        }
    }

    fn run_bands<T: Transform<TILE, WINDOW>, const TILE: usize, const WINDOW: usize>(
        &self,
        transform: T,
        scratch: &mut [f32],
        output: &mut [f32],
    ) {
        let weights = self.weights;
        let (tiles, columns) = (weights.tile.count(self.size), self.size[1].div_ceil(TILE));
        let most = weights.band_tiles(self.size);
        let tile_lens = [weights.channels(), weights.bias.len()].map(|len| weights.tile_len(len));
        let (windows, products) = scratch.split_at_mut(most * tile_lens[0]);
        for first in (0..tiles).step_by(most) {
            let band = Band { layer: self, columns, first, count: most.min(tiles - first), tile_lens };
            weights.isa.run(TransformInput { band, transform, windows });
            band.multiply(windows, products);
            weights.isa.run(TransformOutput { band, transform, products, output });
        }
    }
}

/// Tiles that are computed together.
#[derive(Clone, Copy)]
struct Band<'a> {
    layer: &'a WinogradConv2d<'a>,
    /// Tiles in a row of them.
    columns: usize,
    first: usize,
    count: usize,
    /// Elements between transformed windows and between the products of tiles.
    tile_lens: [usize; 2],
}

impl Band<'_> {
    /// The first output row and column of a tile of the band, and how many of them there are.
    fn tile(&self, index: usize) -> ([usize; 2], [usize; 2]) {
        let (tile, side) = (self.first + index, self.layer.weights.tile.side());
        let start = [tile / self.columns * side, tile % self.columns * side];
        let [height, width] = self.layer.size;
        (start, [side.min(height - start[0]), side.min(width - start[1])])
    }

    fn multiply(&self, windows: &[f32], products: &mut [f32]) {
        let weights = self.layer.weights;
        let [channels, filters] = [weights.channels(), weights.bias.len()];
        let [inputs, outputs] = self.tile_lens.map(|len| RowLayout { run_stride: 0, row_stride: len });
        let followers = weights.matrices.iter().cycle().skip(1);
        for (product, (matrix, next)) in weights.matrices.iter().zip(followers).enumerate() {
            Gemm {
                weights: matrix,
                input: &windows[product * channels..],
                input_layout: inputs,
                segments: Segments::one(matrix.rows()),
                run_count: 1,
                run_len: self.count,
                output_layout: outputs,
                output_columns: filters,
                output_vector_stride: None,
                residual: None,
                clamp: None,
                activation: None,
            }
            .run_before(next, &mut products[product * filters..]);
        }
    }
}

/// Transforms the windows of a band to `[tiles, products, channels]`.
struct TransformInput<'a, T, const TILE: usize, const WINDOW: usize> {
    band: Band<'a>,
    transform: T,
    windows: &'a mut [f32],
}

impl<T: Transform<TILE, WINDOW>, const TILE: usize, const WINDOW: usize> SimdOp
    for TransformInput<'_, T, TILE, WINDOW>
{
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let TransformInput { band, transform, windows } = self;
        let layer = band.layer;
        let channels = layer.weights.channels();
        let [row_stride, pixel_stride] = layer.input_strides;
        for tile in 0..band.count {
            let ([row, column], size) = band.tile(tile);
            let [height, width] = size.map(|len| len + 2);
            let input = &layer.input[row * row_stride + column * pixel_stride..];
            for channel in (0..channels).step_by(I::LANES) {
                let mut rows = [[isa.splat(0.0); WINDOW]; WINDOW];
                for x in 0..WINDOW {
                    let mut column = [isa.splat(0.0); WINDOW];
                    for (y, pixel) in column.iter_mut().enumerate() {
                        if y < height && x < width {
                            *pixel = isa.load(&input[y * row_stride + x * pixel_stride + channel..]);
                        }
                    }
                    for (row, value) in rows.iter_mut().zip(transform.pixels(isa, column)) {
                        row[x] = value;
                    }
                }
                let to = &mut windows[tile * band.tile_lens[0] + channel..];
                for (y, row) in rows.iter().enumerate() {
                    for (x, value) in transform.pixels(isa, *row).iter().enumerate() {
                        isa.store(*value, &mut to[(y * WINDOW + x) * channels..]);
                    }
                }
            }
        }
    }
}

/// Transforms products of `[tiles, products, filters]` to the output pixels of a band.
struct TransformOutput<'a, T, const TILE: usize, const WINDOW: usize> {
    band: Band<'a>,
    transform: T,
    products: &'a [f32],
    output: &'a mut [f32],
}

impl<T: Transform<TILE, WINDOW>, const TILE: usize, const WINDOW: usize> SimdOp
    for TransformOutput<'_, T, TILE, WINDOW>
{
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let TransformOutput { band, transform, products, output } = self;
        let layer = band.layer;
        let bias = &layer.weights.bias;
        let [row_stride, pixel_stride] = layer.output_strides;
        for tile in 0..band.count {
            let ([row, column], [height, width]) = band.tile(tile);
            let output = &mut output[row * row_stride + column * pixel_stride..];
            for filter in (0..bias.len()).step_by(I::LANES) {
                let from = &products[tile * band.tile_lens[1] + filter..];
                let mut rows = [[isa.splat(0.0); WINDOW]; TILE];
                for x in 0..WINDOW {
                    let mut column = [isa.splat(0.0); WINDOW];
                    for (y, product) in column.iter_mut().enumerate() {
                        *product = isa.load(&from[(y * WINDOW + x) * bias.len()..]);
                    }
                    for (row, value) in rows.iter_mut().zip(transform.products(isa, column)) {
                        row[x] = value;
                    }
                }
                let bias = isa.load(&bias[filter..]);
                for (y, row) in rows.iter().enumerate() {
                    for (x, sum) in transform.products(isa, *row).iter().enumerate() {
                        let mut sum = isa.add(*sum, bias);
                        if let Some(clamp) = layer.clamp {
                            sum = clamp.apply(isa, sum);
                        }
                        if y < height && x < width {
                            isa.store(sum, &mut output[y * row_stride + x * pixel_stride + filter..]);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use engraft_testing::noise;

    use super::*;

    fn everywhere() -> impl Iterator<Item = (InstructionSet, WinogradTile)> {
        let tiles = [WinogradTile::TwoByTwo, WinogradTile::FourByFour];
        InstructionSet::available().into_iter().flat_map(move |isa| tiles.map(|tile| (isa, tile)))
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

        /// The greatest difference from the naive loop, as a share of the greatest output.
        fn error(&self, isa: InstructionSet, tile: WinogradTile) -> f32 {
            let [height, width] = self.size;
            let [pixel, out_pixel] = [self.channels, self.filters].map(|len| isa.padded(len));
            // What fills up a pixel must not matter.
            let input = noise(1, (height + 2) * (width + 2) * pixel);
            let kernel = noise(2, 9 * self.channels * self.filters);
            let bias = noise(3, self.filters);
            let want = self.naive(&input, pixel, &kernel, &bias);
            let scale = vec![1.0; self.filters];
            let weights = PackedWinograd::pack(isa, tile, self.channels, &kernel, &scale, &bias);
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
            let largest = want.iter().fold(0.0, |largest: f32, x| largest.max(x.abs()));
            let pixels = got.chunks_exact(out_pixel).zip(want.chunks_exact(self.filters));
            let differences =
                pixels.flat_map(|(got, want)| got.iter().zip(want).map(|(got, want)| got - want));
            differences.fold(0.0, |worst: f32, x| if x.is_nan() { x } else { worst.max(x.abs()) }) / largest
        }
    }

    #[test]
    fn every_size_equals_the_naive_loop() {
        for (isa, tile) in everywhere() {
            for (size, channels, filters) in [
                ([4, 4], 1, 1),
                ([1, 1], 5, 3),
                ([2, 9], 17, 33),
                ([7, 6], 32, 16),
                ([14, 14], 64, 48),
                ([13, 35], 20, 40),
                ([9, 8], 300, 10),
            ] {
                let error = Case { size, channels, filters }.error(isa, tile);
                let row =
                    format!("{size:?}, {channels} channels, {filters} filters, {}, {tile:?}", isa.name());
                assert!(error < 1e-5, "{row}: {error:e} of the greatest output");
            }
        }
    }

    #[test]
    fn parts_that_begin_at_whole_tiles_give_the_same_bits() {
        for (isa, tile) in everywhere() {
            let pixel = isa.padded(16);
            let (height, width) = (11, 6);
            let strides = [(width + 2) * pixel, pixel];
            let input = noise(1, (height + 2) * strides[0]);
            let kernel = noise(2, 9 * 16 * 16);
            let weights = PackedWinograd::pack(isa, tile, 16, &kernel, &[1.0; 16], &[0.5; 16]);
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
            let first = 2 * tile.side();
            let (above, below) = parts.split_at_mut(first * width * pixel);
            run(0, first, above);
            run(first, height - first, below);
            assert_eq!(whole, parts, "{}, {tile:?}", isa.name());
        }
    }
}
