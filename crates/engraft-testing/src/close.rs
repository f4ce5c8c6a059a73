//! Comparing arrays of numbers within a stated tolerance.

/// How far a value may be from the expected one: `abs + rel * |want|`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Absolute part, in the unit of the values.
    pub abs: f32,
    /// Part relative to the expected value, without unit.
    pub rel: f32,
}

impl Tolerance {
    /// Equal as numbers; `-0.0` equals `0.0`.
    pub const EXACT: Tolerance = Tolerance { abs: 0.0, rel: 0.0 };

    /// A purely absolute tolerance.
    pub const fn abs(abs: f32) -> Tolerance {
        Tolerance { abs, rel: 0.0 }
    }
}

/// Asserts that `got` has the length of `want` and every element lies within `tolerance`. NaN never passes.
///
/// # Panics
/// With the worst element, if the lengths differ or an element is out of tolerance.
#[track_caller]
pub fn assert_close(got: &[f32], want: &[f32], tolerance: Tolerance) {
    assert_eq!(got.len(), want.len(), "got {} elements, want {}", got.len(), want.len());
    if let Some(index) = worst_excess(got, want, tolerance) {
        panic!("element {index}: got {}, want {} ({tolerance:?})", got[index], want[index]);
    }
}

/// Index of the element furthest beyond its tolerance, if any is beyond it.
fn worst_excess(got: &[f32], want: &[f32], tolerance: Tolerance) -> Option<usize> {
    let mut worst = None;
    let mut worst_excess = 0.0;
    for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
        let excess = (got - want).abs() - (tolerance.abs + tolerance.rel * want.abs());
        let excess = if excess.is_nan() { f32::INFINITY } else { excess };
        if excess > worst_excess {
            (worst, worst_excess) = (Some(index), excess);
        }
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_inside_the_tolerance_pass() {
        assert_close(&[1.0, 2.001, -0.0], &[1.0, 2.0, 0.0], Tolerance { abs: 0.0, rel: 1e-3 });
    }

    #[test]
    #[should_panic(expected = "element 1: got 2, want 3")]
    fn the_worst_element_is_named() {
        assert_close(&[1.1, 2.0], &[1.0, 3.0], Tolerance::abs(1e-3));
    }

    #[test]
    #[should_panic(expected = "element 0: got NaN")]
    fn nan_never_passes() {
        assert_close(&[f32::NAN], &[f32::NAN], Tolerance { abs: f32::INFINITY, rel: 0.0 });
    }

    #[test]
    #[should_panic(expected = "got 1 elements, want 2")]
    fn lengths_must_agree() {
        assert_close(&[1.0], &[1.0, 2.0], Tolerance::EXACT);
    }
}
