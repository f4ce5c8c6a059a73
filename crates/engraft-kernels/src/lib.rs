//! Numeric operations on plain slices, written once over a SIMD abstraction.
//!
//! Kernels start no threads, do no I/O and allocate only where they pack weights. Every output element is summed in one
//! fixed order that depends on nothing but the instruction set, so a caller may split rows as it likes and gets the
//! same bytes.
//!
//! Feature maps are `[height, width, channels]` in single precision with the channels innermost, except where a stride of vectors
//! or a [`MapFormat`] says otherwise.
//! Kernels that write whole vectors ask for pixels padded to a multiple of [`InstructionSet::lanes`] elements; the padding is
//! computed like any channel.

mod aligned_buffer;
#[allow(unsafe_code)]
mod arch; // start here: what an instruction set is
mod clamp;
mod error;

mod vector_math;

mod activation;
mod activation_gradient;
mod adam_update;
mod average_pool2d;
mod batch_norm;
mod byte_scale;
mod convert_pixels;
mod depthwise_conv2d;
mod depthwise_gradient;
mod dropout;
mod elementwise;
mod gemm;
mod global_average_pool2d;
mod kernel_gradient;
mod layer_norm;
mod map_format;
mod map_strides;
mod matmul;
mod max_pool2d;
mod multiply;
mod packed_bf16_matrix;
mod packed_int8_matrix;
mod packed_matrix;
mod peak;
mod pool2d;
#[cfg(test)]
mod regroup;
mod rms_prop_update;
mod rounded_conv2d;
mod rounded_matrix;
mod sgd_update;
mod softmax;
mod softmax_cross_entropy;
mod sparse_gradient;
mod weight_decay;
mod window;
mod winograd_conv2d;

pub use activation::Activation;
pub use adam_update::{AdamSlots, AdamUpdate};
pub use aligned_buffer::AlignedBuffer;
pub use arch::{Bf16Pair, Bf16Unit, InstructionSet, Int8Unit, Region};
pub use average_pool2d::AveragePool2d;
pub use batch_norm::{BatchNorm, BatchNormGradient, add_gradient_sums, add_moments};
pub use byte_scale::ByteScale;
pub use clamp::Clamp;
pub use convert_pixels::ConvertPixels;
pub use depthwise_conv2d::{DepthwiseConv2d, PackedDepthwise};
pub use depthwise_gradient::DepthwiseGradient;
pub use dropout::{Dropout, random_key};
pub use elementwise::Elementwise;
pub use error::KernelError;
pub use gemm::{Gemm, Residual, RowLayout, Segments};
pub use global_average_pool2d::GlobalAveragePool2d;
pub use kernel_gradient::KernelGradient;
pub use layer_norm::LayerNorm;
pub use map_format::MapFormat;
pub use map_strides::MapStrides;
pub use matmul::{matmul, matmul_transposed};
pub use max_pool2d::MaxPool2d;
pub use multiply::Multiply;
pub use packed_bf16_matrix::PackedBf16Matrix;
pub use packed_int8_matrix::PackedInt8Matrix;
pub use packed_matrix::{MatrixView, PackedMatrix};
pub use peak::register_multiply_adds;
pub use pool2d::{Pool2d, PoolKind};
pub use rms_prop_update::{RmsPropSlots, RmsPropUpdate};
pub use rounded_conv2d::RoundedConv2d;
pub use rounded_matrix::RoundedMatrix;
pub use sgd_update::SgdUpdate;
pub use softmax::softmax;
pub use softmax_cross_entropy::SoftmaxCrossEntropy;
pub use sparse_gradient::{SparseGradient, Term, Terms};
pub use weight_decay::decay_weights;
pub use window::Window;
pub use winograd_conv2d::{PackedWinograd, WinogradConv2d, WinogradTile};
