//! AVX2 and FMA, 256-bit vectors.

use std::arch::x86_64::{
    __m256, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _MM_HINT_T1, _mm_packs_epi32, _mm_packus_epi16,
    _mm_prefetch, _mm_storel_epi64, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256, _mm256_castps_si256,
    _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cvtepi32_ps, _mm256_cvtps_epi32, _mm256_div_ps,
    _mm256_extracti128_si256, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_madd_epi16, _mm256_max_ps,
    _mm256_min_ps, _mm256_mul_ps, _mm256_round_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_slli_epi16,
    _mm256_slli_epi32, _mm256_srai_epi16, _mm256_srli_epi16, _mm256_storeu_ps,
};

use super::{Isa, SimdOp};

/// Proof that the processor has AVX2 and FMA. Only [`Avx2::detect`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Avx2(());

impl Avx2 {
    /// The proof, if the processor can give it.
    pub(super) fn detect() -> Option<Avx2> {
        let found = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        found.then_some(Avx2(()))
    }
}

impl Isa for Avx2 {
    type Vector = __m256;
    const LANES: usize = 8;
    const TILE_ROWS: &'static [usize] = &[12, 6, 4];
    // Vectors of 8 are read from the second-level cache as fast as they are multiplied, and a shorter sum costs more to begin
    // than it saves.
    const PART_WEIGHTS: usize = 18 << 10;
    const TILE_COLUMNS: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm256_min_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm256_div_ps(a, b) }
    }

    #[inline(always)]
    fn round(self, x: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x) }
    }

    #[inline(always)]
    fn scale_by_power(self, x: Self::Vector, n: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe {
            // The exponent's bits of 2^n.
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        }
    }

    #[inline(always)]
    fn odd_halves(self, pairs: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe {
            let high = _mm256_set1_epi32(0xffff_0000_u32.cast_signed());
            _mm256_castsi256_ps(_mm256_and_si256(_mm256_castps_si256(pairs), high))
        }
    }

    #[inline(always)]
    fn even_halves(self, pairs: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_castps_si256(pairs))) }
    }

    #[inline(always)]
    fn dot_quads(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe {
            let [a, b, c] = [a, b, c].map(|x| _mm256_castps_si256(x));
            // As whole numbers of 16 bits: two products of bytes do not fit into one of them, but into 32 bits.
            let even = _mm256_madd_epi16(
                _mm256_and_si256(a, _mm256_set1_epi32(0x00ff_00ff)),
                _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(b)),
            );
            let odd = _mm256_madd_epi16(_mm256_srli_epi16::<8>(a), _mm256_srai_epi16::<8>(b));
            _mm256_castsi256_ps(_mm256_add_epi32(c, _mm256_add_epi32(even, odd)))
        }
    }

    #[inline(always)]
    fn whole_to_float(self, x: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm256_cvtepi32_ps(_mm256_castps_si256(x)) }
    }

    #[inline(always)]
    unsafe fn store_bytes_ptr(self, x: Self::Vector, to: *mut u8) {
        // SAFETY: `self` proves the instructions; the caller vouches for the bytes.
        unsafe {
            let whole = _mm256_cvtps_epi32(x);
            let (low, high) = (_mm256_castsi256_si128(whole), _mm256_extracti128_si256::<1>(whole));
            let halves = _mm_packs_epi32(low, high);
            _mm_storel_epi64(to.cast(), _mm_packus_epi16(halves, halves));
        }
    }

    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        // SAFETY: a prefetch reads nothing and never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn load_ptr(self, from: *const f32) -> Self::Vector {
        // SAFETY: `self` proves the instructions; the caller vouches for the elements.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store_ptr(self, x: Self::Vector, to: *mut f32) {
        // SAFETY: `self` proves the instructions; the caller vouches for the elements.
        unsafe { _mm256_storeu_ps(to, x) }
    }

    #[inline(always)]
    fn call<O: SimdOp>(self, op: O) -> O::Output {
        // SAFETY: `self` proves every feature that the function is compiled with.
        unsafe { with_features(self, op) }
    }
}

/// # Safety
/// The processor must have the features named.
#[target_feature(enable = "avx2,fma")]
#[inline(never)]
unsafe fn with_features<O: SimdOp>(isa: Avx2, op: O) -> O::Output {
    op.eval(isa)
}
