//! AVX-512 (F, VL, BW, DQ), 512-bit vectors; alone, or with the products of bf16 (BF16) or of bytes (VNNI).

use std::arch::x86_64::{
    __cpuid, __m256bh, __m256i, __m512, __m512bh, _MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT, _MM_HINT_T1,
    _mm_prefetch, _mm_storeu_si128, _mm256_loadu_si256, _mm256_storeu_si256, _mm512_add_epi32, _mm512_add_ps,
    _mm512_and_si512, _mm512_castpd_ps, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cvtepi32_epi8,
    _mm512_cvtepi32_ps, _mm512_cvtepu16_epi32, _mm512_cvtne2ps_pbh, _mm512_cvtneps_pbh, _mm512_cvtps_epi32,
    _mm512_div_ps, _mm512_dpbf16_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_madd_epi16, _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps, _mm512_permutex2var_ps,
    _mm512_roundscale_ps, _mm512_scalef_ps, _mm512_set1_epi32, _mm512_set1_pd, _mm512_set1_ps,
    _mm512_setr_epi32, _mm512_slli_epi16, _mm512_slli_epi32, _mm512_srai_epi16, _mm512_srli_epi16,
    _mm512_storeu_ps,
};

use std::mem::transmute;

use super::{Isa, SimdOp, bf16};

/// Nothing beyond the features that are always there.
pub(super) const PLAIN: u8 = 0;
/// The products of bf16.
pub(super) const BF16: u8 = 1;
/// The products of bytes.
pub(super) const VNNI: u8 = 2;

/// Proof that the processor has AVX-512 (F, VL, BW, DQ), and what `MORE` names. Only `detect` makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Avx512<const MORE: u8 = PLAIN>(());

/// Whether the processor is one of Intel's, whose instructions for bf16 have half the throughput of others.
pub(super) fn is_intel() -> bool {
    let vendor = __cpuid(0);
    [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes) == [*b"Genu", *b"ineI", *b"ntel"]
}

impl Avx512<BF16> {
    /// The proof, if the processor can give it.
    pub(super) fn detect() -> Option<Avx512<BF16>> {
        let found = Avx512::<PLAIN>::detect().is_some() && is_x86_feature_detected!("avx512bf16");
        found.then_some(Avx512(()))
    }
}

impl Avx512<VNNI> {
    /// The proof, if the processor can give it.
    pub(super) fn detect() -> Option<Avx512<VNNI>> {
        let found = Avx512::<PLAIN>::detect().is_some() && is_x86_feature_detected!("avx512vnni");
        found.then_some(Avx512(()))
    }
}

impl Avx512<PLAIN> {
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

impl<const MORE: u8> Isa for Avx512<MORE> {
    type Vector = __m512;
    const LANES: usize = 16;
    const TILE_ROWS: &'static [usize] = &[12, 12, 8];
    // A quarter of a second-level cache of 1 MiB, as in Zen 5: weights arrive from there as fast as they are multiplied, and every
    // part loads and stores the sums once more.
    const PART_WEIGHTS: usize = 64 << 10;
    const SUMS_IN_HALVES: bool = true;
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
        if MORE == BF16 {
            // SAFETY: `self` proves the instruction; both types are 512 bits of any value.
            return unsafe {
                _mm512_dpbf16_ps(c, transmute::<__m512, __m512bh>(a), transmute::<__m512, __m512bh>(b))
            };
        }
        bf16::dot_pairs(self, a, b, c)
    }

    #[inline(always)]
    fn round_pairs(self, first: Self::Vector, second: Self::Vector) -> Self::Vector {
        if MORE == BF16 {
            // SAFETY: `self` proves the instruction; both types are 512 bits of any value.
            return unsafe { transmute::<__m512bh, __m512>(_mm512_cvtne2ps_pbh(second, first)) };
        }
        bf16::round_pairs(self, first, second)
    }

    #[inline(always)]
    unsafe fn load_bf16_ptr(self, from: *const u16) -> Self::Vector {
        // SAFETY: `self` proves the instructions; the caller vouches for the numbers.
        unsafe {
            let words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(words))
        }
    }

    #[inline(always)]
    unsafe fn store_bf16_ptr(self, x: Self::Vector, to: *mut u16) {
        if MORE == BF16 {
            // SAFETY: `self` proves the instructions; the caller vouches for the numbers; both types are 256 bits of any value.
            unsafe {
                let numbers = transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(x));
                _mm256_storeu_si256(to.cast(), numbers);
            }
        } else {
            // SAFETY: the caller vouches for the numbers.
            unsafe { bf16::store(self, x, to) }
        }
    }

    #[inline(always)]
    fn dot_quads(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe {
            let [a, b, c] = [a, b, c].map(|x| _mm512_castps_si512(x));
            if MORE == VNNI {
                return _mm512_castsi512_ps(_mm512_dpbusd_epi32(c, a, b));
            }
            // As whole numbers of 16 bits: two products of bytes do not fit into one of them, but into 32 bits.
            let even = _mm512_madd_epi16(
                _mm512_and_si512(a, _mm512_set1_epi32(0x00ff_00ff)),
                _mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(b)),
            );
            let odd = _mm512_madd_epi16(_mm512_srli_epi16::<8>(a), _mm512_srai_epi16::<8>(b));
            _mm512_castsi512_ps(_mm512_add_epi32(c, _mm512_add_epi32(even, odd)))
        }
    }

    #[inline(always)]
    fn whole_to_float(self, x: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe { _mm512_cvtepi32_ps(_mm512_castps_si512(x)) }
    }

    #[inline(always)]
    unsafe fn store_bytes_ptr(self, x: Self::Vector, to: *mut u8) {
        // SAFETY: `self` proves the instructions; the caller vouches for the bytes.
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x))) }
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
    unsafe fn splat_two_ptr(self, from: *const f32) -> Self::Vector {
        // SAFETY: `self` proves the instructions; the caller vouches for the elements.
        unsafe { _mm512_castpd_ps(_mm512_set1_pd(from.cast::<f64>().read_unaligned())) }
    }

    #[inline(always)]
    fn add_neighbours(self, first: Self::Vector, second: Self::Vector) -> Self::Vector {
        // SAFETY: `self` proves the instructions.
        unsafe {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            _mm512_add_ps(
                _mm512_permutex2var_ps(first, even, second),
                _mm512_permutex2var_ps(first, odd, second),
            )
        }
    }

    #[inline(always)]
    fn call<O: SimdOp>(self, op: O) -> O::Output {
        if MORE == BF16 {
            // SAFETY: `self` proves every feature that the function is compiled with.
            return unsafe { with_bf16_features(self, op) };
        }
        if MORE == VNNI {
            // SAFETY: `self` proves every feature that the function is compiled with.
            return unsafe { with_vnni_features(self, op) };
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
unsafe fn with_features<O: SimdOp, const MORE: u8>(isa: Avx512<MORE>, op: O) -> O::Output {
    op.eval(isa)
}

/// # Safety
/// The processor must have the features named.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,avx2,fma")]
#[inline(never)]
unsafe fn with_bf16_features<O: SimdOp, const MORE: u8>(isa: Avx512<MORE>, op: O) -> O::Output {
    op.eval(isa)
}

/// # Safety
/// The processor must have the features named.
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,avx2,fma")]
#[inline(never)]
unsafe fn with_vnni_features<O: SimdOp, const MORE: u8>(isa: Avx512<MORE>, op: O) -> O::Output {
    op.eval(isa)
}
