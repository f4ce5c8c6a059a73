//! Where a coordinate lies between the pixels of an axis, also beyond its ends.

use super::FillMode;

/// Two neighbours along one axis and the share of the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tap {
    pub low: usize,
    pub high: usize,
    pub share: f32,
}

/// The neighbours of a coordinate on an axis of `len` pixels, `None` where the fill value stands.
#[inline]
pub(super) fn tap(coordinate: f64, len: usize, mode: FillMode) -> Option<Tap> {
    let last = (len - 1) as f64;
    let inside =
        if coordinate >= 0.0 && coordinate <= last { coordinate } else { continued(coordinate, len, mode)? };
    let low = inside as usize;
    Some(Tap { low, high: (low + 1).min(len - 1), share: (inside - low as f64) as f32 })
}

/// The coordinate in `0..=len - 1` that shows what `mode` puts at one outside.
fn continued(coordinate: f64, len: usize, mode: FillMode) -> Option<f64> {
    let last = (len - 1) as f64;
    match mode {
        FillMode::Constant => None,
        FillMode::Nearest => Some(coordinate.clamp(0.0, last)),
        FillMode::Reflect => {
            // Measured from the outer border of the first pixel; within half a pixel of a border nothing changes.
            let period = 2.0 * len as f64;
            let along = (coordinate + 0.5).rem_euclid(period);
            Some((along.min(period - along) - 0.5).clamp(0.0, last))
        }
        FillMode::Wrap if len == 1 => Some(0.0),
        FillMode::Wrap if coordinate < 0.0 => {
            Some((coordinate + last * ((-coordinate / last).trunc() + 1.0)).clamp(0.0, last))
        }
        FillMode::Wrap => Some((coordinate - last * (coordinate / last).trunc()).clamp(0.0, last)),
    }
}
