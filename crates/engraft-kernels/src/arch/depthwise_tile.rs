//! The inner loops of a depthwise convolution: neighbouring pixels of one vector of channels, kept in registers.

use super::{Isa, SimdOp};
use crate::Clamp;

/// Rows of output pixels for one vector of channels.
pub(crate) struct DepthwiseTiles<'a> {
    /// Starts at the window of the first pixel.
    pub input: &'a [f32],
    /// Elements between rows and between neighbouring pixels of the input.
    pub input_strides: [usize; 2],
    /// The bias, then the kernel row by row: `LANES` elements each.
    pub weights: &'a [f32],
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride, in pixels.
    pub strides: [usize; 2],
    /// Rows and columns of output pixels.
    pub size: [usize; 2],
    /// Starts at the first pixel.
    pub output: &'a mut [f32],
    /// Elements between rows and between neighbouring pixels of the output.
    pub output_strides: [usize; 2],
    pub clamp: Option<Clamp>,
}

impl DepthwiseTiles<'_> {
    /// Computes the pixels.
    ///
    /// # Panics
    /// If a slice is too short for its layout.
    #[inline(always)]
    pub(crate) fn run<I: Isa>(self, isa: I) {
        if self.size.contains(&0) {
            return;
        }
        self.check::<I>();
        match (self.kernel, self.strides[1]) {
            ([3, 3], 1) => self.split_columns::<I, 3, 1>(isa),
            ([3, 3], 2) => self.split_columns::<I, 3, 2>(isa),
            ([5, 5], 1) => self.split_columns::<I, 5, 1>(isa),
            ([5, 5], 2) => self.split_columns::<I, 5, 2>(isa),
            _ => self.split_columns::<I, ANY, ANY>(isa),
        }
    }

    /// Everything the tiles rely on when they go through pointers. Saturating, because a wrapped product would pass.
    #[inline(always)]
    fn check<I: Isa>(&self) {
        let [rows, columns] = self.size;
        let last = |strides: [usize; 2], row: usize, column: usize| {
            let start = row.saturating_mul(strides[0]).saturating_add(column.saturating_mul(strides[1]));
            start.saturating_add(I::LANES)
        };
        let [kernel_height, kernel_width] = self.kernel;
        assert!(kernel_height > 0 && kernel_width > 0, "an empty kernel");
        let taps = kernel_height.saturating_mul(kernel_width);
        let bottom = (rows - 1).saturating_mul(self.strides[0]).saturating_add(kernel_height - 1);
        let right = (columns - 1).saturating_mul(self.strides[1]).saturating_add(kernel_width - 1);
        assert!(self.input.len() >= last(self.input_strides, bottom, right), "input too short");
        assert!(self.output.len() >= last(self.output_strides, rows - 1, columns - 1), "output too short");
        assert!(self.weights.len() >= taps.saturating_add(1).saturating_mul(I::LANES), "weights too short");
    }

    /// Cuts every row into tiles of as nearly equal width as possible.
    #[inline(always)]
    fn split_columns<I: Isa, const K: usize, const S: usize>(self, isa: I) {
        let tiles = self.size[1].div_ceil(I::TILE_COLUMNS);
        let (columns, wider_tiles) = (self.size[1] / tiles, self.size[1] % tiles);
        let output = self.output.as_mut_ptr();
        for (columns, first_column, tiles) in
            [(columns + 1, 0, wider_tiles), (columns, wider_tiles * (columns + 1), tiles - wider_tiles)]
        {
            if tiles > 0 {
                let tiles = Tiles { layer: &self, output, first_column, tiles };
                tiles.dispatch::<I, K, S>(isa, columns);
            }
        }
    }
}

/// Stands for a kernel size or a stride that is only known at run time.
const ANY: usize = 0;

