//! The maximum or the mean of each channel in a sliding window.
//!
//! Source: Keras `MaxPooling2D` and `AveragePooling2D`, `GlobalMaxPooling2D`.

use std::ops::Range;

use crate::InstructionSet;
use crate::arch::{Isa, SimdOp};

/// What is taken of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// The largest value; NaN if the last one compared is.
    Max,
    /// The mean over the pixels inside the map.
    Average,
}

/// Pools rows of a map whose pixels are padded to whole vectors. Windows that reach beyond the map are cut at its edge; each must
/// hold a pixel.
#[derive(Clone, Copy)]
pub struct Pool2d<'a> {
    /// What is taken of a window.
    pub kind: PoolKind,
    /// Starts at the first pixel of the map.
    pub input: &'a [f32],
    /// Elements between rows and between neighbouring pixels of the input.
    pub input_strides: [usize; 2],
    /// Rows and columns of the map.
    pub size: [usize; 2],
    /// Height and width of the window, in pixels.
    pub window: [usize; 2],
    /// Vertical and horizontal stride, in pixels.
    pub strides: [usize; 2],
    /// How far the first window begins above and to the left of the map, in pixels.
    pub before: [usize; 2],
    /// Row of the output that is computed first.
    pub first_row: usize,
    /// Rows and columns of output pixels to compute.
    pub output_size: [usize; 2],
    /// Elements between rows and between neighbouring pixels of the output.
    pub output_strides: [usize; 2],
}

impl Pool2d<'_> {
    /// Computes the pixels into `output`, which starts at the first of them, `channels` values each, whole vectors.
    ///
    /// # Panics
    /// If a slice is too short or a window lies outside the map.
    pub fn run(self, isa: InstructionSet, channels: usize, output: &mut [f32]) {
        assert!(channels.is_multiple_of(isa.lanes()), "whole vectors");
        isa.run(PoolInto { layer: self, channels, output });
    }

    /// The rows or columns of the map that window `index` covers along an axis.
    fn covered(&self, axis: usize, index: usize) -> Range<usize> {
        let start = index * self.strides[axis];
        let end = (start + self.window[axis]).saturating_sub(self.before[axis]).min(self.size[axis]);
        let start = start.saturating_sub(self.before[axis]);
        assert!(start < end, "a window outside the map");
        start..end
    }
}

struct PoolInto<'a> {
    layer: Pool2d<'a>,
    channels: usize,
    output: &'a mut [f32],
}

/// Vectors of channels pooled side by side, so that operations need not wait for each other.
const SIDE_BY_SIDE: usize = 4;

impl SimdOp for PoolInto<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let PoolInto { layer, channels, output } = self;
        for row in 0..layer.output_size[0] {
            let rows = layer.covered(0, layer.first_row + row);
            for column in 0..layer.output_size[1] {
                let window = Window { layer: &layer, rows: rows.clone(), columns: layer.covered(1, column) };
                let at = row * layer.output_strides[0] + column * layer.output_strides[1];
                window.pool(isa, &mut output[at..][..channels]);
            }
        }
    }
}

