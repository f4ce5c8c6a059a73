//! The mean of each channel over all pixels.
//!
//! Source: Keras `GlobalAveragePooling2D`.

use crate::InstructionSet;
use crate::arch::{Isa, SimdOp};

/// The mean over a rectangle of pixels, each padded to whole vectors; summed row by row, from the left.
#[derive(Clone, Copy)]
pub struct GlobalAveragePool2d<'a> {
    /// Starts at the first pixel.
    pub input: &'a [f32],
    /// Elements between rows and between neighbouring pixels.
    pub strides: [usize; 2],
    /// Rows and columns of pixels.
    pub size: [usize; 2],
}

impl GlobalAveragePool2d<'_> {
    /// Computes as many channels as `output` holds, a multiple of the vector length.
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn run(self, isa: InstructionSet, output: &mut [f32]) {
        isa.run(PoolInto { layer: self, output });
    }
}

struct PoolInto<'a> {
    layer: GlobalAveragePool2d<'a>,
    output: &'a mut [f32],
}

/// Vectors of channels summed side by side, so that additions need not wait for each other.
const SIDE_BY_SIDE: usize = 4;

impl SimdOp for PoolInto<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        assert!(self.output.len().is_multiple_of(I::LANES), "whole vectors");
        let wide = self.output.len() / (SIDE_BY_SIDE * I::LANES) * SIDE_BY_SIDE * I::LANES;
        let (wide, narrow) = self.output.split_at_mut(wide);
        for (block, output) in wide.chunks_exact_mut(SIDE_BY_SIDE * I::LANES).enumerate() {
            mean::<I, SIDE_BY_SIDE>(isa, &self.layer, block * SIDE_BY_SIDE * I::LANES, output);
        }
        let done = wide.len();
        for (vector, output) in narrow.chunks_exact_mut(I::LANES).enumerate() {
            mean::<I, 1>(isa, &self.layer, done + vector * I::LANES, output);
        }
    }
}

/// The mean of `V` vectors of channels from channel `first` on.
#[inline(always)]
fn mean<I: Isa, const V: usize>(isa: I, layer: &GlobalAveragePool2d, first: usize, output: &mut [f32]) {
    let [rows, columns] = layer.size;
    let [row_stride, column_stride] = layer.strides;
    let mut sums = [isa.splat(0.0); V];
    for row in 0..rows {
        for column in 0..columns {
            let pixel = &layer.input[row * row_stride + column * column_stride + first..][..V * I::LANES];
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = isa.add(*sum, isa.load(&pixel[v * I::LANES..]));
            }
        }
    }
    let share = isa.splat(1.0 / (rows * columns) as f32);
    for (sum, output) in sums.into_iter().zip(output.chunks_exact_mut(I::LANES)) {
        isa.store(isa.mul(sum, share), output);
    }
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Tolerance, assert_close, noise};

    use super::*;

    #[test]
    fn means_equal_the_naive_loop() {
        for isa in InstructionSet::available() {
            for (vectors, rows, columns) in [(1, 1, 1), (3, 7, 7), (4, 2, 5), (9, 3, 4)] {
                let pixel = vectors * isa.lanes();
                let strides = [(columns + 1) * pixel, pixel];
                let input = noise(1, rows * strides[0]);
                let sum = |c: usize| -> f64 {
                    let at = |y: usize, x: usize| f64::from(input[y * strides[0] + x * pixel + c]);
                    (0..rows).flat_map(|y| (0..columns).map(move |x| at(y, x))).sum()
                };
                let count = (rows * columns) as f64;
                let want: Vec<f32> = (0..pixel).map(|c| (sum(c) / count) as f32).collect();
                let mut got = vec![f32::NAN; pixel];
                GlobalAveragePool2d { input: &input, strides, size: [rows, columns] }.run(isa, &mut got);
                assert_close(&got, &want, Tolerance::abs(1e-6));
            }
        }
    }
}
