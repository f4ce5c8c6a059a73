//! The kernel of a step, and how it runs for some rows of the output.

use engraft_kernels::{
    Clamp, ConvertPixels, DepthwiseConv2d, Elementwise, Gemm, GlobalAveragePool2d, InstructionSet,
    PackedDepthwise, PackedMatrix, Residual, RowLayout, Segments, softmax,
};

use super::layout::{Border, Layout};

/// The image a run starts from, `[height, width, channels]`.
#[derive(Clone, Copy)]
pub(super) enum Pixels<'a> {
    U8(&'a [u8]),
    F32(&'a [f32]),
}

impl Pixels<'_> {
    pub(super) fn len(self) -> usize {
        match self {
            Pixels::U8(values) => values.len(),
            Pixels::F32(values) => values.len(),
        }
    }
}

/// A value that a kernel reads.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    pub buffer: &'a [f32],
    pub layout: Layout,
    /// How far beyond the map the kernel reads.
    pub padding: Border,
}

/// What a step computes.
pub(super) enum Kernel {
    /// The image, scaled; reads no value.
    Convert(ConvertPixels),
    /// A convolution over all channels, or a dense layer; a second operand is added.
    Convolution {
        weights: PackedMatrix,
        kernel: [usize; 2],
        strides: [usize; 2],
        clamp: Option<Clamp>,
    },
    /// A convolution of each channel on its own.
    Depthwise {
        weights: PackedDepthwise,
        strides: [usize; 2],
        clamp: Option<Clamp>,
    },
    /// `clamp(x * scale + offset + addend)`; the scale and the offset are padded like a pixel.
    Elementwise {
        affine: Option<(Vec<f32>, Vec<f32>)>,
        clamp: Option<Clamp>,
    },
    /// A copy with zeros around it that are part of the map.
    ZeroPadding2d(Border),
    GlobalAveragePool2d,
    Softmax,
}

impl Kernel {
    pub(super) fn weights_bytes(&self) -> usize {
        match self {
            Kernel::Convolution { weights, .. } => weights.size_bytes(),
            Kernel::Depthwise { weights, .. } => weights.size_bytes(),
            _ => 0,
        }
    }

    /// Whether each row of the output can be computed on its own.
    pub(super) fn works_by_rows(&self) -> bool {
        !matches!(self, Kernel::GlobalAveragePool2d | Kernel::Softmax)
    }

    /// Computes the rows from `first_row` on that `rows` holds, each with its side borders.
    ///
    /// # Panics
    /// If an operand is missing: a bug in lowering.
    pub(super) fn run_rows(
        &self,
        isa: InstructionSet,
        operands: [Option<Operand>; 2],
        image: Pixels,
        output: Layout,
        first_row: usize,
        rows: &mut [f32],
    ) {
        let [Some(input), addend] = operands else {
            let Kernel::Convert(conversion) = self else { unreachable!("only a conversion reads no value") };
            return convert(conversion, image, output, first_row, rows);
        };
        let band = Band { input, addend, output, first_row, row_count: rows.len() / output.row_len() };
        match self {
            Kernel::Convolution { weights, kernel, strides, clamp } => {
                band.convolution(weights, *kernel, *strides, *clamp, rows);
            }
            Kernel::Depthwise { weights, strides, clamp } => band.depthwise(weights, *strides, *clamp, rows),
            Kernel::Elementwise { affine, clamp } => band.elementwise(isa, affine.as_ref(), *clamp, rows),
            Kernel::ZeroPadding2d(padding) => band.zero_padding(*padding, rows),
            Kernel::GlobalAveragePool2d => {
                let Layout { height, width, .. } = input.layout;
                let strides = input.layout.strides();
                let start = input.layout.window_start(0, Border::default());
                let pool =
                    GlobalAveragePool2d { input: &input.buffer[start..], strides, size: [height, width] };
                pool.run(isa, &mut rows[..output.pixel_len]);
            }
            Kernel::Softmax => {
                let start = input.layout.window_start(0, Border::default());
                let (scores, rest) = rows.split_at_mut(output.channels);
                scores.copy_from_slice(&input.buffer[start..][..output.channels]);
                softmax(scores);
                rest.fill(0.0);
            }
            Kernel::Convert(_) => unreachable!("a conversion reads no value"),
        }
    }
}

