//! Where values stand on an axis, and which of them are labelled.

/// An axis of a picture.
pub struct Axis {
    logarithmic: bool,
    /// Least and greatest value.
    range: [f64; 2],
    /// Where those two stand, in pixels.
    place_px: [f64; 2],
}

impl Axis {
    /// An axis for positive values of any magnitude.
    pub fn logarithmic(values: impl Iterator<Item = f64>, place_px: [f64; 2]) -> Axis {
        let [low, high] = extent(values).unwrap_or([1.0, 1.0]);
        // A narrow range would have no tick.
        let factor = if high / low < 4.0 { 2.0 } else { 1.25 };
        Axis { logarithmic: true, range: [low / factor, high * factor], place_px }
    }

    /// An axis for shares, at most 1; it begins below the least.
    pub fn linear(values: impl Iterator<Item = f64>, place_px: [f64; 2]) -> Axis {
        let [low, high] = extent(values).unwrap_or([0.0, 1.0]);
        let gap = ((high - low) * 0.06).max(0.01);
        Axis { logarithmic: false, range: [(low - gap).max(0.0), (high + gap).min(1.0 + gap)], place_px }
    }

    /// The place of a value, in pixels.
    pub fn at(&self, value: f64) -> f64 {
        let scaled = |value: f64| if self.logarithmic { value.log10() } else { value };
        let ([low, high], [begin, end]) = (self.range.map(scaled), self.place_px);
        begin + (scaled(value) - low) / (high - low) * (end - begin)
    }

    /// Values to label, with their labels.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        if self.logarithmic { self.logarithmic_ticks() } else { self.linear_ticks() }
    }

    /// 1, 2 and 5 times each power of ten.
    fn logarithmic_ticks(&self) -> Vec<(f64, String)> {
        let [first, last] = self.range.map(|value| value.log10().floor() as i32);
        let powers = (first..=last).map(|power| 10f64.powi(power));
        powers
            .flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * power))
            .filter(|tick| (self.range[0]..=self.range[1]).contains(tick))
            .map(|tick| (tick, format!("{}", (tick * 1e6).round() / 1e6)))
            .collect()
    }

    /// At most eleven multiples of 0.01, 0.02, 0.05 or 0.1, none above 1.
    fn linear_ticks(&self) -> Vec<(f64, String)> {
        let [low, high] = self.range;
        let fits = |step: &i32| (high - low) * 100.0 / f64::from(*step) <= 11.0;
        let step = [1, 2, 5, 10].into_iter().find(fits).unwrap_or(10);
        let percents = (0..=100 / step).map(|index| index * step);
        percents
            .map(|percent| f64::from(percent) / 100.0)
            .filter(|tick| (low..=high).contains(tick))
            .map(|tick| (tick, format!("{tick:.2}")))
            .collect()
    }
}

/// The least and the greatest of `values`.
fn extent(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    values.fold(None, |extent, value| match extent {
        None => Some([value, value]),
        Some([low, high]) => Some([low.min(value), high.max(value)]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn values_keep_their_order_and_stand_inside() {
        for (axis, values) in [
            (Axis::logarithmic([1.0, 100.0].into_iter(), [0.0, 10.0]), [1.0, 10.0, 100.0]),
            (Axis::linear([0.5, 1.0].into_iter(), [0.0, 10.0]), [0.5, 0.75, 1.0]),
        ] {
            let [low, middle, high] = values.map(|value| axis.at(value));
            assert!(0.0 < low && low < middle && middle < high && high < 10.0, "{low} {middle} {high}");
            assert!((middle - f64::midpoint(low, high)).abs() < 1e-9, "{low} {middle} {high}");
        }
    }

    #[test]
    fn ticks_are_round() {
        let axis = |low, high| Axis::logarithmic([low, high].into_iter(), [0.0, 1.0]);
        assert_eq!(labels(&axis(3.0, 3.0)), ["2", "5"]);
        assert_eq!(labels(&axis(0.9, 30.0)), ["1", "2", "5", "10", "20"]);
        assert_eq!(labels(&axis(0.02, 0.2)), ["0.02", "0.05", "0.1", "0.2"]);
        let axis = |low, high| Axis::linear([low, high].into_iter(), [0.0, 1.0]);
        assert_eq!(labels(&axis(0.95, 1.0)), ["0.94", "0.95", "0.96", "0.97", "0.98", "0.99", "1.00"]);
        assert_eq!(
            labels(&axis(0.2, 1.0)),
            ["0.20", "0.30", "0.40", "0.50", "0.60", "0.70", "0.80", "0.90", "1.00"]
        );
    }
}
