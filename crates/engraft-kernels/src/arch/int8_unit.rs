//! What multiplies bytes, beside an instruction set that does everything else.

use super::{InstructionSet, SimdOp};
#[cfg(target_arch = "x86_64")]
use super::{Kind, avx512};

/// What multiplies bytes for an instruction set. Whole numbers add up to the same sums in any order, so that all give the same
/// bits; they differ in speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Int8Unit {
    isa: InstructionSet,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Unit {
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(avx512::Avx512<{ avx512::VNNI }>),
    /// The instruction set's own arithmetic.
    Plain,
}

impl Int8Unit {
    /// All that this processor has beside `isa`, the fastest first; the last has no instruction of its own.
    pub fn available(isa: InstructionSet) -> Vec<Int8Unit> {
        let units = unit_with_instruction(isa).into_iter().chain([Unit::Plain]);
        units.map(|unit| Int8Unit { isa, unit }).collect()
    }

    /// The fastest beside `isa`.
    pub fn best(isa: InstructionSet) -> Int8Unit {
        Int8Unit::available(isa).first().copied().unwrap_or(Int8Unit { isa, unit: Unit::Plain })
    }

    /// Its name: `avx512_vnni` or `plain`.
    pub fn name(self) -> &'static str {
        match self.unit {
            #[cfg(target_arch = "x86_64")]
            Unit::Avx512Vnni(_) => "avx512_vnni",
            Unit::Plain => "plain",
        }
    }

    /// Whether it is faster than single precision: hardly so without an instruction for products of bytes.
    pub fn is_faster(self) -> bool {
        self.unit != Unit::Plain
    }

    /// The instruction set of everything else.
    pub fn isa(self) -> InstructionSet {
        self.isa
    }

    /// Computes `op` with the instruction set.
    #[inline]
    pub(crate) fn run<O: SimdOp>(self, op: O) -> O::Output {
        match self.unit {
            #[cfg(target_arch = "x86_64")]
            Unit::Avx512Vnni(avx512) => super::Isa::call(avx512, op),
            Unit::Plain => self.isa.run(op),
        }
    }
}

/// The one beside `isa` that has an instruction for bytes.
#[cfg(target_arch = "x86_64")]
fn unit_with_instruction(isa: InstructionSet) -> Option<Unit> {
    let Kind::Avx512(_) = isa.0 else { return None };
    avx512::Avx512::<{ avx512::VNNI }>::detect().map(Unit::Avx512Vnni)
}

/// None: Rust has no stable function for those of Arm.
#[cfg(not(target_arch = "x86_64"))]
fn unit_with_instruction(_: InstructionSet) -> Option<Unit> {
    None
}
