//! Zeroes a random fraction of the elements and scales the others up, so that the expected sum stays.
//!
//! Source: Keras `Dropout`; Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (2014).

/// Which elements are dropped: decided for each by a key and its position, whatever came before.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// The fraction dropped, in 0..1.
    pub rate: f32,
    /// Decides the draw; see [`random_key`].
    pub key: u64,
}

impl Dropout {
    /// `output = kept ? input / (1 - rate) : 0`; forward for values and backward for gradients.
    ///
    /// # Panics
    /// If lengths differ.
    pub fn run(self, input: &[f32], output: &mut [f32]) {
        assert_eq!(input.len(), output.len(), "input and output");
        let factor = 1.0 / (1.0 - self.rate);
        for (position, (x, output)) in input.iter().zip(output).enumerate() {
            *output = if self.keeps(position) { x * factor } else { 0.0 };
        }
    }

    /// The same with one draw for all elements.
    ///
    /// # Panics
    /// If lengths differ.
    pub fn run_whole(self, input: &[f32], output: &mut [f32]) {
        assert_eq!(input.len(), output.len(), "input and output");
        let factor = if self.keeps(0) { 1.0 / (1.0 - self.rate) } else { 0.0 };
        output.iter_mut().zip(input).for_each(|(output, x)| *output = x * factor);
    }

    /// Whether the element at that position is kept.
    pub fn keeps(self, position: usize) -> bool {
        let uniform = (random_key(&[self.key, position as u64]) >> 40) as f32 / (1 << 24) as f32;
        uniform >= self.rate
    }
}

/// A number as good as random, decided by all `parts` and their order.
///
/// Source: the finaliser of SplitMix64; Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
pub fn random_key(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |key, &part| {
        let mut z =
            key.wrapping_add(part.wrapping_mul(0xd6e8_feb8_6659_fd93)).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fraction_asked_for_is_dropped_and_the_sum_stays() {
        for rate in [0.0, 0.2, 0.5, 0.9] {
            let input = vec![1.0; 100_000];
            let mut output = vec![f32::NAN; input.len()];
            Dropout { rate, key: random_key(&[7, 1, 2]) }.run(&input, &mut output);
            let dropped = output.iter().filter(|&&x| x == 0.0).count() as f32 / 1e5;
            assert!((dropped - rate).abs() < 5e-3, "rate {rate}: dropped {dropped}");
            let mean = output.iter().sum::<f32>() / 1e5;
            assert!((mean - 1.0).abs() < 2e-2, "rate {rate}: mean {mean}");
        }
    }

    #[test]
    fn every_part_of_a_key_changes_the_draw() {
        let draw = |parts: &[u64]| -> Vec<bool> {
            let dropout = Dropout { rate: 0.5, key: random_key(parts) };
            (0..64).map(|position| dropout.keeps(position)).collect()
        };
        let all =
            [[1, 2, 3], [2, 2, 3], [1, 3, 3], [1, 2, 4], [2, 1, 3], [3, 2, 1]].map(|parts| draw(&parts));
        for (i, one) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|other| other != one), "draw {i} comes twice");
        }
    }
}
