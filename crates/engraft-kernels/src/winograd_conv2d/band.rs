//! Tiles that are computed together: transformed, multiplied, and transformed to output pixels.
//!
//! Source: Lavin and Gray (2015), arXiv:1509.09308.

use super::WinogradConv2d;
use super::tile::Transform;
use crate::arch::{Isa, Multiplier, PanelProduct, Pixels, SimdOp, round_pixels};
use crate::{Bf16Pair, Gemm, MapFormat, PackedBf16Matrix, PackedMatrix, RowLayout, Segments};

/// Tiles that are computed together.
#[derive(Clone, Copy)]
pub(super) struct Band<'a> {
    pub layer: &'a WinogradConv2d<'a>,
    /// Tiles in a row of them.
    pub columns: usize,
    pub first: usize,
    pub count: usize,
    /// Elements between transformed windows and between the products of tiles.
    pub tile_lens: [usize; 2],
}

impl Band<'_> {
    /// The first output row and column of a tile of the band, and how many of them there are.
    fn tile(&self, index: usize) -> ([usize; 2], [usize; 2]) {
        let (tile, side) = (self.first + index, self.layer.weights.tile.side());
        let start = [tile / self.columns * side, tile % self.columns * side];
        let [height, width] = self.layer.size;
        (start, [side.min(height - start[0]), side.min(width - start[1])])
    }

    /// Multiplies transformed windows of `[tiles, products, channels]`.
    pub(super) fn multiply(&self, matrices: &[PackedMatrix], windows: &[f32], products: &mut [f32]) {
        let weights = self.layer.weights;
        let [channels, filters] = [weights.channels, weights.bias.len()];
        let [inputs, outputs] = self.row_layouts();
        let followers = matrices.iter().cycle().skip(1);
        for (product, (matrix, next)) in matrices.iter().zip(followers).enumerate() {
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

    /// A row for each tile, of windows and of products.
    fn row_layouts(&self) -> [RowLayout; 2] {
        self.tile_lens.map(|len| RowLayout { run_stride: 0, row_stride: len })
    }

    /// Transforms the window of a tile to `[products, channels]`.
    #[inline(always)]
    fn transform_window<I: Isa, T: Transform<TILE, WINDOW>, const TILE: usize, const WINDOW: usize>(
        &self,
        isa: I,
        transform: T,
        tile: usize,
        to: &mut [f32],
    ) {
        let layer = self.layer;
        let channels = layer.weights.channels;
        let [row_stride, pixel_stride] = layer.input_strides;
        let ([row, column], size) = self.tile(tile);
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
            let to = &mut to[channel..];
            for (y, row) in rows.iter().enumerate() {
                for (x, value) in transform.pixels(isa, *row).iter().enumerate() {
                    isa.store(*value, &mut to[(y * WINDOW + x) * channels..]);
                }
            }
        }
    }
}

/// Transforms the windows of a band to `[tiles, products, channels]`.
pub(super) struct TransformInput<'a, T, const TILE: usize, const WINDOW: usize> {
    pub band: Band<'a>,
    pub transform: T,
    pub windows: &'a mut [f32],
}

impl<T: Transform<TILE, WINDOW>, const TILE: usize, const WINDOW: usize> SimdOp
    for TransformInput<'_, T, TILE, WINDOW>
{
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let TransformInput { band, transform, windows } = self;
        for tile in 0..band.count {
            band.transform_window(isa, transform, tile, &mut windows[tile * band.tile_lens[0]..]);
        }
    }
}

/// Transforms the windows of a band and rounds them, to `[tiles, products, pairs of channels]`.
pub(super) struct TransformAndRound<'a, T, const TILE: usize, const WINDOW: usize> {
    pub band: Band<'a>,
    pub transform: T,
    /// Room for one of them before it is rounded.
    pub window: &'a mut [f32],
    pub rounded: &'a mut [Bf16Pair],
}

impl<T: Transform<TILE, WINDOW>, const TILE: usize, const WINDOW: usize> SimdOp
    for TransformAndRound<'_, T, TILE, WINDOW>
{
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let TransformAndRound { band, transform, window, rounded } = self;
        let weights = band.layer.weights;
        for tile in 0..band.count {
            band.transform_window(isa, transform, tile, window);
            let to = rounded[tile * band.tile_lens[0]..].chunks_exact_mut(weights.window_words());
            for (from, to) in window.chunks_exact(weights.channels).zip(to) {
                round_pixels(isa, Pixels::one(from, I::LANES), to);
            }
        }
    }
}

/// Multiplies rounded windows.
pub(super) struct MultiplyRounded<'a> {
    pub band: Band<'a>,
    pub matrices: &'a [PackedBf16Matrix],
    /// As [`TransformAndRound`] leaves them.
    pub windows: &'a [Bf16Pair],
    pub products: &'a mut [f32],
    pub ready: Multiplier,
}

impl SimdOp for MultiplyRounded<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let MultiplyRounded { band, matrices, windows, products, ready } = self;
        let weights = band.layer.weights;
        let (pairs, filters) = (weights.window_words(), weights.bias.len());
        let [input_layout, output_layout] = band.row_layouts();
        let panels = matrices.iter().enumerate().flat_map(|(product, matrix)| {
            matrix.panels().map(move |(panel, values)| (product, matrix.summed_pairs(), panel, values))
        });
        let followers = panels.clone().cycle().skip(1);
        for ((product, sum_len, panel, values), (.., next_panel)) in panels.zip(followers) {
            let product = PanelProduct {
                input: &windows[product * pairs..],
                input_layout,
                segments: Segments::one(sum_len),
                element_stride: 1,
                panel: values,
                next_panel,
                vectors: panel.vectors,
                in_halves: panel.in_halves,
                columns: panel.width(I::LANES),
                run_count: 1,
                run_len: band.count,
                output: &mut products[product * filters + panel.first_column..],
                output_layout,
                output_vector_stride: I::LANES,
                output_format: MapFormat::F32,
                residual: None,
                accumulate: false,
                clamp: None,
            };
            ready.run(isa, product);
        }
    }
}

/// Transforms products of `[tiles, products, filters]` to the output pixels of a band.
pub(super) struct TransformOutput<'a, T, const TILE: usize, const WINDOW: usize> {
    pub band: Band<'a>,
    pub transform: T,
    pub products: &'a [f32],
    pub output: &'a mut [f32],
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
