//! The gradient of the weights of a convolution or a dense layer: the transposed windows of the input times the gradient
//! of the output, summed over pixels.
//!
//! Source: Keras `Conv2D` and `Dense`; the chain rule.

use crate::arch::{Isa, PanelProduct, SimdOp};
use crate::{MapFormat, PackedMatrix, RowLayout, Segments};

/// `kernel_gradient (+)= transpose(windows) x output_gradient` for a rectangle of output pixels. There is no padding: the
/// input holds all windows, zeros included.
#[derive(Clone, Copy)]
pub struct KernelGradient<'a> {
    /// `[pixels, columns]`, row by row: the gradient of the output.
    pub output_gradient: &'a PackedMatrix,
    /// Rows and columns of output pixels.
    pub output_size: [usize; 2],
    /// Starts at the window of the first output pixel.
    pub input: &'a [f32],
    /// Elements between the windows of vertical and of horizontal neighbours.
    pub input_strides: [usize; 2],
    /// Rows of a window.
    pub window_rows: usize,
    /// Elements of each, which follow each other.
    pub window_row_len: usize,
    /// Elements between the rows of a window.
    pub window_row_stride: usize,
    /// Whether the products are added to what is there, or written over it.
    pub accumulate: bool,
}

impl KernelGradient<'_> {
    /// Adds the products to `kernel_gradient`, `[window_rows * window_row_len, columns]`, or writes them there; each element is
    /// summed pixel by pixel.
    ///
    /// # Panics
    /// If a slice is too short or the packed gradient does not have the shape stated.
    pub fn run(self, kernel_gradient: &mut [f32]) {
        let matrix = self.output_gradient;
        assert_eq!(matrix.rows(), self.output_size[0] * self.output_size[1], "pixels");
        let len = self.window_rows * self.window_row_len * matrix.columns();
        assert_eq!(kernel_gradient.len(), len, "elements of the kernel");
        matrix.isa.run(WriteGradient { layer: self, kernel_gradient });
    }
}

struct WriteGradient<'a> {
    layer: KernelGradient<'a>,
    kernel_gradient: &'a mut [f32],
}

impl SimdOp for WriteGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let WriteGradient { layer, kernel_gradient } = self;
        let columns = layer.output_gradient.columns();
        for (panel, values) in layer.output_gradient.panels() {
            PanelProduct {
                input: layer.input,
                input_layout: RowLayout { run_stride: layer.window_row_stride, row_stride: 1 },
                segments: Segments {
                    count: layer.output_size[0],
                    len: layer.output_size[1],
                    stride: layer.input_strides[0],
                },
                element_stride: layer.input_strides[1],
                panel: values,
                next_panel: &[],
                vectors: panel.vectors,
                in_halves: panel.in_halves,
                columns: panel.width(I::LANES).min(columns - panel.first_column),
                run_count: layer.window_rows,
                run_len: layer.window_row_len,
                output: &mut kernel_gradient[panel.first_column..],
                output_layout: RowLayout { run_stride: layer.window_row_len * columns, row_stride: columns },
                output_vector_stride: I::LANES,
                output_format: MapFormat::F32,
                residual: None,
                accumulate: layer.accumulate,
                clamp: None,
            }
            .run(isa);
        }
    }
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Tolerance, assert_close, noise};

    use super::*;
    use crate::{InstructionSet, MatrixView};

    #[test]
    fn gradients_equal_the_naive_loop_and_add_up() {
        for (height, width, channels, kernel, stride, columns) in [
            (5, 6, 3, 3, 1, 17),
            (9, 8, 5, 3, 2, 48),
            (7, 7, 20, 1, 1, 33),
            (6, 4, 2, 2, 2, 7),
            (1, 1, 30, 1, 1, 5),
        ] {
            let size @ [rows, cols] = [height, width].map(|len| (len - kernel) / stride + 1);
            let input = noise(1, height * width * channels);
            let gradient = noise(2, rows * cols * columns);
            let mut want = vec![1.0; kernel * kernel * channels * columns];
            for (at, want) in want.iter_mut().enumerate() {
                let (row, column) = (at / columns, at % columns);
                let (ky, kx, c) = (row / channels / kernel, row / channels % kernel, row % channels);
                for (y, x) in (0..rows).flat_map(|y| (0..cols).map(move |x| (y, x))) {
                    let from = ((y * stride + ky) * width + x * stride + kx) * channels + c;
                    *want += input[from] * gradient[(y * cols + x) * columns + column];
                }
            }
            for isa in InstructionSet::available() {
                let matrix = MatrixView::row_major(&gradient, rows * cols, columns);
                let layer = KernelGradient {
                    output_gradient: &PackedMatrix::pack(isa, matrix, None, None),
                    output_size: size,
                    input: &input,
                    input_strides: [stride * width * channels, stride * channels],
                    window_rows: kernel,
                    window_row_len: kernel * channels,
                    window_row_stride: width * channels,
                    accumulate: true,
                };
                let (mut got, mut written) = (vec![1.0; want.len()], vec![f32::NAN; want.len()]);
                layer.run(&mut got);
                KernelGradient { accumulate: false, ..layer }.run(&mut written);
                written.iter_mut().for_each(|x| *x += 1.0);
                assert_close(&written, &want, Tolerance { abs: 1e-5, rel: 1e-5 });
                assert_close(&got, &want, Tolerance { abs: 1e-5, rel: 1e-5 });
            }
        }
    }
}
