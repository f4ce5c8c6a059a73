//! The kernel of a step, and how it runs for some rows of the output.

mod arithmetic;
mod band;
mod movement;

use engraft_kernels::{
    Activation, Clamp, ConvertPixels, PackedDepthwise, PackedMatrix, PackedWinograd, PoolKind, Region,
    RoundedConv2d, RoundedMatrix,
};

use super::chain::RowWindow;
use super::layout::{Border, Layout};
use super::worker::Work;
pub(super) use band::{Band, Held, Operands};

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

/// What is done to an output last; at most one of the two is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub clamp: Option<Clamp>,
    pub activation: Option<Activation>,
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
        ending: Ending,
    },
    /// A 3x3 convolution over all channels with a stride of one, by fewer multiplications.
    Winograd {
        weights: PackedWinograd,
        ending: Ending,
    },
    /// A convolution with inputs and weights rounded.
    RoundedConvolution {
        weights: RoundedMatrix,
        kernel: [usize; 2],
        strides: [usize; 2],
        ending: Ending,
    },
    /// A convolution of each channel on its own.
    Depthwise {
        weights: PackedDepthwise,
        strides: [usize; 2],
        ending: Ending,
    },
    /// `ending(x * scale + offset + addend)`; the scale and the offset are padded like a pixel.
    Elementwise {
        affine: Option<(Vec<f32>, Vec<f32>)>,
        ending: Ending,
    },
    /// The second operand has the shape of the first or is one pixel.
    Multiply,
    /// The factor and the summand are padded like a pixel.
    LayerNorm {
        gamma: Vec<f32>,
        beta: Vec<f32>,
        epsilon: f32,
    },
    Pool2d {
        kind: PoolKind,
        window: [usize; 2],
        strides: [usize; 2],
        /// How far the first window begins above and to the left of the map.
        before: [usize; 2],
    },
    GlobalAveragePool2d,
    Softmax,
    /// A copy with zeros around it that are part of the map.
    ZeroPadding2d(Border),
    /// A copy from this pixel on.
    Cropping2d {
        top: usize,
        left: usize,
    },
    /// The channels of all operands.
    Concatenate,
    ReverseChannels,
    /// The same elements in the same order, as pixels of another size.
    Reshape,
}

impl Kernel {
    pub(super) fn weights_bytes(&self) -> usize {
        match self {
            Kernel::Convolution { weights, .. } => weights.size_bytes(),
            Kernel::Winograd { weights, .. } => weights.size_bytes(),
            Kernel::RoundedConvolution { weights, .. } => weights.size_bytes(),
            Kernel::Depthwise { weights, .. } => weights.size_bytes(),
            _ => 0,
        }
    }

    /// Moves the weights to a region.
    pub(super) fn move_to(&mut self, region: &mut Region) {
        match self {
            Kernel::Convolution { weights, .. } => weights.move_to(region),
            Kernel::Winograd { weights, .. } => weights.move_to(region),
            Kernel::RoundedConvolution { weights, .. } => weights.move_to(region),
            Kernel::Depthwise { weights, .. } => weights.move_to(region),
            _ => {}
        }
    }

    /// Words of 32 bits that it needs room for.
    pub(super) fn rounded_len(&self) -> usize {
        match self {
            Kernel::RoundedConvolution { weights, kernel, strides, .. } => {
                RoundedConv2d::scratch_len(weights, *kernel, *strides)
            }
            _ => 0,
        }
    }

    /// What it does last, if anything.
    pub(super) fn ending(&self) -> Option<Ending> {
        match self {
            Kernel::Convolution { ending, .. }
            | Kernel::Winograd { ending, .. }
            | Kernel::RoundedConvolution { ending, .. }
            | Kernel::Depthwise { ending, .. }
            | Kernel::Elementwise { ending, .. } => Some(*ending),
            _ => None,
        }
    }

    /// Whether it can read its operands in bf16, all of them.
    pub(super) fn can_read_bf16(&self) -> bool {
        matches!(self, Kernel::RoundedConvolution { weights: RoundedMatrix::Bf16(_), .. })
    }

    /// Whether it can write its output in bf16.
    pub(super) fn can_write_bf16(&self) -> bool {
        match self {
            Kernel::RoundedConvolution { weights: RoundedMatrix::Bf16(_), ending, .. } => {
                ending.activation.is_none()
            }
            Kernel::Depthwise { ending, .. } => ending.activation.is_none(),
            _ => false,
        }
    }

    /// Elements that must follow the first operand where that is in bf16: `pixel_len` to a pixel, for `columns` of output.
    pub(super) fn slack(&self, pixel_len: usize, columns: usize) -> usize {
        match self {
            Kernel::RoundedConvolution { weights, kernel, strides, .. } => {
                RoundedConv2d::slack(weights, *kernel, *strides, columns, pixel_len)
            }
            _ => 0,
        }
    }

