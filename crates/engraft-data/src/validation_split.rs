//! Setting a part of each class aside for validation, by Keras' rule.

use std::ops::Range;

/// Which of the `count` sorted files of one class are for validation; the others are for training.
///
/// The first `fraction` of them, rounded down. Source: `validation_split` of Keras' `ImageDataGenerator`, as
/// `flow_from_directory` applies it to each class folder.
///
/// A fraction that is not between 0 and 1 is taken as the nearer of both.
pub fn validation_split(count: usize, fraction: f64) -> Range<usize> {
    0..(fraction.clamp(0.0, 1.0) * count as f64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_files_are_for_validation_rounded_down() {
        // 0.29 * 100 is 28.999999999999996 in floating point, in Python as here.
        for (count, fraction, want) in [
            (10, 0.25, 2),
            (7, 0.2, 1),
            (4, 0.2, 0),
            (100, 0.29, 28),
            (0, 0.5, 0),
            (5, 1.5, 5),
            (5, f64::NAN, 0),
        ] {
            assert_eq!(validation_split(count, fraction), 0..want, "{fraction} of {count}");
        }
    }
}
