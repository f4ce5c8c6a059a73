//! Steps that compute.

use engraft_kernels::{
    DepthwiseConv2d, Elementwise, Gemm, GlobalAveragePool2d, LayerNorm, MapFormat, Multiply, PackedDepthwise,
    PackedMatrix, PackedWinograd, Pool2d, PoolKind, Residual, RoundedConv2d, RoundedMatrix, RowLayout,
    Segments, WinogradConv2d, softmax,
};

use super::super::layout::{Border, Layout};
use super::{Band, Ending};

impl Band<'_> {
    pub fn convolution(
        &self,
        weights: &PackedMatrix,
        kernel: [usize; 2],
        strides: [usize; 2],
        ending: Ending,
        rows: &mut [f32],
    ) {
        let input = self.input();
        let layout = input.layout;
        let pointwise = kernel == [1, 1];
        let [run_count, run_len] = self.runs(kernel, strides);
        let RowLayout { run_stride: row_len, row_stride: pixel_stride } = layout.rows();
        let segments = match layout.block_stride() {
            Some(stride) => {
                Segments { count: layout.channels / layout.block_len, len: layout.block_len, stride }
            }
            None if pointwise => Segments::one(layout.channels),
            None => Segments { count: kernel[0], len: kernel[1] * layout.pixel_len, stride: row_len },
        };
        Gemm {
            weights,
            input: input.window(self.first_row * strides[0], input.padding),
            input_layout: RowLayout {
                run_stride: strides[0] * row_len,
                row_stride: strides[1] * pixel_stride,
            },
            segments,
            run_count,
            run_len,
            output_layout: self.output.rows(),
            output_columns: self.output.pixel_len,
            output_vector_stride: self.output.block_stride(),
            residual: self.residual(),
            clamp: ending.clamp,
            activation: ending.activation,
        }
        .run(&mut rows[self.output_start()..]);
    }

    pub fn winograd(
        &self,
        weights: &PackedWinograd,
        ending: Ending,
        transformed: &mut [f32],
        rows: &mut [f32],
    ) {
        let input = self.input();
        WinogradConv2d {
            weights,
            input: input.window(self.first_row, input.padding),
            input_strides: input.layout.strides(),
            size: [self.row_count, self.output.width],
            output_strides: self.output.strides(),
            clamp: ending.clamp,
            activation: ending.activation,
        }
        .run(transformed, &mut rows[self.output_start()..]);
    }

    pub fn rounded_convolution(
        &self,
        weights: &RoundedMatrix,
        [kernel, strides]: [[usize; 2]; 2],
        ending: Ending,
        rounded: &mut [u32],
        rows: &mut [f32],
    ) {
        let (input, lanes) = (self.input(), self.isa.lanes());
        RoundedConv2d {
            weights,
            input: input.window(self.first_row * strides[0], input.padding),
            input_strides: input.layout.map_strides(lanes),
            input_format: input.layout.format,
            pixel_len: input.layout.pixel_len,
            kernel,
            strides,
            size: [self.row_count, self.output.width],
            output_strides: self.output.map_strides(lanes),
            output_format: self.output.format,
            residual: self.residual(),
            clamp: ending.clamp,
            activation: ending.activation,
        }
        .run(rounded, &mut rows[self.output_start()..]);
    }

    /// Rows and columns of pixels for a convolution, where all pixels count as one row if they follow each other in all
    /// operands.
    fn runs(&self, kernel: [usize; 2], strides: [usize; 2]) -> [usize; 2] {
        let addend = self.operands.get(1).map(|addend| addend.layout);
        let layouts = [Some(self.input().layout), addend, Some(self.output)];
        let pointwise = [kernel, strides] == [[1, 1]; 2];
        let width = self.output.width;
        let flat = pointwise && layouts.iter().flatten().all(Layout::is_flat);
        if flat { [1, self.row_count * width] } else { [self.row_count, width] }
    }

    /// What a convolution adds.
    fn residual(&self) -> Option<Residual<'_>> {
        let addend = self.operands.get(1)?;
        let layout = addend.layout;
        debug_assert_eq!(layout.block_stride(), None, "an addend of whole pixels");
        let values = addend.window(self.first_row, Border::default());
        Some(Residual { values, layout: layout.rows(), format: layout.format })
    }

    pub fn depthwise(
        &self,
        weights: &PackedDepthwise,
        strides: [usize; 2],
        ending: Ending,
        rows: &mut [f32],
    ) {
        let (input, lanes) = (self.input(), self.isa.lanes());
        DepthwiseConv2d {
            weights,
            input: input.window(self.first_row * strides[0], input.padding),
            input_strides: input.layout.map_strides(lanes),
            strides,
            size: [self.row_count, self.output.width],
            output_strides: self.output.map_strides(lanes),
            rounding: (self.output.format == MapFormat::Bf16).then_some(self.operands.network.bf16_unit),
            clamp: ending.clamp,
            activation: ending.activation,
        }
        .run(&mut rows[self.output_start()..]);
    }

    pub fn elementwise(&self, affine: Option<&(Vec<f32>, Vec<f32>)>, ending: Ending, rows: &mut [f32]) {
        let (input, addend) = (self.input(), self.operands.get(1));
        self.each_row(rows, |row, output| {
            Elementwise {
                pixel_len: self.output.pixel_len,
                input: input.row(row),
                affine: affine.map(|(scale, offset)| (&scale[..], &offset[..])),
                addend: addend.map(|addend| addend.row(row)),
                clamp: ending.clamp,
                activation: ending.activation,
            }
            .run(self.isa, output);
        });
    }

    pub fn multiply(&self, rows: &mut [f32]) {
        let input = self.input();
        let Some(factor) = self.operands.get(1) else { unreachable!("a product has two factors") };
        let is_pixel = factor.layout.height == 1 && factor.layout.width == 1;
        self.each_row(rows, |row, output| {
            let factor = factor.row(if is_pixel { 0 } else { row });
            Multiply { input: input.row(row), factor }.run(self.isa, output);
        });
    }

    pub fn layer_norm(&self, gamma: &[f32], beta: &[f32], epsilon: f32, rows: &mut [f32]) {
        let input = self.input();
        let Layout { channels, pixel_len, .. } = self.output;
        self.each_row(rows, |row, output| {
            LayerNorm { channels, pixel_len, input: input.row(row), gamma, beta, epsilon }
                .run(self.isa, output);
        });
    }

    pub fn pool2d(
        &self,
        kind: PoolKind,
        window: [usize; 2],
        strides: [usize; 2],
        before: [usize; 2],
        rows: &mut [f32],
    ) {
        let input = self.input();
        // To the pool the map begins with the first row that is there.
        let absent = input.first_map_row();
        Pool2d {
            kind,
            input: input.window(absent, Border::default()),
            input_strides: input.layout.strides(),
            size: [input.layout.height - absent, input.layout.width],
            window,
            strides,
            before: [before[0] + absent, before[1]],
            first_row: self.first_row,
            output_size: [self.row_count, self.output.width],
            output_strides: self.output.strides(),
        }
        .run(self.isa, self.output.pixel_len, &mut rows[self.output_start()..]);
    }

    /// Needs the whole output.
    pub fn global_average_pool2d(&self, rows: &mut [f32]) {
        let input = self.input();
        let Layout { height, width, .. } = input.layout;
        let (pixels, strides) = (input.window(0, Border::default()), input.layout.strides());
        let pool = GlobalAveragePool2d { input: pixels, strides, size: [height, width] };
        self.each_row(rows, |_, output| pool.run(self.isa, output));
    }

    /// Needs the whole output.
    pub fn softmax(&self, rows: &mut [f32]) {
        let input = self.input();
        self.each_row(rows, |row, output| {
            output.copy_from_slice(input.row(row));
            let (scores, rest) = output.split_at_mut(self.output.channels);
            softmax(scores);
            rest.fill(0.0);
        });
    }
}
