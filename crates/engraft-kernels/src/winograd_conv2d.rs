//! 3x3 convolution with a stride of one by fewer multiplications: tiles of 4x4 output pixels are computed from 36 matrix
//! products instead of 144, or tiles of 2x2 from 16 instead of 36.
//!
//! The input pixels that a tile is computed from are transformed to as many others, each of these is multiplied with a matrix
//! of its own, made from the filters, and the products are transformed to output pixels. All tiles of a band share the
//! matrices. In bf16 the transformed pixels and the matrices are rounded, nothing else.
//!
//! Source: Lavin and Gray, "Fast algorithms for convolutional neural networks" (2015), arXiv:1509.09308.

mod band;
mod tile;

use bytemuck::cast_slice_mut;

use crate::{
    Activation, AlignedBuffer, Bf16Unit, Clamp, InstructionSet, MatrixView, PackedBf16Matrix, PackedMatrix,
    Region, RowLayout,
};
use band::{Band, MultiplyRounded, TransformAndRound, TransformInput, TransformOutput};
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
    /// Channels of the input, padded to whole vectors.
    channels: usize,
    matrices: Matrices,
    /// One for each filter; zero up to whole vectors.
    bias: AlignedBuffer,
}

/// For each pixel of a transformed window, `[channels, filters]`.
#[derive(Debug)]
enum Matrices {
    Single(Vec<PackedMatrix>),
    Bf16(Bf16Unit, Vec<PackedBf16Matrix>),
}

impl Matrices {
    fn filters(&self) -> usize {
        match self {
            Matrices::Single(matrices) => matrices[0].columns(),
            Matrices::Bf16(_, matrices) => matrices[0].columns(),
        }
    }
}

impl PackedWinograd {
    /// Packs filters of `[3, 3, channels, filters]`, each multiplied by its element of `scale` and with its element of
    /// `bias`.
    ///
    /// # Panics
    /// If a slice is too short, or the bias does not have as many elements as the scale.
    pub fn pack(
        isa: InstructionSet,
        tile: WinogradTile,
        channels: usize,
        kernel: &[f32],
        scale: &[f32],
        bias: &[f32],
    ) -> PackedWinograd {
        let pack = |matrix: MatrixView| PackedMatrix::pack(isa, matrix, Some(scale), None);
        let matrices = Matrices::Single(each_matrix(tile, [channels, scale.len()], kernel, pack));
        PackedWinograd::new(isa, tile, channels, matrices, bias)
    }

    /// As [`PackedWinograd::pack`], with products of numbers rounded to bf16. (Not for tiles of 4x4: their products cancel each other,
    /// and what rounding has cost is left.)
    ///
    /// # Panics
    /// If a slice is too short, or the bias does not have as many elements as the scale.
    pub fn pack_bf16(
        unit: Bf16Unit,
        tile: WinogradTile,
        channels: usize,
        kernel: &[f32],
        scale: &[f32],
        bias: &[f32],
    ) -> PackedWinograd {
        let no_bias = vec![0.0; scale.len()];
        let pack = |matrix: MatrixView| PackedBf16Matrix::pack(unit, 1, matrix, scale, &no_bias);
        let matrices = Matrices::Bf16(unit, each_matrix(tile, [channels, scale.len()], kernel, pack));
        PackedWinograd::new(unit.isa(), tile, channels, matrices, bias)
    }

    fn new(
        isa: InstructionSet,
        tile: WinogradTile,
        channels: usize,
        matrices: Matrices,
        bias: &[f32],
    ) -> PackedWinograd {
        assert_eq!(matrices.filters(), bias.len(), "a bias for each filter");
        let mut padded_bias = AlignedBuffer::zeroed(isa.padded(bias.len()));
        padded_bias[..bias.len()].copy_from_slice(bias);
        PackedWinograd { isa, tile, channels: isa.padded(channels), matrices, bias: padded_bias }
    }

    /// What the outputs are computed in: parts of them must begin at a multiple of its side.
    pub fn tile(&self) -> WinogradTile {
        self.tile
    }

    /// Whether the products are of numbers rounded to bf16.
    pub fn is_bf16(&self) -> bool {
        matches!(self.matrices, Matrices::Bf16(..))
    }

    /// Moves what it holds to a region.
    pub fn move_to(&mut self, region: &mut Region) {
        match &mut self.matrices {
            Matrices::Single(matrices) => matrices.iter_mut().for_each(|matrix| matrix.move_to(region)),
            Matrices::Bf16(_, matrices) => matrices.iter_mut().for_each(|matrix| matrix.move_to(region)),
        }
        region.take_in(&mut self.bias);
    }

