//! The two sizes of tiles, and how filters, pixels and products are transformed for each, in one direction.
//!
//! Source: Lavin and Gray (2015), arXiv:1509.09308, F(2x2, 3x3) and F(4x4, 3x3).

use crate::arch::Isa;

/// How many output pixels are computed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WinogradTile {
    /// 16 products for 4 pixels: filters become not quite twice as many numbers.
    TwoByTwo,
    /// 36 products for 16 pixels: filters become four times as many numbers.
    FourByFour,
}

impl WinogradTile {
    /// Rows and columns of output pixels.
    pub const fn side(self) -> usize {
        match self {
            WinogradTile::TwoByTwo => 2,
            WinogradTile::FourByFour => 4,
        }
    }

    /// Products of a tile: the pixels of its window.
    pub const fn products(self) -> usize {
        (self.side() + 2).pow(2)
    }

    /// Tiles that cover an output of that many rows and columns.
    pub const fn count(self, [height, width]: [usize; 2]) -> usize {
        height.div_ceil(self.side()) * width.div_ceil(self.side())
    }
}

/// The transformations for tiles of `TILE` pixels from windows of `WINDOW`.
pub(super) trait Transform<const TILE: usize, const WINDOW: usize>: Copy {
    /// Three neighbouring taps of a filter to its factors.
    fn taps(self, taps: [f64; 3]) -> [f64; WINDOW];

    /// Neighbouring pixels to what is multiplied.
    fn pixels<I: Isa>(self, isa: I, pixels: [I::Vector; WINDOW]) -> [I::Vector; WINDOW];

    /// Neighbouring products to sums.
    fn products<I: Isa>(self, isa: I, products: [I::Vector; WINDOW]) -> [I::Vector; TILE];
}

/// [`WinogradTile::TwoByTwo`]
#[derive(Clone, Copy)]
pub(super) struct TwoByTwo;

impl Transform<2, 4> for TwoByTwo {
    fn taps(self, [a, b, c]: [f64; 3]) -> [f64; 4] {
        [a, (a + b + c) / 2.0, (a - b + c) / 2.0, c]
    }

    #[inline(always)]
    fn pixels<I: Isa>(self, isa: I, [p0, p1, p2, p3]: [I::Vector; 4]) -> [I::Vector; 4] {
        [subtract(isa, p0, p2), isa.add(p1, p2), subtract(isa, p2, p1), subtract(isa, p1, p3)]
    }

    #[inline(always)]
    fn products<I: Isa>(self, isa: I, [p0, p1, p2, p3]: [I::Vector; 4]) -> [I::Vector; 2] {
        [isa.add(p0, isa.add(p1, p2)), subtract(isa, subtract(isa, p1, p2), p3)]
    }
}

/// [`WinogradTile::FourByFour`]
#[derive(Clone, Copy)]
pub(super) struct FourByFour;

impl Transform<4, 6> for FourByFour {
    fn taps(self, [a, b, c]: [f64; 3]) -> [f64; 6] {
        let (even, odd) = ((a + c) / 6.0, b / 6.0);
        let (outer, inner) = (a / 24.0 + c / 6.0, b / 12.0);
        [a / 4.0, -even - odd, odd - even, outer + inner, outer - inner, c]
    }

    #[inline(always)]
    fn pixels<I: Isa>(self, isa: I, [p0, p1, p2, p3, p4, p5]: [I::Vector; 6]) -> [I::Vector; 6] {
        let (even, odd) = (times(isa, p2, -4.0, p4), times(isa, p1, -4.0, p3));
        let (outer, inner) = (subtract(isa, p4, p2), subtract(isa, p3, p1));
        [
            times(isa, p0, 4.0, times(isa, p2, -5.0, p4)),
            isa.add(even, odd),
            subtract(isa, even, odd),
            times(isa, inner, 2.0, outer),
            times(isa, inner, -2.0, outer),
            times(isa, p1, 4.0, times(isa, p3, -5.0, p5)),
        ]
    }

    #[inline(always)]
    fn products<I: Isa>(self, isa: I, [p0, p1, p2, p3, p4, p5]: [I::Vector; 6]) -> [I::Vector; 4] {
        let (near_sum, near_difference) = (isa.add(p1, p2), subtract(isa, p1, p2));
        let (far_sum, far_difference) = (isa.add(p3, p4), subtract(isa, p3, p4));
        [
            isa.add(p0, isa.add(near_sum, far_sum)),
            times(isa, far_difference, 2.0, near_difference),
            times(isa, far_sum, 4.0, near_sum),
            isa.add(times(isa, far_difference, 8.0, near_difference), p5),
        ]
    }
}

/// `x * factor + added`. (Closures would stay functions without the instruction set's features.)
#[inline(always)]
fn times<I: Isa>(isa: I, x: I::Vector, factor: f32, added: I::Vector) -> I::Vector {
    isa.mul_add(x, isa.splat(factor), added)
}

/// `a - b`
#[inline(always)]
fn subtract<I: Isa>(isa: I, a: I::Vector, b: I::Vector) -> I::Vector {
    times(isa, b, -1.0, a)
}
