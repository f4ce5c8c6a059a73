//! What convolutions multiply.

use std::fmt;
use std::str::FromStr;

use engraft_graph::{Node, Op};
use engraft_kernels::{Bf16Unit, InstructionSet, Int8Unit};

use super::layout::Layout;
use crate::EngineError;

/// What convolutions multiply. Everything else is computed in single precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Weights and inputs rounded to bf16: 8 bits of significand; where Winograd's algorithm is used, what they are transformed to
    /// instead. What a convolution writes for convolutions alone that round as they read is kept in bf16, residuals included. The
    /// first convolution and those on a single pixel, of which squeeze-and-excite and heads consist, stay in
    /// single precision.
    Bf16,
    /// Weights and inputs rounded to bytes, in the same convolutions: weights by steps of each output channel, inputs by steps
    /// that a [`Calibration`](crate::Calibration) gives. Sums are exact.
    Int8,
}

impl Precision {
    /// All there are, by the names that are parsed.
    pub const ALL: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::Int8];

    /// Its name: `f32`, `bf16` or `int8`.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
            Precision::Int8 => "int8",
        }
    }

    /// What multiplies at this precision beside an instruction set, and whether that is faster than single precision, for which
    /// there is none.
    pub(super) fn unit(self, isa: InstructionSet) -> Option<(&'static str, bool)> {
        match self {
            Precision::F32 => None,
            Precision::Bf16 => Some(Bf16Unit::best(isa)).map(|unit| (unit.name(), unit.is_faster())),
            Precision::Int8 => Some(Int8Unit::best(isa)).map(|unit| (unit.name(), unit.is_faster())),
        }
    }

    /// Whether a convolution is rounded that reads a value of that layout.
    pub(super) fn rounds(self, node: &Node, input: &Layout, lanes: usize) -> bool {
        // The pixels of an image are few and unpadded, and rounding them loses most.
        let is_map = input.height * input.width > 1 && input.pixel_len.is_multiple_of(lanes);
        self != Precision::F32 && is_map && matches!(node.op, Op::Conv2d(_) | Op::Dense(_))
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Precision, EngineError> {
        let found = Precision::ALL.into_iter().find(|precision| precision.name() == name);
        found.ok_or_else(|| EngineError::UnknownPrecision { found: name.to_owned() })
    }
}
