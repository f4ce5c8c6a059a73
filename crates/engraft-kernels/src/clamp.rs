//! The range an output is limited to, for activations that are nothing else.

use crate::InstructionSet;
use crate::arch::{Isa, SimdOp};

/// Limits values to `low..=high`. NaN stays NaN, and a zero of either sign stays as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clamp {
    /// The least value.
    pub low: f32,
    /// The greatest value.
    pub high: f32,
}

impl Clamp {
    /// Limits nothing.
    pub(crate) const NONE: Clamp = Clamp { low: f32::NEG_INFINITY, high: f32::INFINITY };
    /// `max(x, 0)`
    pub const RELU: Clamp = Clamp { low: 0.0, high: f32::INFINITY };
    /// `min(max(x, 0), 6)`
    pub const RELU6: Clamp = Clamp { low: 0.0, high: 6.0 };

    /// Limits the values in place.
    pub fn run(self, isa: InstructionSet, values: &mut [f32]) {
        isa.run(ClampAll { clamp: self, values });
    }

    /// The same limits for a vector.
    #[inline(always)]
    pub(crate) fn apply<I: Isa>(self, isa: I, x: I::Vector) -> I::Vector {
        isa.min(isa.splat(self.high), isa.max(isa.splat(self.low), x))
    }
}

struct ClampAll<'a> {
    clamp: Clamp,
    values: &'a mut [f32],
}

impl SimdOp for ClampAll<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let mut chunks = self.values.chunks_exact_mut(I::LANES);
        for chunk in &mut chunks {
            isa.store(self.clamp.apply(isa, isa.load(chunk)), chunk);
        }
        for x in chunks.into_remainder() {
            // As for vectors: NaN stays.
            *x = x.clamp(self.clamp.low, self.clamp.high);
        }
    }
}