    /// Memory it takes, in bytes.
    pub fn size_bytes(&self) -> usize {
        let matrices: usize = match &self.matrices {
            Matrices::Single(matrices) => matrices.iter().map(PackedMatrix::size_bytes).sum(),
            Matrices::Bf16(_, matrices) => matrices.iter().map(PackedBf16Matrix::size_bytes).sum(),
        };
        matrices + size_of_val::<[f32]>(&self.bias)
    }

    /// Elements of scratch memory that an output of that many rows and columns needs.
    pub fn scratch_len(&self, size: [usize; 2]) -> usize {
        let [windows, products] = self.tile_lens();
        self.most_tiles().min(self.tile.count(size)) * (windows + products) + self.rounding_len()
    }

    /// Words of 32 bits of a transformed window for one product: channels or pairs of them.
    fn window_words(&self) -> usize {
        match &self.matrices {
            Matrices::Single(_) => self.channels,
            Matrices::Bf16(unit, _) => unit.pairs(self.channels),
        }
    }

    /// Elements that only rounding needs: a transformed window, and what must follow the rounded ones.
    fn rounding_len(&self) -> usize {
        match &self.matrices {
            Matrices::Single(_) => 0,
            Matrices::Bf16(unit, _) => {
                let windows = RowLayout { run_stride: 0, row_stride: self.tile_lens()[0] };
                self.tile.products() * self.channels + unit.slack(windows)
            }
        }
    }

    /// Most tiles in a band.
    fn most_tiles(&self) -> usize {
        (MOST_BAND_ELEMENTS / self.tile_lens().iter().sum::<usize>()).max(LEAST_BAND_TILES)
    }

    /// Tiles in a band, for which the scratch has room: nearly as many in each as in any other.
    fn band_tiles(&self, size: [usize; 2], scratch_len: usize) -> usize {
        let [windows, products] = self.tile_lens();
        let room = scratch_len.saturating_sub(self.rounding_len()) / (windows + products);
        assert!(room > 0, "scratch too short");
        let tiles = self.tile.count(size).max(1);
        tiles.div_ceil(tiles.div_ceil(room.min(self.most_tiles())))
    }

    /// Elements from one transformed window to the next, and from the products of one tile to those of the next. Not powers of
    /// two, which would crowd a few sets of the cache.
    fn tile_lens(&self) -> [usize; 2] {
        [self.window_words(), self.bias.len()].map(|len| self.tile.products() * len + self.isa.lanes())
    }
}

/// Packs the matrix `[channels, filters]` of every product, made from `[3, 3, channels, filters]`.
fn each_matrix<M>(
    tile: WinogradTile,
    [channels, filters]: [usize; 2],
    kernel: &[f32],
    pack: impl Fn(MatrixView) -> M,
) -> Vec<M> {
    let len = channels * filters;
    let transformed = match tile {
        WinogradTile::TwoByTwo => transform_filters(TwoByTwo, kernel, len),
        WinogradTile::FourByFour => transform_filters(FourByFour, kernel, len),
    };
    let matrices = transformed.chunks_exact(len);
    matrices.map(|values| pack(MatrixView::row_major(values, channels, filters))).collect()
}

/// The numbers of those matrices; `len` is the size of one.
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
    /// Computes the pixels into `output`, which starts at the first of them. `scratch` has [`PackedWinograd::scratch_len`] elements;
    /// with fewer the weights are read more often. What it holds does not matter.
    ///
    /// # Panics
    /// If a slice is too short, or the scratch has no room for a single tile.
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
        let most = weights.band_tiles(self.size, scratch.len());
        let tile_lens = weights.tile_lens();
        let (products, windows) = scratch.split_at_mut(most * tile_lens[1]);
        for first in (0..tiles).step_by(most) {
            let band = Band { layer: self, columns, first, count: most.min(tiles - first), tile_lens };
            match &weights.matrices {
                Matrices::Single(matrices) => {
                    weights.isa.run(TransformInput { band, transform, windows });
                    band.multiply(matrices, windows, products);
                }
                Matrices::Bf16(unit, matrices) => {
                    let (window, rounded) = windows.split_at_mut(WINDOW * WINDOW * weights.channels);
                    let rounded = cast_slice_mut(rounded);
                    unit.run(TransformAndRound { band, transform, window, rounded });
                    let ready = unit.multiplier();
                    unit.run(MultiplyRounded { band, matrices, windows: rounded, products, ready });
                }
            }
            weights.isa.run(TransformOutput { band, transform, products, output });
        }
    }
}

#[cfg(test)]
mod tests;
