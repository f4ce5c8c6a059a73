//! The inner loops of a depthwise convolution: neighbouring pixels of one vector of channels, kept in registers.

use super::{Isa, SimdOp};
use crate::{Clamp, MapFormat};

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
    pub output_format: MapFormat,
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
        let last = |strides: [usize; 2], row: usize, column: usize, vector: usize| {
            let start = row.saturating_mul(strides[0]).saturating_add(column.saturating_mul(strides[1]));
            start.saturating_add(vector)
        };
        let [kernel_height, kernel_width] = self.kernel;
        assert!(kernel_height > 0 && kernel_width > 0, "an empty kernel");
        let taps = kernel_height.saturating_mul(kernel_width);
        let bottom = (rows - 1).saturating_mul(self.strides[0]).saturating_add(kernel_height - 1);
        let right = (columns - 1).saturating_mul(self.strides[1]).saturating_add(kernel_width - 1);
        assert!(self.input.len() >= last(self.input_strides, bottom, right, I::LANES), "input too short");
        let vector = self.output_format.words(I::LANES);
        let end = last(self.output_strides, rows - 1, columns - 1, vector);
        assert!(self.output.len() >= end, "output too short");
        assert!(self.weights.len() >= taps.saturating_add(1).saturating_mul(I::LANES), "weights too short");
    }

    /// Whether the vectors of neighbouring pixels follow each other, in input and output.
    fn is_blocked<I: Isa>(&self) -> bool {
        [self.input_strides[1], self.output_strides[1]] == [I::LANES, self.output_format.words(I::LANES)]
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
                if K != ANY && self.is_blocked::<I>() {
                    tiles.dispatch::<I, K, S, true>(isa, columns);
                } else {
                    tiles.dispatch::<I, K, S, false>(isa, columns);
                }
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

/// [`Tiles`] of `C` columns, for kernels of size `K` and a horizontal stride of `S`. Where maps are `BLOCKED`, as the maps around
/// depthwise convolutions mostly are, the places of pixels are known to the compiler.
struct SizedTiles<'a, const K: usize, const S: usize, const C: usize, const BLOCKED: bool>(Tiles<'a>);

impl Tiles<'_> {
    #[inline(always)]
    fn dispatch<I: Isa, const K: usize, const S: usize, const BLOCKED: bool>(self, isa: I, columns: usize) {
        match columns {
            1 => isa.call(SizedTiles::<K, S, 1, BLOCKED>(self)),
            2 => isa.call(SizedTiles::<K, S, 2, BLOCKED>(self)),
            3 => isa.call(SizedTiles::<K, S, 3, BLOCKED>(self)),
            4 => isa.call(SizedTiles::<K, S, 4, BLOCKED>(self)),
            5 if I::TILE_COLUMNS >= 5 => isa.call(SizedTiles::<K, S, 5, BLOCKED>(self)),
            6 if I::TILE_COLUMNS >= 6 => isa.call(SizedTiles::<K, S, 6, BLOCKED>(self)),
            7 if I::TILE_COLUMNS >= 7 => isa.call(SizedTiles::<K, S, 7, BLOCKED>(self)),
            8 if I::TILE_COLUMNS >= 8 => isa.call(SizedTiles::<K, S, 8, BLOCKED>(self)),
            _ => unreachable!("a tile of {columns} columns"),
        }
    }
}

impl<const K: usize, const S: usize, const C: usize, const BLOCKED: bool> SimdOp
    for SizedTiles<'_, K, S, C, BLOCKED>
{
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Tiles { layer, output, first_column, tiles } = self.0;
        // Limits that change nothing take less time than a branch for each pixel.
        let clamp = layer.clamp.unwrap_or(Clamp::NONE);
        let ([input_row, input_column], [output_row, output_column]) =
            (layer.input_strides, layer.output_strides);
        let (input_column, output_column) = if BLOCKED {
            (I::LANES, layer.output_format.words(I::LANES))
        } else {
            (input_column, output_column)
        };
        // A stride is only used, and `check` only covers it, where there is another row or column.
        let row_step = layer.strides[0].wrapping_mul(input_row);
        let column_step = layer.strides[1].wrapping_mul(input_column);
        let weights = layer.weights.as_ptr();
        // Pointers are moved on from tile to tile: the first sums of a tile would wait for a product of strides.
        let mut row_input = layer.input.as_ptr().wrapping_add(first_column.wrapping_mul(column_step));
        let mut row_output = output.wrapping_add(first_column * output_column);
        for _ in 0..layer.size[0] {
            let (mut input, mut output) = (row_input, row_output);
            for _ in 0..tiles {
                // SAFETY: `check` has seen that the windows and the outputs of all pixels lie inside their slices, and
                // these pixels are among them: `first_column + tiles * C` is at most the width. Nothing else uses the
                // output meanwhile.
                unsafe {
                    let window = Window { input, row_stride: input_row, column_stride: input_column };
                    let mut sums = accumulate::<I, K, S, C>(isa, layer, weights, window);
                    for sum in &mut sums {
                        *sum = clamp.apply(isa, *sum);
                    }
                    match layer.output_format {
                        MapFormat::F32 => {
                            for (c, sum) in sums.into_iter().enumerate() {
                                isa.store_ptr(sum, output.add(c * output_column));
                            }
                        }
                        MapFormat::Bf16 => {
                            for (c, sum) in sums.into_iter().enumerate() {
                                isa.store_bf16_ptr(sum, output.add(c * output_column).cast());
                            }
                        }
                    }
                }
                input = input.wrapping_add(C.wrapping_mul(column_step));
                output = output.wrapping_add(C * output_column);
            }
            row_input = row_input.wrapping_add(row_step);
            row_output = row_output.wrapping_add(output_row);
        }
    }
}

