//! Instruction sets. All intrinsics and all `unsafe` of the project live in this module.
//!
//! A value of a type that implements [`Isa`] proves that the processor has those instructions: only
//! [`InstructionSet`] hands one out, and it looks first. Kernels are [`SimdOp`]s, written once.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bf16;
mod bf16_unit;
mod byte_quad;
mod depthwise_tile;
mod element;
mod gemm_tile;
mod int8_unit;
mod isa;
#[cfg(target_arch = "aarch64")]
mod neon;
mod pixels;
mod portable;
mod region;

pub use bf16::Bf16Pair;
pub(crate) use bf16::round_pixels;
pub use bf16_unit::Bf16Unit;
pub(crate) use bf16_unit::Multiplier;
pub(crate) use byte_quad::{ByteQuad, quantize_pixels};
pub(crate) use depthwise_tile::DepthwiseTiles;
pub(crate) use element::{Element, Word};
pub(crate) use gemm_tile::PanelProduct;
pub use int8_unit::Int8Unit;
pub(crate) use isa::{Isa, SimdOp};
pub(crate) use pixels::Pixels;
pub(crate) use region::Part;
pub use region::Region;

use crate::KernelError;

/// An instruction set that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InstructionSet(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
    Portable,
}

/// Every name, whether the processor has it or not.
const NAMES: [&str; 4] = ["avx512", "avx2", "neon", "portable"];

/// The variable that forces an instruction set.
const VARIABLE: &str = "ENGRAFT_ISA";

impl InstructionSet {
    /// All that this processor has, the fastest first; the last is the portable one.
    pub fn available() -> Vec<InstructionSet> {
        NAMES.iter().filter_map(|name| InstructionSet::detect(name)).collect()
    }

    /// The fastest that this processor has.
    pub fn best() -> InstructionSet {
        InstructionSet::available().first().copied().unwrap_or(InstructionSet(Kind::Portable))
    }

    /// The one of that name.
    ///
    /// # Errors
    /// [`KernelError`] if there is no such name, or the processor lacks it.
    pub fn named(name: &str) -> Result<InstructionSet, KernelError> {
        if let Some(found) = InstructionSet::detect(name) {
            return Ok(found);
        }
        let found = name.to_owned();
        if !NAMES.contains(&name) {
            return Err(KernelError::UnknownInstructionSet { found });
        }
        let available: Vec<_> = InstructionSet::available().iter().map(|isa| isa.name()).collect();
        Err(KernelError::UnavailableInstructionSet { found, available: available.join(", ") })
    }

    /// The one that the environment variable `ENGRAFT_ISA` names; the fastest if it is not set or empty.
    ///
    /// # Errors
    /// As [`InstructionSet::named`].
    pub fn from_env() -> Result<InstructionSet, KernelError> {
        match std::env::var_os(VARIABLE) {
            Some(name) if !name.is_empty() => InstructionSet::named(&name.to_string_lossy()),
            _ => Ok(InstructionSet::best()),
        }
    }

    /// The name that `ENGRAFT_ISA` takes.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => "neon",
            Kind::Portable => "portable",
        }
    }

    /// Elements of a vector.
    pub fn lanes(self) -> usize {
        self.run(Lanes)
    }

    /// `len` rounded up to whole vectors.
    pub fn padded(self, len: usize) -> usize {
        len.next_multiple_of(self.lanes())
    }

    /// Computes `op` with this instruction set.
    #[inline]
    pub(crate) fn run<O: SimdOp>(self, op: O) -> O::Output {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(isa) => isa.call(op),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(isa) => isa.call(op),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(isa) => isa.call(op),
            Kind::Portable => portable::Portable.call(op),
        }
    }

    fn detect(name: &str) -> Option<InstructionSet> {
        match name {
            #[cfg(target_arch = "x86_64")]
            "avx512" => {
                avx512::Avx512::<{ avx512::PLAIN }>::detect().map(|isa| InstructionSet(Kind::Avx512(isa)))
            }
            #[cfg(target_arch = "x86_64")]
            "avx2" => avx2::Avx2::detect().map(|isa| InstructionSet(Kind::Avx2(isa))),
            #[cfg(target_arch = "aarch64")]
            "neon" => neon::Neon::detect().map(|isa| InstructionSet(Kind::Neon(isa))),
            "portable" => Some(InstructionSet(Kind::Portable)),
            _ => None,
        }
    }
}

struct Lanes;

impl SimdOp for Lanes {
    type Output = usize;

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) -> usize {
        I::LANES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_instruction_set() {
        for isa in InstructionSet::available() {
            assert_eq!(InstructionSet::named(isa.name()), Ok(isa));
        }
        assert_eq!(InstructionSet::available().last().map(|isa| isa.name()), Some("portable"));
    }

    #[test]
    fn an_unknown_name_is_refused() {
        let error = InstructionSet::named("avx9000").unwrap_err().to_string();
        let want = format!("instruction set `avx9000` is unknown, expected one of {}", NAMES.join(", "));
        assert_eq!(error, want);
    }

    struct MinMax(f32, f32);

    impl SimdOp for MinMax {
        type Output = [f32; 2];

        #[inline(always)]
        fn eval<I: Isa>(self, isa: I) -> [f32; 2] {
            let (a, b) = (isa.splat(self.0), isa.splat(self.1));
            let mut out = vec![0.0; 2 * I::LANES];
            isa.store(isa.min(a, b), &mut out);
            isa.store(isa.max(a, b), &mut out[I::LANES..]);
            [out[0], out[I::LANES]]
        }
    }

    #[test]
    fn nan_in_the_second_place_survives_min_and_max() {
        for isa in InstructionSet::available() {
            assert!(isa.run(MinMax(1.0, f32::NAN)).iter().all(|x| x.is_nan()), "{}", isa.name());
            assert_eq!(isa.run(MinMax(f32::NAN, 1.0)), [1.0; 2], "{}", isa.name());
            assert_eq!(isa.run(MinMax(2.0, 1.0)), [1.0, 2.0], "{}", isa.name());
            let signs = isa.run(MinMax(0.0, -0.0)).map(f32::is_sign_negative);
            assert_eq!(signs, [true; 2], "{}", isa.name());
        }
    }

    struct RoundAndScale(f32, f32);

    impl SimdOp for RoundAndScale {
        type Output = [f32; 2];

        #[inline(always)]
        fn eval<I: Isa>(self, isa: I) -> [f32; 2] {
            let (x, n) = (isa.splat(self.0), isa.splat(self.1));
            let mut out = vec![0.0; 2 * I::LANES];
            isa.store(isa.round(x), &mut out);
            isa.store(isa.scale_by_power(x, n), &mut out[I::LANES..]);
            [out[0], out[I::LANES]]
        }
    }

    #[test]
    fn halves_become_even_and_every_power_of_two_is_exact() {
        for isa in InstructionSet::available() {
            for n in -126..=127_i8 {
                let x = f32::from(n) / 4.0;
                let scaled = f64::from(x) * 2f64.powi(n.into());
                let want = [x.round_ties_even(), scaled as f32];
                assert_eq!(isa.run(RoundAndScale(x, n.into())), want, "{} {x} {n}", isa.name());
            }
        }
    }
}