/// Tiles of equal width in every row. Made only from a checked [`DepthwiseTiles`], and within its rows.
#[derive(Clone, Copy)]
struct Tiles<'a> {
    layer: &'a DepthwiseTiles<'a>,
    /// The output of `layer`.
    output: *mut f32,
    first_column: usize,
    tiles: usize,
}

/// [`Tiles`] of `C` columns, for kernels of size `K` and a horizontal stride of `S`.
struct SizedTiles<'a, const K: usize, const S: usize, const C: usize>(Tiles<'a>);

impl Tiles<'_> {
    #[inline(always)]
    fn dispatch<I: Isa, const K: usize, const S: usize>(self, isa: I, columns: usize) {
        match columns {
            1 => isa.call(SizedTiles::<K, S, 1>(self)),
            2 => isa.call(SizedTiles::<K, S, 2>(self)),
            3 => isa.call(SizedTiles::<K, S, 3>(self)),
            4 => isa.call(SizedTiles::<K, S, 4>(self)),
            5 if I::TILE_COLUMNS >= 5 => isa.call(SizedTiles::<K, S, 5>(self)),
            6 if I::TILE_COLUMNS >= 6 => isa.call(SizedTiles::<K, S, 6>(self)),
            7 if I::TILE_COLUMNS >= 7 => isa.call(SizedTiles::<K, S, 7>(self)),
            8 if I::TILE_COLUMNS >= 8 => isa.call(SizedTiles::<K, S, 8>(self)),
            _ => unreachable!("a tile of {columns} columns"),
        }
    }
}

impl<const K: usize, const S: usize, const C: usize> SimdOp for SizedTiles<'_, K, S, C> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Tiles { layer, output, first_column, tiles } = self.0;
        for row in 0..layer.size[0] {
            for tile in 0..tiles {
                let column = first_column + tile * C;
                let top = row * layer.strides[0] * layer.input_strides[0];
                let left = column * layer.strides[1] * layer.input_strides[1];
                // SAFETY: `check` has seen that the windows and the outputs of all pixels lie inside their slices, and
                // these pixels are among them: `first_column + tiles * C` is at most the width. Nothing else uses the
                // output meanwhile.
                unsafe {
                    let sums = accumulate::<I, K, S, C>(isa, layer, layer.input.as_ptr().add(top + left));
                    let [row_stride, column_stride] = layer.output_strides;
                    let mut to = output.add(row * row_stride + column * column_stride);
                    for sum in sums {
                        isa.store_ptr(layer.clamp.map_or(sum, |clamp| clamp.apply(isa, sum)), to);
                        to = to.wrapping_add(column_stride);
                    }
                }
            }
        }
    }
}

/// The sums of `C` neighbouring pixels: the bias first, then the kernel row by row.
///
/// # Safety
/// `input` must be the start of a window in `layer.input`, with `C` pixels to go in its row.
#[inline(always)]
unsafe fn accumulate<I: Isa, const K: usize, const S: usize, const C: usize>(
    isa: I,
    layer: &DepthwiseTiles,
    input: *const f32,
) -> [I::Vector; C] {
    let [height, width] = if K == ANY { layer.kernel } else { [K; 2] };
    let stride = if S == ANY { layer.strides[1] } else { S };
    let [row_stride, column_stride] = layer.input_strides;
    let mut weights = layer.weights.as_ptr();
    // SAFETY: the weights hold one vector of bias and one for each element of the kernel, and the windows of all `C`
    // pixels lie inside the input; `DepthwiseTiles::check` has seen both.
    unsafe {
        let mut sums = [isa.load_ptr(weights); C];
        for y in 0..height {
            let row = input.add(y * row_stride);
            for x in 0..width {
                weights = weights.add(I::LANES);
                let weight = isa.load_ptr(weights);
                for (c, sum) in sums.iter_mut().enumerate() {
                    let pixel = isa.load_ptr(row.add((x + c * stride) * column_stride));
                    *sum = isa.mul_add(pixel, weight, *sum);
                }
            }
        }
        sums
    }
}
