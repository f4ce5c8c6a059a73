//! How numbers become bytes.
//!
//! Source: Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference" (2018),
//! section 2.1.

/// The number that a byte `b` stands for is `(b - zero) * step`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ByteScale {
    /// Between neighbouring bytes; a normal number, as its inverse is.
    pub(crate) step: f32,
    /// The byte that stands for exactly zero.
    pub(crate) zero: u8,
}

impl ByteScale {
    /// Bytes for the numbers from `low` to `high` and for zero; what lies beyond becomes the least or the greatest byte.
    ///
    /// # Panics
    /// If a limit is not finite.
    pub fn covering(low: f32, high: f32) -> ByteScale {
        assert!(low.is_finite() && high.is_finite(), "numbers from {low} to {high}");
        let (low, high) = (f64::from(low.min(0.0)), f64::from(high.max(0.0)));
        let step = ((high - low) / 255.0) as f32;
        // Where all numbers are zero, or too small to be told from it, any step does.
        if !step.is_normal() || !(1.0 / step).is_normal() {
            return ByteScale { step: 1.0, zero: 0 };
        }
        ByteScale { step, zero: (-low / f64::from(step)).round() as u8 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_limits_and_zero_have_bytes() {
        for (low, high, zero) in
            [(0.0, 6.0, 0), (-6.0, 0.0, 255), (-1.0, 3.0, 64), (2.0, 4.0, 0), (-2.0, -1.0, 255)]
        {
            let scale = ByteScale::covering(low, high);
            assert_eq!(scale.zero, zero, "{low} to {high}");
            let greatest = f32::from(255 - scale.zero) * scale.step;
            assert!((greatest - high.max(0.0)).abs() <= scale.step / 2.0, "{low} to {high}: {greatest}");
        }
    }

    #[test]
    fn numbers_that_are_hardly_any_need_no_step() {
        for limit in [0.0, f32::MIN_POSITIVE, 1e-42] {
            assert_eq!(ByteScale::covering(-limit, limit), ByteScale { step: 1.0, zero: 0 });
        }
        let wide = ByteScale::covering(f32::MIN, f32::MAX);
        assert!(wide.step.is_finite() && (1.0 / wide.step).is_normal(), "{wide:?}");
    }
}
