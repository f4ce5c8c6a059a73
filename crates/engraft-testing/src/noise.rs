//! Reproducible test data: the same numbers on every machine and in every run.

/// `len` values spread over [-1, 1), decided by `seed` alone.
pub fn noise(seed: u64, len: usize) -> Vec<f32> {
    let scale = 2.0 / (1u64 << 24) as f32;
    words(seed).take(len).map(|word| (word >> 40) as f32 * scale - 1.0).collect()
}

/// `len` bytes spread over 0..=255, decided by `seed` alone.
pub fn noise_u8(seed: u64, len: usize) -> Vec<u8> {
    words(seed).take(len).map(|word| (word >> 56) as u8).collect()
}

/// SplitMix64. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
fn words(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_covers_its_range_and_depends_on_the_seed() {
        let values = noise(1, 10_000);
        assert!(values.iter().all(|value| (-1.0..1.0).contains(value)));
        assert!(values.iter().any(|&value| value < -0.99) && values.iter().any(|&value| value > 0.99));
        assert!(values.iter().sum::<f32>().abs() < 300.0);
        assert_ne!(values[..10], noise(2, 10)[..]);
        assert_eq!(noise_u8(3, 5), noise_u8(3, 5));
    }
}