/// Where the windows of some neighbouring pixels lie.
#[derive(Clone, Copy)]
struct Window {
    /// The first pixel of the first window.
    input: *const f32,
    row_stride: usize,
    column_stride: usize,
}

/// The sums of `C` neighbouring pixels: the bias first, then the kernel row by row.
///
/// # Safety
/// `weights` must be those of `layer`, and `window` a window in `layer.input` with the strides of that, with `C` pixels to go in its
/// row.
#[inline(always)]
unsafe fn accumulate<I: Isa, const K: usize, const S: usize, const C: usize>(
    isa: I,
    layer: &DepthwiseTiles,
    weights: *const f32,
    window: Window,
) -> [I::Vector; C] {
    let Window { input, row_stride, column_stride } = window;
    // SAFETY: the weights hold one vector of bias and one for each element of the kernel, and the windows of all `C`
    // pixels lie inside the input; `DepthwiseTiles::check` has seen both.
    unsafe {
        let mut sums = [isa.load_ptr(weights); C];
        let weights = weights.add(I::LANES);
        if K == ANY {
            let [height, width] = layer.kernel;
            let pixels = [layer.strides[1].wrapping_mul(column_stride), column_stride];
            for y in 0..height {
                let (row, weights) = (input.add(y * row_stride), weights.add(y * width * I::LANES));
                any_kernel_row::<I, C>(isa, row, pixels, weights, width, &mut sums);
            }
        } else {
            const { assert!(K <= 5, "rows of a kernel that are unrolled") };
            unroll!(y in [0 1 2 3 4] {
                if y < K {
                    let (row, weights) = (input.add(y * row_stride), weights.add(y * K * I::LANES));
                    kernel_row::<I, K, S, C>(isa, row, column_stride, weights, &mut sums);
                }
            });
        }
        sums
    }
}

/// Adds one kernel row of known width; every pixel is loaded once.
///
/// # Safety
/// The windows of `C` pixels and `K` vectors of weights must be readable.
#[inline(always)]
unsafe fn kernel_row<I: Isa, const K: usize, const S: usize, const C: usize>(
    isa: I,
    row: *const f32,
    column_stride: usize,
    weights: *const f32,
    sums: &mut [I::Vector; C],
) {
    let mut taps = [isa.splat(0.0); K];
    for (x, tap) in taps.iter_mut().enumerate() {
        // SAFETY: the caller vouches for `K` vectors.
        *tap = unsafe { isa.load_ptr(weights.add(x * I::LANES)) };
    }
    unroll!(column in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18] {
        if column < (C - 1) * S + K {
            // SAFETY: the last column is the last of the last window.
            let pixel = unsafe { isa.load_ptr(row.add(column * column_stride)) };
            for (x, &tap) in taps.iter().enumerate() {
                if column >= x && (column - x).is_multiple_of(S) && (column - x) / S < C {
                    let sum = &mut sums[(column - x) / S];
                    *sum = isa.mul_add(pixel, tap, *sum);
                }
            }
        }
    });
}

/// The body once for each number: the compiler leaves a loop of this size standing, and the sums in memory with it.
macro_rules! unroll {
    ($index:ident in [$($number:literal)*] $body:block) => {
        $(
            let $index: usize = $number;
            $body
        )*
    };
}
use unroll;

/// Adds one kernel row of any width; `strides` are the elements between windows and between pixels.
///
/// # Safety
/// The windows of `C` pixels and `width` vectors of weights must be readable.
#[inline(always)]
unsafe fn any_kernel_row<I: Isa, const C: usize>(
    isa: I,
    row: *const f32,
    strides: [usize; 2],
    weights: *const f32,
    width: usize,
    sums: &mut [I::Vector; C],
) {
    for x in 0..width {
        // SAFETY: the caller vouches for the weights and for all pixels of the windows.
        unsafe {
            let tap = isa.load_ptr(weights.add(x * I::LANES));
            for (c, sum) in sums.iter_mut().enumerate() {
                let pixel = isa.load_ptr(row.add(c * strides[0] + x * strides[1]));
                *sum = isa.mul_add(pixel, tap, *sum);
            }
        }
    }
}
