//! What products are made of: a number, or several smaller ones in the 32 bits of one.

use bytemuck::Pod;

use super::Isa;

/// An element of the left matrix of a product.
///
/// A panel of the right one begins with `HEAD_ROWS` rows that are no weights: what sums start with, then what
/// [`Element::finished`] reads.
pub(crate) trait Element: Copy {
    const HEAD_ROWS: usize;
    /// Whether what is added to and made of its products may be in bf16.
    const MEETS_BF16: bool = false;
    /// Whether its sums may be in halves: they are joined before [`Element::finished`], which must not read a head then.
    const SUMS_IN_HALVES: bool = false;
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
    const SUMS_IN_HALVES: bool = true;

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
pub(crate) trait Word: Element + Pod {
    /// Numbers of a word.
    const NUMBERS: usize;
}
