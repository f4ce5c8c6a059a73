//! Affine maps between images, so that any number of geometric augmentations resamples once.

use std::ops::Mul;

/// Where each output pixel comes from: `input = matrix * output + shift`.
///
/// Coordinates are `(row, column)` in pixels, measured from the centre of the image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Row by row.
    pub matrix: [[f64; 2]; 2],
    /// `(rows, columns)` in pixels.
    pub shift: [f64; 2],
}

impl Affine {
    /// Every pixel comes from its own place.
    pub const IDENTITY: Affine = Affine::linear([[1.0, 0.0], [0.0, 1.0]]);

    /// A map that leaves the centre where it is.
    pub const fn linear(matrix: [[f64; 2]; 2]) -> Affine {
        Affine { matrix, shift: [0.0, 0.0] }
    }

    /// Pixel `(row, column)` comes from `(row + rows, column + columns)`.
    pub const fn shift(rows: f64, columns: f64) -> Affine {
        Affine { shift: [rows, columns], ..Affine::IDENTITY }
    }

    /// Whether it turns the order of `[rows, columns]` round and does nothing else.
    pub(super) fn mirrors(&self) -> Option<[bool; 2]> {
        let [[row, 0.0], [0.0, column]] = self.matrix else { return None };
        let is_mirror = self.shift == [0.0, 0.0] && row.abs() == 1.0 && column.abs() == 1.0;
        is_mirror.then_some([row < 0.0, column < 0.0])
    }

    /// The shift of the same map in coordinates measured from the first pixel of an image of that size.
    pub fn shift_from_corner(&self, height: usize, width: usize) -> [f64; 2] {
        let centre = [height, width].map(|len| len as f64 / 2.0 - 0.5);
        let moved = |row: usize| {
            let [a, b] = self.matrix[row];
            -(a * centre[0] + b * centre[1]) + (self.shift[row] + centre[row])
        };
        [moved(0), moved(1)]
    }
}

impl Mul for Affine {
    type Output = Affine;

    /// The map that applies `inner` first: an image transformed by `self`, then by `inner`.
    fn mul(self, inner: Affine) -> Affine {
        let [[a, b], [c, d]] = self.matrix;
        let apply = |[row, column]: [f64; 2]| [a * row + b * column, c * row + d * column];
        let [[e, f], [g, h]] = inner.matrix;
        let ([first_row, second_row], [first_column, second_column]) = (apply([e, g]), apply([f, h]));
        let moved = apply(inner.shift);
        Affine {
            matrix: [[first_row, first_column], [second_row, second_column]],
            shift: [moved[0] + self.shift[0], moved[1] + self.shift[1]],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(map: &Affine, [row, column]: [f64; 2]) -> [f64; 2] {
        [0, 1].map(|i| map.matrix[i][0] * row + map.matrix[i][1] * column + map.shift[i])
    }

    #[test]
    fn a_product_applies_its_right_side_first() {
        let outer = Affine { matrix: [[1.0, 2.0], [3.0, 4.0]], shift: [5.0, 6.0] };
        let inner = Affine { matrix: [[0.5, -1.0], [2.0, 0.25]], shift: [-3.0, 7.0] };
        for point in [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [2.0, -5.0]] {
            assert_eq!(apply(&(outer * inner), point), apply(&outer, apply(&inner, point)), "{point:?}");
        }
        assert_eq!(outer * Affine::IDENTITY, outer);
        assert_eq!(Affine::IDENTITY * outer, outer);
    }

    #[test]
    fn only_whole_flips_are_mirrors() {
        let scaled = |row, column| Affine::linear([[row, 0.0], [0.0, column]]);
        for (map, want) in [
            (scaled(1.0, -1.0), Some([false, true])),
            (scaled(-1.0, -1.0), Some([true, true])),
            (scaled(-1.0, 0.9), None),
            (Affine::linear([[0.0, 1.0], [1.0, 0.0]]), None),
            (Affine { shift: [0.0, 0.5], ..scaled(1.0, -1.0) }, None),
        ] {
            assert_eq!(map.mirrors(), want, "{map:?}");
        }
    }

    #[test]
    fn seen_from_the_corner_the_centre_still_stays() {
        let half_turn = Affine::linear([[-1.0, 0.0], [0.0, -1.0]]);
        assert_eq!(half_turn.shift_from_corner(5, 8), [4.0, 7.0]);
        assert_eq!(Affine::shift(2.0, -1.0).shift_from_corner(5, 8), [2.0, -1.0]);
    }
}
