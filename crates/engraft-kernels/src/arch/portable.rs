//! Plain Rust for any processor; the compiler turns the arrays into whatever vectors there are.

use super::{Isa, SimdOp};

/// Always available.
#[derive(Clone, Copy)]
pub(super) struct Portable;

const LANES: usize = 4;

#[inline(always)]
fn zip(a: [f32; LANES], b: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2]), f(a[3], b[3])]
}

/// The whole number that an element's bits stand for.
#[inline(always)]
fn bits(x: f32) -> i32 {
    x.to_bits().cast_signed()
}

/// An element whose bits stand for a whole number.
#[inline(always)]
fn whole(x: i32) -> f32 {
    f32::from_bits(x.cast_unsigned())
}

impl Isa for Portable {
    type Vector = [f32; LANES];
    const LANES: usize = LANES;
    const TILE_ROWS: &'static [usize] = &[6, 4];
    const TILE_COLUMNS: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::Vector {
        [x; LANES]
    }

    #[inline(always)]
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        zip(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        zip(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        // Not `f32::mul_add`: without the instruction it is a call into the mathematics library.
        self.add(self.mul(a, b), c)
    }

    #[inline(always)]
    fn min(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        zip(a, b, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        zip(a, b, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn div(self, a: Self::Vector, b: Self::Vector) -> Self::Vector {
        zip(a, b, |a, b| a / b)
    }

    #[inline(always)]
    fn round(self, x: Self::Vector) -> Self::Vector {
        x.map(f32::round_ties_even)
    }

    #[inline(always)]
    fn scale_by_power(self, x: Self::Vector, n: Self::Vector) -> Self::Vector {
        // The exponent's bits of 2^n.
        zip(x, n, |x, n| x * f32::from_bits(((n as i32 + 127) << 23) as u32))
    }

    #[inline(always)]
    fn odd_halves(self, pairs: Self::Vector) -> Self::Vector {
        pairs.map(|pair| f32::from_bits(pair.to_bits() & 0xffff_0000))
    }

    #[inline(always)]
    fn even_halves(self, pairs: Self::Vector) -> Self::Vector {
        pairs.map(|pair| f32::from_bits(pair.to_bits() << 16))
    }

    #[inline(always)]
    fn dot_quads(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        let products = zip(a, b, |a, b| {
            let (a, b) = (a.to_bits().to_ne_bytes(), b.to_bits().to_ne_bytes());
            let product = |at: usize| i32::from(a[at]) * i32::from(b[at].cast_signed());
            whole(product(0) + product(1) + product(2) + product(3))
        });
        zip(products, c, |x, c| whole(bits(x).wrapping_add(bits(c))))
    }

    #[inline(always)]
    fn whole_to_float(self, x: Self::Vector) -> Self::Vector {
        x.map(|x| bits(x) as f32)
    }

    #[inline(always)]
    unsafe fn store_bytes_ptr(self, x: Self::Vector, to: *mut u8) {
        // SAFETY: the caller vouches for `LANES` writable bytes.
        unsafe { to.cast::<[u8; LANES]>().write(x.map(|x| x.round_ties_even() as u8)) }
    }

    #[inline(always)]
    fn prefetch(self, _: *const f32) {}

    #[inline(always)]
    unsafe fn load_ptr(self, from: *const f32) -> Self::Vector {
        // SAFETY: the caller vouches for `LANES` readable elements; an array needs no more alignment than its elements.
        unsafe { from.cast::<Self::Vector>().read() }
    }

    #[inline(always)]
    unsafe fn store_ptr(self, x: Self::Vector, to: *mut f32) {
        // SAFETY: the caller vouches for `LANES` writable elements; an array needs no more alignment than its elements.
        unsafe { to.cast::<Self::Vector>().write(x) }
    }

    #[inline(never)]
    fn call<O: SimdOp>(self, op: O) -> O::Output {
        op.eval(self)
    }
}
