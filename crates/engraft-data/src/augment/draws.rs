//! Draws that several augmentations share, and how a person writes their probabilities.

use serde::{Deserialize, Serialize};

use crate::{digest::Digest, rng::Rng};

/// The random numbers of one copy of one image: decided by these three alone, never by the order of the work.
pub fn copy_rng(seed: u64, image: &Digest, copy: u64) -> Rng {
    let Digest(hash) = Digest::of_parts(&[&seed.to_le_bytes(), &image.0, &copy.to_le_bytes()]);
    Rng::new(hash.iter().take(8).fold(0, |word, &byte| word << 8 | u64::from(byte)))
}

/// How often something happens, in 0..=1; `true` stands for 0.5, as in Keras.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "ChanceWord")]
pub struct Chance(pub f64);

impl Chance {
    pub(super) const EXPECTED: &str = "true, false or a probability from 0 to 1";

    pub(super) fn is_valid(self) -> bool {
        (0.0..=1.0).contains(&self.0)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ChanceWord {
    Switch(bool),
    Probability(f64),
}

impl From<ChanceWord> for Chance {
    fn from(word: ChanceWord) -> Chance {
        match word {
            ChanceWord::Switch(true) => Chance(0.5),
            ChanceWord::Switch(false) => Chance(0.0),
            ChanceWord::Probability(p) => Chance(p),
        }
    }
}

/// A number in `low..high`, each as likely.
pub(super) fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.uniform()
}

/// A number in `-reach..reach`, each as likely.
pub(super) fn around_zero(rng: &mut Rng, reach: f64) -> f64 {
    between(rng, -reach, reach)
}

/// Whether both are finite, not below `lowest` and in order.
pub(super) fn is_range([low, high]: [f64; 2], lowest: f64) -> bool {
    high.is_finite() && lowest <= low && low <= high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_decided_by_seed_image_and_number() {
        let (image, other) = (Digest::of(b"a"), Digest::of(b"b"));
        let first = |seed, image: &Digest, copy| copy_rng(seed, image, copy).next_u64();
        assert_eq!(first(1, &image, 2), first(1, &image, 2));
        for (seed, image, copy) in [(2, &image, 2), (1, &other, 2), (1, &image, 3)] {
            assert_ne!(first(1, &Digest::of(b"a"), 2), first(seed, image, copy));
        }
    }

    #[test]
    fn numbers_cover_their_range() {
        let mut rng = Rng::new(1);
        let values: Vec<f64> = (0..10_000).map(|_| around_zero(&mut rng, 3.0)).collect();
        assert!(values.iter().all(|value| (-3.0..3.0).contains(value)));
        assert!(values.iter().any(|&value| value < -2.99) && values.iter().any(|&value| value > 2.99));
    }
}
