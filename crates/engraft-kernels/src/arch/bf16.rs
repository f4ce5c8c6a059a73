//! Pairs of bf16: two neighbouring elements of a sum, rounded, in the 32 bits that one element takes in single precision.
//!
//! Source: Intel, "Architecture Instruction Set Extensions Programming Reference", `VCVTNE2PS2BF16` and `VDPBF16PS`.

use bytemuck::{Pod, Zeroable};

use super::{Element, Isa, Pixels, Word};

/// Two numbers rounded to bf16: that of the even place in the lower half.
///
/// Rounded is to the nearest, to the even one of two. What is subnormal in single precision becomes zero, NaN stays NaN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct Bf16Pair(u32);

impl Bf16Pair {
    /// Rounds two numbers.
    pub fn new(even: f32, odd: f32) -> Bf16Pair {
        Bf16Pair(u32::from(rounded(odd)) << 16 | u32::from(rounded(even)))
    }

    /// Both numbers, the even one first.
    pub fn numbers(self) -> [f32; 2] {
        [self.0 << 16, self.0 & 0xffff_0000].map(f32::from_bits)
    }

    /// A number of single precision in the place of a pair.
    pub(crate) fn holding(number: f32) -> Bf16Pair {
        Bf16Pair(number.to_bits())
    }

    /// The pair's bits as those of a number of single precision.
    pub(super) fn as_number(self) -> f32 {
        f32::from_bits(self.0)
    }
}

fn rounded(x: f32) -> u16 {
    let bits = x.to_bits();
    let upper = (bits >> 16) as u16;
    if x.is_nan() {
        upper | 0x40
    } else if x.is_subnormal() {
        upper & 0x8000
    } else {
        let half_but_ties_to_even = 0x7fff + u32::from(upper & 1);
        ((bits + half_but_ties_to_even) >> 16) as u16
    }
}

impl Element for Bf16Pair {
    const HEAD_ROWS: usize = 1;
    const MEETS_BF16: bool = true;
    const SUMS_IN_HALVES: bool = true;

    #[inline(always)]
    fn splat<I: Isa>(self, isa: I) -> I::Vector {
        isa.splat(self.as_number())
    }

    #[inline(always)]
    fn mul_add<I: Isa>(isa: I, x: I::Vector, weights: I::Vector, sum: I::Vector) -> I::Vector {
        isa.dot_pairs(x, weights, sum)
    }
}

impl Word for Bf16Pair {
    const NUMBERS: usize = 2;
}

/// Rounds pixels. Those of `to` are as many, of whole vectors of pairs; where they are longer, they are filled up with zeros.
///
/// # Panics
/// If the pixels of `to` are too short.
#[inline(always)]
pub(crate) fn round_pixels<I: Isa>(isa: I, from: Pixels, to: &mut [Bf16Pair]) {
    let pixel_len = to.len() / from.count.max(1);
    assert!(2 * pixel_len >= from.vectors * I::LANES, "room for rounded elements");
    // One vector of all pixels after another: they may lie far apart.
    for at in 0..pixel_len / I::LANES {
        for (pixel, to) in to.chunks_exact_mut(pixel_len).enumerate() {
            let pairs = isa.round_pairs(from.load(isa, pixel, 2 * at), from.load(isa, pixel, 2 * at + 1));
            // SAFETY: the pixel has more than `at` vectors of pairs, which are 32 bits each, as a vector's elements are.
            unsafe { isa.store_ptr(pairs, to.as_mut_ptr().add(at * I::LANES).cast()) };
        }
    }
}

/// [`Isa::dot_pairs`] in single precision, where a product of two bf16 numbers is exact.
#[inline(always)]
pub(super) fn dot_pairs<I: Isa>(isa: I, a: I::Vector, b: I::Vector, c: I::Vector) -> I::Vector {
    let sum = isa.mul_add(isa.odd_halves(a), isa.odd_halves(b), c);
    isa.mul_add(isa.even_halves(a), isa.even_halves(b), sum)
}

/// Most elements of a vector of any instruction set.
const MOST_LANES: usize = 16;

/// [`Isa::round_pairs`] without an instruction for it.
#[inline(always)]
pub(super) fn round_pairs<I: Isa>(isa: I, first: I::Vector, second: I::Vector) -> I::Vector {
    let mut elements = [0.0; 2 * MOST_LANES];
    isa.store(first, &mut elements);
    isa.store(second, &mut elements[I::LANES..]);
    let mut pairs = [0.0; MOST_LANES];
    for (pair, two) in pairs.iter_mut().zip(elements[..2 * I::LANES].chunks_exact(2)) {
        *pair = Bf16Pair::new(two[0], two[1]).as_number();
    }
    isa.load(&pairs)
}

/// [`Isa::load_bf16_ptr`] without an instruction for it.
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn load<I: Isa>(isa: I, from: *const u16) -> I::Vector {
    let mut elements = [0.0; MOST_LANES];
    for (at, element) in elements[..I::LANES].iter_mut().enumerate() {
        // SAFETY: the caller vouches for the numbers.
        *element = f32::from_bits(u32::from(unsafe { from.add(at).read() }) << 16);
    }
    isa.load(&elements)
}

/// [`Isa::store_bf16_ptr`] without an instruction for it.
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn store<I: Isa>(isa: I, x: I::Vector, to: *mut u16) {
    let mut elements = [0.0; MOST_LANES];
    isa.store(x, &mut elements);
    for (at, &element) in elements[..I::LANES].iter().enumerate() {
        // SAFETY: the caller vouches for the numbers.
        unsafe { to.add(at).write(rounded(element)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_the_nearest() {
        let step = 2f32.powi(-7);
        for (x, want) in [
            (1.0, 1.0),
            (-1.0 - 0.4 * step, -1.0),
            (1.0 + 0.5 * step, 1.0),
            (1.0 + 1.5 * step, 1.0 + 2.0 * step),
            (1.0 + 0.51 * step, 1.0 + step),
            (f32::MAX, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
            (1e-40, 0.0),
            (f32::MIN_POSITIVE, f32::MIN_POSITIVE),
        ] {
            assert_eq!(Bf16Pair::new(x, -x).numbers(), [want, -want], "{x:e}");
        }
        // A NaN whose upper half alone would be an infinity.
        assert!(Bf16Pair::new(f32::from_bits(0x7f80_0001), 0.0).numbers()[0].is_nan());
    }
}