/// The pixels of the map under a window.
struct Window<'a> {
    layer: &'a Pool2d<'a>,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Window<'_> {
    #[inline(always)]
    fn pool<I: Isa>(&self, isa: I, output: &mut [f32]) {
        let wide_len = SIDE_BY_SIDE * I::LANES;
        let mut first = 0;
        let mut wide = output.chunks_exact_mut(wide_len);
        for block in &mut wide {
            self.pool_vectors::<I, SIDE_BY_SIDE>(isa, first, block);
            first += wide_len;
        }
        for vector in wide.into_remainder().chunks_exact_mut(I::LANES) {
            self.pool_vectors::<I, 1>(isa, first, vector);
            first += I::LANES;
        }
    }

    /// `V` vectors of channels from channel `first` on.
    #[inline(always)]
    fn pool_vectors<I: Isa, const V: usize>(&self, isa: I, first: usize, output: &mut [f32]) {
        let pixels = (self.rows.len() * self.columns.len()) as f32;
        let values = match self.layer.kind {
            PoolKind::Max => self.fold::<I, V>(isa, first, f32::NEG_INFINITY, |a, b| isa.max(a, b)),
            PoolKind::Average => {
                let sums = self.fold::<I, V>(isa, first, 0.0, |a, b| isa.add(a, b));
                sums.map(|sum| isa.mul(sum, isa.splat(1.0 / pixels)))
            }
        };
        for (value, output) in values.into_iter().zip(output.chunks_exact_mut(I::LANES)) {
            isa.store(value, output);
        }
    }

    /// Row by row, from the left.
    #[inline(always)]
    fn fold<I: Isa, const V: usize>(
        &self,
        isa: I,
        first: usize,
        start: f32,
        combine: impl Fn(I::Vector, I::Vector) -> I::Vector,
    ) -> [I::Vector; V] {
        let [row_stride, column_stride] = self.layer.input_strides;
        let mut values = [isa.splat(start); V];
        for row in self.rows.clone() {
            for column in self.columns.clone() {
                let pixel =
                    &self.layer.input[row * row_stride + column * column_stride + first..][..V * I::LANES];
                for (v, value) in values.iter_mut().enumerate() {
                    *value = combine(*value, isa.load(&pixel[v * I::LANES..]));
                }
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Tolerance, assert_close, noise};

    use super::*;

    struct Case {
        size: [usize; 2],
        window: [usize; 2],
        strides: [usize; 2],
        before: [usize; 2],
        output_size: [usize; 2],
        vectors: usize,
    }

    impl Case {
        fn naive(&self, kind: PoolKind, input: &[f32], pixel: usize) -> Vec<f32> {
            let [height, width] = self.size;
            let mut output = Vec::new();
            for (y, x) in (0..self.output_size[0]).flat_map(|y| (0..self.output_size[1]).map(move |x| (y, x)))
            {
                for channel in 0..pixel {
                    let mut values = Vec::new();
                    for (ky, kx) in
                        (0..self.window[0]).flat_map(|ky| (0..self.window[1]).map(move |kx| (ky, kx)))
                    {
                        let row = (y * self.strides[0] + ky).checked_sub(self.before[0]);
                        let column = (x * self.strides[1] + kx).checked_sub(self.before[1]);
                        if let (Some(row), Some(column)) = (row, column)
                            && row < height
                            && column < width
                        {
                            values.push(f64::from(input[(row * width + column) * pixel + channel]));
                        }
                    }
                    output.push(match kind {
                        PoolKind::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max) as f32,
                        PoolKind::Average => (values.iter().sum::<f64>() / values.len() as f64) as f32,
                    });
                }
            }
            output
        }
    }

    #[test]
    fn windows_equal_the_naive_loop_and_rows_can_be_computed_apart() {
        let cases = [
            Case {
                size: [7, 5],
                window: [3, 3],
                strides: [2, 2],
                before: [1, 1],
                output_size: [4, 3],
                vectors: 1,
            },
            Case {
                size: [6, 6],
                window: [2, 2],
                strides: [2, 2],
                before: [0, 0],
                output_size: [3, 3],
                vectors: 5,
            },
            Case {
                size: [5, 4],
                window: [3, 3],
                strides: [1, 1],
                before: [1, 1],
                output_size: [5, 4],
                vectors: 4,
            },
            Case {
                size: [3, 4],
                window: [3, 4],
                strides: [1, 1],
                before: [0, 0],
                output_size: [1, 1],
                vectors: 9,
            },
            Case {
                size: [1, 9],
                window: [2, 3],
                strides: [1, 3],
                before: [0, 1],
                output_size: [1, 3],
                vectors: 2,
            },
        ];
        for isa in InstructionSet::available() {
            for case in &cases {
                for kind in [PoolKind::Max, PoolKind::Average] {
                    let pixel = case.vectors * isa.lanes();
                    let input = noise(1, case.size[0] * case.size[1] * pixel);
                    let want = case.naive(kind, &input, pixel);
                    let row_len = case.output_size[1] * pixel;
                    for rows_each in [1, case.output_size[0]] {
                        let mut got = vec![f32::NAN; want.len()];
                        for (part, rows) in got.chunks_mut(rows_each * row_len).enumerate() {
                            Pool2d {
                                kind,
                                input: &input,
                                input_strides: [case.size[1] * pixel, pixel],
                                size: case.size,
                                window: case.window,
                                strides: case.strides,
                                before: case.before,
                                first_row: part * rows_each,
                                output_size: [rows.len() / row_len, case.output_size[1]],
                                output_strides: [row_len, pixel],
                            }
                            .run(isa, pixel, rows);
                        }
                        assert_close(&got, &want, Tolerance::abs(5e-7));
                    }
                }
            }
        }
    }
}