fn convert(conversion: &ConvertPixels, image: Pixels, output: Layout, first_row: usize, rows: &mut [f32]) {
    let image_row = output.width * output.channels;
    for (index, row) in rows.chunks_exact_mut(output.row_len()).enumerate() {
        let row = &mut row[output.border.left * output.pixel_len..][..output.width * output.pixel_len];
        let from = (first_row + index) * image_row;
        match image {
            Pixels::U8(values) => conversion.run(&values[from..][..image_row], row, output.pixel_len),
            Pixels::F32(values) => conversion.run(&values[from..][..image_row], row, output.pixel_len),
        }
    }
}

/// Some rows of a step's output, and what they are computed from.
struct Band<'a> {
    input: Operand<'a>,
    addend: Option<Operand<'a>>,
    output: Layout,
    first_row: usize,
    row_count: usize,
}

impl<'a> Band<'a> {
    /// Where the first pixel lies in the rows of the output.
    fn output_start(&self) -> usize {
        self.output.border.left * self.output.pixel_len
    }

    fn convolution(
        &self,
        weights: &PackedMatrix,
        kernel: [usize; 2],
        strides: [usize; 2],
        clamp: Option<Clamp>,
        rows: &mut [f32],
    ) {
        let layout = self.input.layout;
        let pointwise = kernel == [1, 1];
        let layouts = [Some(layout), self.addend.map(|addend| addend.layout), Some(self.output)];
        let flat = pointwise && strides == [1, 1] && layouts.iter().flatten().all(Layout::is_flat);
        let (run_count, run_len) =
            if flat { (1, self.row_count * self.output.width) } else { (self.row_count, self.output.width) };
        let residual = self.addend.map(|addend| Residual {
            values: &addend.buffer[addend.layout.window_start(self.first_row, Border::default())..],
            layout: addend.layout.rows(),
        });
        let [row_len, pixel_len] = layout.strides();
        let segments = if pointwise {
            Segments::one(layout.channels)
        } else {
            Segments { count: kernel[0], len: kernel[1] * pixel_len, stride: row_len }
        };
        let start = layout.window_start(self.first_row * strides[0], self.input.padding);
        Gemm {
            weights,
            input: &self.input.buffer[start..],
            input_layout: RowLayout { run_stride: strides[0] * row_len, row_stride: strides[1] * pixel_len },
            segments,
            run_count,
            run_len,
            output_layout: self.output.rows(),
            output_columns: self.output.pixel_len,
            residual,
            clamp,
        }
        .run(&mut rows[self.output_start()..]);
    }

    fn depthwise(
        &self,
        weights: &PackedDepthwise,
        strides: [usize; 2],
        clamp: Option<Clamp>,
        rows: &mut [f32],
    ) {
        let layout = self.input.layout;
        let start = layout.window_start(self.first_row * strides[0], self.input.padding);
        DepthwiseConv2d {
            weights,
            input: &self.input.buffer[start..],
            input_strides: layout.strides(),
            strides,
            size: [self.row_count, self.output.width],
            output_strides: self.output.strides(),
            clamp,
        }
        .run(&mut rows[self.output_start()..]);
    }

    fn elementwise(
        &self,
        isa: InstructionSet,
        affine: Option<&(Vec<f32>, Vec<f32>)>,
        clamp: Option<Clamp>,
        rows: &mut [f32],
    ) {
        let pixel_len = self.output.pixel_len;
        let len = self.output.width * pixel_len;
        for (index, row) in rows.chunks_exact_mut(self.output.row_len()).enumerate() {
            let row_of = |operand: Operand<'a>| {
                let start = operand.layout.window_start(self.first_row + index, Border::default());
                &operand.buffer[start..][..len]
            };
            Elementwise {
                pixel_len,
                input: row_of(self.input),
                affine: affine.map(|(scale, offset)| (&scale[..], &offset[..])),
                addend: self.addend.map(row_of),
                clamp,
            }
            .run(isa, &mut row[self.output_start()..][..len]);
        }
    }

    fn zero_padding(&self, padding: Border, rows: &mut [f32]) {
        let layout = self.input.layout;
        let len = layout.width * layout.pixel_len;
        for (index, row) in rows.chunks_exact_mut(self.output.row_len()).enumerate() {
            row.fill(0.0);
            let from = (self.first_row + index).checked_sub(padding.top);
            if let Some(from) = from.filter(|&from| from < layout.height) {
                let start = layout.window_start(from, Border::default());
                let to = self.output_start() + padding.left * layout.pixel_len;
                row[to..][..len].copy_from_slice(&self.input.buffer[start..][..len]);
            }
        }
    }
}