    /// What it is called in a profile.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Kernel::Convert(_) => "convert",
            Kernel::Convolution { kernel: [1, 1], .. } => "pointwise",
            Kernel::Convolution { .. } => "convolution",
            Kernel::Winograd { weights, .. } if weights.is_bf16() => "bf16 winograd",
            Kernel::Winograd { .. } => "winograd",
            Kernel::RoundedConvolution { weights, kernel, .. } => match (weights, *kernel == [1, 1]) {
                (RoundedMatrix::Bf16(_), true) => "bf16 pointwise",
                (RoundedMatrix::Bf16(_), false) => "bf16 convolution",
                (RoundedMatrix::Int8(_), true) => "int8 pointwise",
                (RoundedMatrix::Int8(_), false) => "int8 convolution",
            },
            Kernel::Depthwise { .. } => "depthwise",
            Kernel::Elementwise { .. } => "elementwise",
            Kernel::Multiply => "multiply",
            Kernel::LayerNorm { .. } => "layer norm",
            Kernel::Pool2d { .. } => "pool",
            Kernel::GlobalAveragePool2d => "global average pool",
            Kernel::Softmax => "softmax",
            Kernel::ZeroPadding2d(_) => "zero padding",
            Kernel::Cropping2d { .. } => "cropping",
            Kernel::Concatenate => "concatenate",
            Kernel::ReverseChannels => "reverse channels",
            Kernel::Reshape => "reshape",
        }
    }

    /// Parts of the output that begin at a multiple of so many rows can be computed on their own; `None` if no part can.
    pub(super) fn row_step(&self) -> Option<usize> {
        match self {
            Kernel::GlobalAveragePool2d | Kernel::Softmax | Kernel::Reshape => None,
            Kernel::Winograd { weights, .. } => Some(weights.tile().side()),
            _ => Some(1),
        }
    }

    /// Elements of memory that it works in.
    pub(super) fn transformed_len(&self, output: &Layout) -> usize {
        match self {
            Kernel::Winograd { weights, .. } => weights.scratch_len([output.height, output.width]),
            _ => 0,
        }
    }

    /// How rows of the output follow from rows of the first operand, whose border begins `padding` rows above the map; `None`
    /// if the kernel reads all of it or is not worth the trouble.
    pub(super) fn row_window(&self, padding: usize) -> Option<RowWindow> {
        match self {
            Kernel::Convolution { kernel: [size, _], strides: [stride, _], .. }
            | Kernel::RoundedConvolution { kernel: [size, _], strides: [stride, _], .. } => {
                Some(RowWindow { size: *size, stride: *stride, before: padding })
            }
            Kernel::Depthwise { weights, strides: [stride, _], .. } => {
                Some(RowWindow { size: weights.kernel()[0], stride: *stride, before: padding })
            }
            Kernel::Pool2d { window: [size, _], strides: [stride, _], before: [before, _], .. } => {
                Some(RowWindow { size: *size, stride: *stride, before: *before })
            }
            Kernel::Elementwise { .. } | Kernel::Multiply | Kernel::LayerNorm { .. } => Some(RowWindow::SAME),
            _ => None,
        }
    }

    /// Computes the rows of a band in the memory of `work`.
    ///
    /// # Panics
    /// If an operand is missing: a bug in lowering.
    pub(super) fn run_rows(&self, band: &Band, work: &mut Work, rows: &mut [f32]) {
        match self {
            Kernel::Convert(conversion) => convert(conversion, band, rows),
            Kernel::RoundedConvolution { weights, kernel, strides, ending } => {
                band.rounded_convolution(weights, [*kernel, *strides], *ending, &mut work.rounded, rows);
            }
            Kernel::Convolution { weights, kernel, strides, ending } => {
                band.convolution(weights, *kernel, *strides, *ending, rows);
            }
            Kernel::Winograd { weights, ending } => {
                band.winograd(weights, *ending, &mut work.transformed, rows);
            }
            Kernel::Depthwise { weights, strides, ending } => {
                band.depthwise(weights, *strides, *ending, rows);
            }
            Kernel::Elementwise { affine, ending } => band.elementwise(affine.as_ref(), *ending, rows),
            Kernel::Multiply => band.multiply(rows),
            Kernel::LayerNorm { gamma, beta, epsilon } => band.layer_norm(gamma, beta, *epsilon, rows),
            Kernel::Pool2d { kind, window, strides, before } => {
                band.pool2d(*kind, *window, *strides, *before, rows);
            }
            Kernel::GlobalAveragePool2d => band.global_average_pool2d(rows),
            Kernel::Softmax => band.softmax(rows),
            Kernel::ZeroPadding2d(padding) => band.zero_padding2d(*padding, rows),
            Kernel::Cropping2d { top, left } => band.cropping2d(*top, *left, rows),
            Kernel::Concatenate => band.concatenate(rows),
            Kernel::ReverseChannels => band.reverse_channels(rows),
            Kernel::Reshape => band.reshape(rows),
        }
    }
}

fn convert(conversion: &ConvertPixels, band: &Band, rows: &mut [f32]) {
    let Band { output, first_row, .. } = *band;
    let image_row = output.width * output.channels;
    for (index, row) in rows.chunks_exact_mut(output.row_len()).enumerate() {
        let row = &mut row[output.border.left * output.pixel_len..][..output.width * output.pixel_len];
        let from = (first_row + index) * image_row;
        match band.operands.image {
            Pixels::U8(values) => conversion.run(&values[from..][..image_row], row, output.pixel_len),
            Pixels::F32(values) => conversion.run(&values[from..][..image_row], row, output.pixel_len),
        }
    }
}
