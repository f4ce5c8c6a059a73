//! What kernels are written over: the vector arithmetic of any instruction set.

use super::bf16;

/// Vector arithmetic on `LANES` single-precision numbers.
pub(crate) trait Isa: Copy {
    /// A vector register.
    type Vector: Copy;
    /// Elements of a vector.
    const LANES: usize;
    /// Most rows of a matrix product kept in registers at once, for 1, 2, .. vectors of columns.
    const TILE_ROWS: &'static [usize];
    /// Most weights of a panel that all rows meet before the next ones: three quarters of a first-level cache of 48 KiB, unless a
    /// further one is as fast.
    const PART_WEIGHTS: usize = 9 << 10;
    /// Whether sums can be computed in halves, in two neighbouring lanes.
    const SUMS_IN_HALVES: bool = false;
    /// Most neighbouring pixels of a depthwise convolution kept in registers at once.
    const TILE_COLUMNS: usize;

    fn splat(self, x: f32) -> Self::Vector;
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a * b + c`; rounded once where the processor can.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// The lesser; `b` if either is NaN or they are equal.
    fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The greater; `b` if either is NaN or they are equal.
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The nearest whole number, the even one of two.
    fn round(self, x: Self::Vector) -> Self::Vector;
    /// `x * 2^n` for whole `n` in -126..=127.
    fn scale_by_power(self, x: Self::Vector, n: Self::Vector) -> Self::Vector;

    /// The bits of the upper half of every element, then zeros: the odd numbers of pairs of bf16.
    fn odd_halves(self, pairs: Self::Vector) -> Self::Vector;
    /// The bits of the lower half of every element, moved up: the even numbers of pairs of bf16.
    fn even_halves(self, pairs: Self::Vector) -> Self::Vector;

    /// `a.even * b.even + (a.odd * b.odd + c)` for pairs of bf16.
    #[inline(always)]
    fn dot_pairs(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        bf16::dot_pairs(self, a, b, c)
    }

    /// `2 * LANES` neighbours, of which `second` holds the later half, as pairs of bf16.
    #[inline(always)]
    fn round_pairs(self, first: Self::Vector, second: Self::Vector) -> Self::Vector {
        bf16::round_pairs(self, first, second)
    }

    /// As many numbers of bf16, exactly.
    ///
    /// # Safety
    /// `LANES` of them must be readable from `from` on.
    #[inline(always)]
    unsafe fn load_bf16_ptr(self, from: *const u16) -> Self::Vector {
        // SAFETY: the caller vouches for the numbers.
        unsafe { bf16::load(self, from) }
    }

    /// Rounds to bf16, as [`Isa::round_pairs`] does.
    ///
    /// # Safety
    /// `LANES` numbers from `to` on must be writable.
    #[inline(always)]
    unsafe fn store_bf16_ptr(self, x: Self::Vector, to: *mut u16) {
        // SAFETY: the caller vouches for the numbers.
        unsafe { bf16::store(self, x, to) }
    }

    /// `c` and the products of four bytes without sign in `a` with four signed ones in `b`, added up as whole numbers of 32 bits
    /// that wrap around. Exact: there is no limit that sums of products are held to on their way.
    fn dot_quads(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// The nearest number to the whole number of 32 bits that an element's bits stand for.
    fn whole_to_float(self, x: Self::Vector) -> Self::Vector;
    /// Rounds numbers in `0..=255` to bytes, to the even one of two.
    ///
    /// # Safety
    /// `LANES` bytes from `to` on must be writable.
    unsafe fn store_bytes_ptr(self, x: Self::Vector, to: *mut u8);

    /// Asks for the cache line of `at`, wherever that is; does nothing where there is no such instruction.
    fn prefetch(self, at: *const f32);

    /// # Safety
    /// `LANES` elements from `from` on must be readable.
    unsafe fn load_ptr(self, from: *const f32) -> Self::Vector;
    /// # Safety
    /// `LANES` elements from `to` on must be writable.
    unsafe fn store_ptr(self, x: Self::Vector, to: *mut f32);

    /// Copies of two neighbours in turn, where sums can be in halves.
    ///
    /// # Safety
    /// Two elements from `from` on must be readable.
    #[inline(always)]
    unsafe fn splat_two_ptr(self, _from: *const f32) -> Self::Vector {
        unreachable!("sums are whole")
    }

    /// The sums of neighbouring lanes, those of `first` before those of `second`, where sums can be in halves.
    #[inline(always)]
    fn add_neighbours(self, _first: Self::Vector, _second: Self::Vector) -> Self::Vector {
        unreachable!("sums are whole")
    }

    /// Runs `op` as a function of its own, compiled for this instruction set.
    fn call<O: SimdOp>(self, op: O) -> O::Output;

    /// The first `LANES` elements of `from`.
    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::Vector {
        assert!(from.len() >= Self::LANES);
        // SAFETY: the length was just checked.
        unsafe { self.load_ptr(from.as_ptr()) }
    }

    /// Overwrites the first `LANES` elements of `to`.
    #[inline(always)]
    fn store(self, x: Self::Vector, to: &mut [f32]) {
        assert!(to.len() >= Self::LANES);
        // SAFETY: the length was just checked.
        unsafe { self.store_ptr(x, to.as_mut_ptr()) }
    }
}

/// A computation written over any instruction set. `eval` must be `#[inline(always)]`: a function that stays on its own
/// is compiled without the instruction set's features.
pub(crate) trait SimdOp {
    /// What it returns.
    type Output;
    /// Computes it.
    fn eval<I: Isa>(self, isa: I) -> Self::Output;
}
