//! AVX-512 (F, VL, BW, DQ), 512-bit vectors; with or without the products of bf16 (BF16).

use std::arch::x86_64::{
    __m512, __m512bh, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _MM_HINT_T1, _mm_prefetch, _mm512_add_ps,
    _mm512_and_si512, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cvtne2ps_pbh, _mm512_div_ps,
    _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps,
    _mm512_roundscale_ps, _mm512_scalef_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_slli_epi32,
    _mm512_storeu_ps,
};

use std::mem::transmute;

use super::{Isa, SimdOp, bf16};

/// Proof that the processor has AVX-512 (F, VL, BW, DQ), and BF16 if `BF16`. Only `detect` makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Avx512<const BF16: bool = false>(());

impl Avx512<true> {
    /// The proof, if the processor can give it.
    pub(super) fn detect() -> Option<Avx512<true>> {
        let found = Avx512::<false>::detect().is_some() && is_x86_feature_detected!("avx512bf16");
        found.then_some(Avx512(()))
    }
}

impl Avx512<false> {
    /// The proof, if the processor can give it.
    pub(super) fn detect() -> Option<Avx512> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma");
        found.then_some(Avx512(()))
    }
}

impl<const BF16: bool> Isa for Avx512<BF16> {
    type Vector = __m512;
    const LANES: usize = 16;
    const TILE_ROWS: &'static [usize] = &[12, 12, 8];
    const TILE_COLUMNS: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn round(self, x: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
    }

    #[inline(always)]
    fn scale_by_power(self, x: Self::Vector, n: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm512_scalef_ps(x, n) }
    }

    #[inline(always)]
    fn odd_halves(self, pairs: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe {
            let high = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
            _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(pairs), high))
        }
    }

    #[inline(always)]
    fn even_halves(self, pairs: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_castps_si512(pairs))) }
    }

    #[inline(always)]
    fn dot_pairs(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        if BF16 {
            // SAFETY: `self` proves the instruction; both types are 512 bits of any value.
            return unsafe {
                _mm512_dpbf16_ps(c, transmute::<__m512, __m512bh>(a), transmute::<__m512, __m512bh>(b))
            };
        }
        bf16::dot_pairs(self, a, b, c)
    }

    #[inline(always)]
    fn round_pairs(self, first: Self::Vector, second: Self::Vector) -> Self::Vector {
        if BF16 {
            // SAFETY: `self` proves the instruction; both types are 512 bits of any value.
            return unsafe { transmute::<__m512bh, __m512>(_mm512_cvtne2ps_pbh(second, first)) };
        }
        bf16::round_pairs(self, first, second)
    }

    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        // SAFETY: a prefetch reads nothing and never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn load_ptr(self, from: *const f32) -> Self::Vector {
        // SAFETY: `self` proves the instructions; the caller vouches for the elements.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store_ptr(self, x: Self::Vector, to: *mut f32) {
        // SAFETY: `self` proves the instructions; the caller vouches for the elements.
        unsafe { _mm512_storeu_ps(to, x) }
    }

    #[inline(always)]
    fn call<O: SimdOp>(self, op: O) -> O::Output {
        if BF16 {
            // SAFETY: `self` proves every feature that the function is compiled with.
            return unsafe { with_bf16_features(self, op) };
        }
        // SAFETY: `self` proves every feature that the function is compiled with.
        unsafe { with_features(self, op) }
    }
}

/// Without `avx512vl`, `avx2` and `fma` the compiler leaves half of the registers unused.
///
/// # Safety
/// The processor must have the features named.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
#[inline(never)]
unsafe fn with_features<O: SimdOp, const BF16: bool>(isa: Avx512<BF16>, op: O) -> O::Output {
    op.eval(isa)
}

/// # Safety
/// The processor must have the features named.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,avx2,fma")]
#[inline(never)]
unsafe fn with_bf16_features<O: SimdOp, const BF16: bool>(isa: Avx512<BF16>, op: O) -> O::Output {
    op.eval(isa)
}
