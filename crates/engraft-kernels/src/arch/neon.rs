//! NEON of 64-bit Arm, 128-bit vectors.

use std::arch::aarch64::{
    float32x4_t, vaddq_f32, vaddq_s32, vandq_u32, vbslq_f32, vcgtq_f32, vcltq_f32, vcombine_s16,
    vcvtnq_s32_f32, vcvtq_f32_s32, vcvtq_s32_f32, vdivq_f32, vdupq_n_f32, vdupq_n_s32, vdupq_n_u32,
    vfmaq_f32, vget_lane_u32, vget_low_s8, vget_low_s16, vget_low_u8, vld1q_f32, vmovl_high_s8,
    vmovl_high_u8, vmovl_s8, vmovl_u8, vmovn_s32, vmull_high_s16, vmull_s16, vmulq_f32, vpaddq_s32,
    vqmovun_s16, vreinterpret_u32_u8, vreinterpretq_f32_s32, vreinterpretq_f32_u32, vreinterpretq_s8_f32,
    vreinterpretq_s16_u16, vreinterpretq_s32_f32, vreinterpretq_u8_f32, vreinterpretq_u32_f32, vrndnq_f32,
    vshlq_n_s32, vshlq_n_u32, vst1q_f32,
};
use std::arch::{asm, is_aarch64_feature_detected};

use super::{Isa, SimdOp};

/// Proof that the processor has NEON. Only [`Neon::detect`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Neon(());

impl Neon {
    /// The proof, which every processor gives that runs an operating system.
    pub(super) fn detect() -> Option<Neon> {
        is_aarch64_feature_detected!("neon").then_some(Neon(()))
    }
}

impl Isa for Neon {
    type Vector = float32x4_t;
    const LANES: usize = 4;
    // As many registers as AVX-512 has, a quarter as wide.
    const TILE_ROWS: &'static [usize] = &[12, 12, 8];
    const TILE_COLUMNS: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { vdupq_n_f32(x) }
    }

    #[inline(always)]
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // Not `vminq_f32`: it gives NaN if either is, and tells zeros apart.
        // SAFETY: `self` proves the instructions.
        unsafe { vbslq_f32(vcltq_f32(a, b), a, b) }
    }

    #[inline(always)]
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
    }

    #[inline(always)]
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { vdivq_f32(a, b) }
    }

    #[inline(always)]
    fn round(self, x: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { vrndnq_f32(x) }
    }

    #[inline(always)]
    fn scale_by_power(self, x: Self::Vector, n: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe {
            // The exponent's bits of 2^n.
            let exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
            vmulq_f32(x, vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent)))
        }
    }

    #[inline(always)]
    fn odd_halves(self, pairs: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe {
            let high = vdupq_n_u32(0xffff_0000);
            vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(pairs), high))
        }
    }

    #[inline(always)]
    fn even_halves(self, pairs: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { vreinterpretq_f32_u32(vshlq_n_u32::<16>(vreinterpretq_u32_f32(pairs))) }
    }

    #[inline(always)]
    fn dot_quads(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe {
            let (a, b) = (vreinterpretq_u8_f32(a), vreinterpretq_s8_f32(b));
            // Bytes as whole numbers of 16 bits, whose products fit into 32.
            let [a_low, a_high] =
                [vmovl_u8(vget_low_u8(a)), vmovl_high_u8(a)].map(|x| vreinterpretq_s16_u16(x));
            let [b_low, b_high] = [vmovl_s8(vget_low_s8(b)), vmovl_high_s8(b)];
            let pairs = |a, b| vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b));
            let quads = vpaddq_s32(pairs(a_low, b_low), pairs(a_high, b_high));
            vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(c), quads))
        }
    }

    #[inline(always)]
    fn whole_to_float(self, x: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { vcvtq_f32_s32(vreinterpretq_s32_f32(x)) }
    }

    #[inline(always)]
    unsafe fn store_bytes_ptr(self, x: Self::Vector, to: *mut u8) {
        // SAFETY: `self` proves the instructions; the caller vouches for the bytes.
        unsafe {
            let halves = vmovn_s32(vcvtnq_s32_f32(x));
            let bytes = vqmovun_s16(vcombine_s16(halves, halves));
            to.cast::<u32>().write_unaligned(vget_lane_u32::<0>(vreinterpret_u32_u8(bytes)));
        }
    }

    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        // Rust has no stable function for it.
        // SAFETY: a prefetch reads nothing and never faults.
        unsafe {
            asm!("prfm pldl2keep, [{}]", in(reg) at.addr(), options(nomem, nostack, preserves_flags));
        }
    }

    #[inline(always)]
    unsafe fn load_ptr(self, from: *const f32) -> Self::Vector {
        // SAFETY: `self` proves the instructions; the caller vouches for the elements.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn store_ptr(self, x: Self::Vector, to: *mut f32) {
        // SAFETY: `self` proves the instructions; the caller vouches for the elements.
        unsafe { vst1q_f32(to, x) }
    }

    #[inline(always)]
    fn call<O: SimdOp>(self, op: O) -> O::Output {
        // SAFETY: `self` proves every feature that the function is compiled with.
        unsafe { with_features(self, op) }
    }
}

/// # Safety
/// The processor must have the features named.
#[target_feature(enable = "neon")]
#[inline(never)]
unsafe fn with_features<O: SimdOp>(isa: Neon, op: O) -> O::Output {
    op.eval(isa)
}
