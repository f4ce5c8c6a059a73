//! How far a shift may go: the three ways in which Keras' `width_shift_range` and `height_shift_range` are written.

use serde::{Deserialize, Serialize};

use super::draws::around_zero;
use crate::rng::Rng;

/// How far an image may be shifted along one axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ShiftRange {
    /// Written without a point: any whole number of pixels nearer to 0 than this one.
    WholePixels(u32),
    /// Written with a point: any distance up to this one; below 1 as a fraction of the side, else in pixels.
    Distance(f64),
    /// One of these distances, either way; all below 1 they are fractions of the side, else pixels.
    OneOf(Vec<f64>),
}

impl ShiftRange {
    pub(super) const EXPECTED: &str =
        "a fraction of the side below 1, a number of pixels up to 10000, or a list of either as A:B:C";

    pub(super) fn is_valid(&self) -> bool {
        let is_distance = |distance: &f64| distance.is_finite() && distance.abs() <= 10_000.0;
        match self {
            ShiftRange::WholePixels(pixels) => *pixels <= 10_000,
            ShiftRange::Distance(distance) => *distance >= 0.0 && is_distance(distance),
            ShiftRange::OneOf(distances) => {
                (1..=1000).contains(&distances.len()) && distances.iter().all(is_distance)
            }
        }
    }

    /// A signed distance in pixels along a side of `side_px`.
    ///
    /// Source: Keras' `ImageDataGenerator.get_random_transform`.
    pub(super) fn draw_px(&self, side_px: usize, rng: &mut Rng) -> f64 {
        let (drawn, largest) = match self {
            ShiftRange::WholePixels(pixels) => {
                return either_way(rng.below((*pixels as usize).max(1)) as f64, rng);
            }
            ShiftRange::Distance(distance) => (around_zero(rng, *distance), *distance),
            ShiftRange::OneOf(distances) => {
                let largest = distances.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                (either_way(distances[rng.below(distances.len())], rng), largest)
            }
        };
        if largest < 1.0 { drawn * side_px as f64 } else { drawn }
    }
}

fn either_way(distance: f64, rng: &mut Rng) -> f64 {
    if rng.chance(0.5) { distance } else { -distance }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Smallest and largest of many draws along 40 pixels, and how many different ones there were.
    fn drawn(range: &ShiftRange) -> (f64, f64, usize) {
        let mut rng = Rng::new(2);
        let mut values: Vec<f64> = (0..20_000).map(|_| range.draw_px(40, &mut rng)).collect();
        values.sort_by(f64::total_cmp);
        let (low, high) = (values[0], values[values.len() - 1]);
        values.dedup();
        (low, high, values.len())
    }

    #[test]
    fn each_way_of_writing_has_its_range() {
        assert_eq!(drawn(&ShiftRange::OneOf(vec![3.0, 8.0])), (-8.0, 8.0, 4));
        assert_eq!(drawn(&ShiftRange::OneOf(vec![0.5, 0.25])), (-20.0, 20.0, 4));
        // -0.0 and 0.0 are one shift.
        assert_eq!(drawn(&ShiftRange::WholePixels(4)), (-3.0, 3.0, 7));
        for (distance, reach) in [(0.2, 8.0), (5.5, 5.5)] {
            let (low, high, count) = drawn(&ShiftRange::Distance(distance));
            assert!(
                -reach <= low && low < -0.99 * reach && 0.99 * reach < high && high < reach,
                "{distance}"
            );
            assert!(count > 19_000, "{distance}: {count}");
        }
    }
}
