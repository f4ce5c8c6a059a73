//! Quads of bytes: four neighbouring elements of a sum, rounded, in the 32 bits that one element takes in single precision.
//!
//! Source: Intel, "Architecture Instruction Set Extensions Programming Reference", `VPDPBUSD`.

use bytemuck::{Pod, Zeroable};

use super::gemm_tile::load_row;
use super::{Element, Isa, Pixels, Word};
use crate::ByteScale;

/// Four bytes, in the order in which they lie in memory: without sign on the left side of a product, signed on the right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct ByteQuad(u32);

impl ByteQuad {
    /// Four signed bytes.
    pub(crate) fn signed(bytes: [i8; 4]) -> ByteQuad {
        ByteQuad(u32::from_ne_bytes(bytes.map(i8::cast_unsigned)))
    }

    /// A number of single precision in the place of a quad.
    pub(crate) fn holding(number: f32) -> ByteQuad {
        ByteQuad(number.to_bits())
    }

    /// A whole number in the place of a quad.
    pub(crate) fn holding_whole(number: i32) -> ByteQuad {
        ByteQuad(number.cast_unsigned())
    }
}

/// A panel begins with what sums start with, as whole numbers; then come the factor and the bias of each column.
impl Element for ByteQuad {
    const HEAD_ROWS: usize = 3;

    #[inline(always)]
    fn splat<I: Isa>(self, isa: I) -> I::Vector {
        isa.splat(f32::from_bits(self.0))
    }

    #[inline(always)]
    fn mul_add<I: Isa>(isa: I, x: I::Vector, weights: I::Vector, sum: I::Vector) -> I::Vector {
        isa.dot_quads(x, weights, sum)
    }

    /// Multiplied and added in two roundings, as every instruction set can: all of them give the same bits.
    #[inline(always)]
    unsafe fn finished<I: Isa, const R: usize, const V: usize>(
        isa: I,
        head: *const f32,
        mut sums: [[I::Vector; V]; R],
    ) -> [[I::Vector; V]; R] {
        // SAFETY: the caller vouches for three rows.
        let [factor, bias] = unsafe { [1, 2].map(|row| load_row::<I, V>(isa, head.add(row * V * I::LANES))) };
        for sums in &mut sums {
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = isa.add(isa.mul(isa.whole_to_float(*sum), factor[v]), bias[v]);
            }
        }
        sums
    }
}

impl Word for ByteQuad {
    const NUMBERS: usize = 4;
}

/// Rounds pixels to as many bytes as they have elements.
///
/// # Panics
/// If `to` is not as long.
#[inline(always)]
pub(crate) fn quantize_pixels<I: Isa>(isa: I, scale: ByteScale, from: Pixels, to: &mut [ByteQuad]) {
    let elements = from.count.saturating_mul(from.vectors).saturating_mul(I::LANES);
    assert_eq!(4 * to.len(), elements, "room for bytes");
    let [steps, zero, low, high] =
        [1.0 / scale.step, f32::from(scale.zero), 0.0, 255.0].map(|x| isa.splat(x));
    let to: *mut u8 = to.as_mut_ptr().cast();
    // One vector of all pixels after another: they may lie far apart.
    for vector in 0..from.vectors {
        for pixel in 0..from.count {
            let x = isa.add(isa.mul(from.load(isa, pixel, vector), steps), zero);
            // NaN becomes the least byte.
            let x = isa.min(isa.max(x, low), high);
            // SAFETY: `to` has as many bytes as there are elements.
            unsafe { isa.store_bytes_ptr(x, to.add((pixel * from.vectors + vector) * I::LANES)) };
        }
    }
}
