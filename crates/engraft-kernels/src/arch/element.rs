//! What products are made of: a number, or several smaller ones in the 32 bits of one.

use super::Isa;

/// An element of the left matrix of a product.
///
/// A panel of the right one begins with `HEAD_ROWS` rows that are no weights: what sums start with, then what
/// [`Element::finished`] reads.
pub(crate) trait Element: Copy {
    const HEAD_ROWS: usize;
    /// A vector of copies of it.
    fn splat<I: Isa>(self, isa: I) -> I::Vector;
    /// `x * weights + sum`
    fn mul_add<I: Isa>(isa: I, x: I::Vector, weights: I::Vector, sum: I::Vector) -> I::Vector;

    /// Sums in single precision.
    ///
    /// # Safety
    /// `HEAD_ROWS` rows of `V` vectors must be readable from `head` on.
    #[inline(always)]
    unsafe fn finished<I: Isa, const R: usize, const V: usize>(
        _: I,
        _head: *const f32,
        sums: [[I::Vector; V]; R],
    ) -> [[I::Vector; V]; R] {
        sums
    }
}

impl Element for f32 {
    const HEAD_ROWS: usize = 1;

    #[inline(always)]
    fn splat<I: Isa>(self, isa: I) -> I::Vector {
        isa.splat(self)
    }

    #[inline(always)]
    fn mul_add<I: Isa>(isa: I, x: I::Vector, weights: I::Vector, sum: I::Vector) -> I::Vector {
        isa.mul_add(x, weights, sum)
    }
}

/// Several small numbers in 32 bits.
///
/// # Safety
/// Every value of 32 bits must be valid for the type.
pub(crate) unsafe trait Word: Element {
    /// Numbers of a word.
    const NUMBERS: usize;

    /// The same memory.
    fn words(memory: &mut [u32]) -> &mut [Self] {
        const { assert!(size_of::<Self>() == size_of::<u32>() && align_of::<Self>() == align_of::<u32>()) };
        // SAFETY: size and alignment were just compared, and whoever implements the trait vouches for every value.
        unsafe { std::slice::from_raw_parts_mut(memory.as_mut_ptr().cast(), memory.len()) }
    }
}
