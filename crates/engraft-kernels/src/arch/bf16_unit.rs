//! What multiplies pairs of bf16 numbers, beside an instruction set that does everything else.

use super::{Bf16Pair, InstructionSet, Isa, PanelProduct, SimdOp};
#[cfg(target_arch = "x86_64")]
use super::{Kind, amx, avx512};
use crate::RowLayout;

/// What multiplies bf16 numbers for an instruction set.
///
/// All of them round alike and add up in single precision; they differ in speed, in the order of the sums, and in whether 3x3
/// convolutions round pixels and filters or, by Winograd's algorithm, what these are transformed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bf16Unit {
    isa: InstructionSet,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Unit {
    /// Tiles; rounding by AVX-512.
    #[cfg(target_arch = "x86_64")]
    Amx(amx::Amx, avx512::Avx512<{ avx512::BF16 }>),
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512<{ avx512::BF16 }>),
    /// The instruction set's own arithmetic.
    Single,
}

impl Bf16Unit {
    /// All that this processor has beside `isa`, the fastest first; the last multiplies in single precision.
    pub fn available(isa: InstructionSet) -> Vec<Bf16Unit> {
        let units = units_with_instructions(isa).into_iter().chain([Unit::Single]);
        units.map(|unit| Bf16Unit { isa, unit }).collect()
    }

    /// The fastest beside `isa`.
    pub fn best(isa: InstructionSet) -> Bf16Unit {
        Bf16Unit::available(isa).first().copied().unwrap_or(Bf16Unit { isa, unit: Unit::Single })
    }

    /// Its name: `amx`, `avx512_bf16` or `single`.
    pub fn name(self) -> &'static str {
        match self.unit {
            #[cfg(target_arch = "x86_64")]
            Unit::Amx(..) => "amx",
            #[cfg(target_arch = "x86_64")]
            Unit::Avx512(_) => "avx512_bf16",
            Unit::Single => "single",
        }
    }

    /// Whether it is faster than single precision: not without instructions for bf16, nor where those of AVX-512 multiply as many
    /// numbers in twice the time.
    pub fn is_faster(self) -> bool {
        match self.unit {
            #[cfg(target_arch = "x86_64")]
            Unit::Amx(..) => true,
            #[cfg(target_arch = "x86_64")]
            Unit::Avx512(_) => !avx512::is_intel(),
            Unit::Single => false,
        }
    }

    /// Whether Winograd's algorithm is faster: not where multiplying takes less time than transforming.
    pub fn gains_from_winograd(self) -> bool {
        match self.unit {
            #[cfg(target_arch = "x86_64")]
            Unit::Amx(..) => false,
            _ => true,
        }
    }

    /// The instruction set of everything else.
    pub fn isa(self) -> InstructionSet {
        self.isa
    }

    /// Pairs that `channels` elements take, padded with zeros to whole vectors.
    pub fn pairs(self, channels: usize) -> usize {
        self.isa.padded(channels.div_ceil(2))
    }

    /// Most vectors of columns that are multiplied at once, if fewer than `most`.
    pub(crate) fn most_vectors(self, most: usize) -> usize {
        match self.unit {
            #[cfg(target_arch = "x86_64")]
            Unit::Amx(..) => 2,
            _ => most,
        }
    }

    /// Whether a sum may have any number of pairs, and be in halves; AMX adds up whole tiles.
    pub(crate) fn sums_are_free(self) -> bool {
        match self.unit {
            #[cfg(target_arch = "x86_64")]
            Unit::Amx(..) => false,
            _ => true,
        }
    }

    /// Pairs that must follow the rows of an input so that it can be read in whole tiles.
    pub(crate) fn slack(self, layout: RowLayout) -> usize {
        match (self.unit, layout) {
            #[cfg(target_arch = "x86_64")]
            (Unit::Amx(..), layout) => PanelProduct::tile_slack(layout),
            _ => 0,
        }
    }

    /// Computes `op` with the instruction set.
    #[inline]
    pub(crate) fn run<O: SimdOp>(self, op: O) -> O::Output {
        match self.unit {
            #[cfg(target_arch = "x86_64")]
            Unit::Amx(_, avx512) | Unit::Avx512(avx512) => avx512.call(op),
            Unit::Single => self.isa.run(op),
        }
    }

    /// Prepares the calling thread for products.
    pub(crate) fn multiplier(self) -> Multiplier {
        match self.unit {
            #[cfg(target_arch = "x86_64")]
            Unit::Amx(amx, _) => Multiplier { tiles: Some(amx::Tiles::new(amx)) },
            #[cfg(target_arch = "x86_64")]
            _ => Multiplier { tiles: None },
            #[cfg(not(target_arch = "x86_64"))]
            Unit::Single => Multiplier {},
        }
    }
}

/// Those beside `isa` that have instructions for bf16, the fastest first.
#[cfg(target_arch = "x86_64")]
fn units_with_instructions(isa: InstructionSet) -> Vec<Unit> {
    let (Kind::Avx512(_), Some(avx512)) = (isa.0, avx512::Avx512::<{ avx512::BF16 }>::detect()) else {
        return Vec::new();
    };
    let amx = amx::Amx::detect().map(|amx| Unit::Amx(amx, avx512));
    amx.into_iter().chain([Unit::Avx512(avx512)]).collect()
}

/// None: Rust has no stable function for those of Arm.
#[cfg(not(target_arch = "x86_64"))]
fn units_with_instructions(_: InstructionSet) -> Vec<Unit> {
    Vec::new()
}

/// A thread that is ready to multiply.
pub(crate) struct Multiplier {
    #[cfg(target_arch = "x86_64")]
    tiles: Option<amx::Tiles>,
}

impl Multiplier {
    /// Computes a product.
    ///
    /// # Panics
    /// If a slice is too short for its layout and the unit's slack.
    #[inline(always)]
    pub(crate) fn run<I: Isa>(&self, isa: I, product: PanelProduct<Bf16Pair>) {
        #[cfg(target_arch = "x86_64")]
        if let Some(tiles) = &self.tiles {
            return product.run_in_tiles(isa, tiles);
        }
        product.run(isa);
    }
}
