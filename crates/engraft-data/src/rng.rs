//! Random numbers that stay the same for ever.

/// A generator whose numbers are decided by its seed alone, on every machine and in every version.
///
/// Folds, shuffles and drawn images follow from these numbers and are part of what a person can reproduce, so
/// they must not change when a dependency does: this is why the generator is written here, in full.
///
/// Source: xoshiro256++ by D. Blackman and S. Vigna, "Scrambled linear pseudorandom number generators" (2021),
/// its state filled by SplitMix64 as the authors advise.
#[derive(Clone, Debug)]
pub struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// A generator for this seed; nearby seeds give unrelated numbers.
    pub fn new(seed: u64) -> Rng {
        let mut split_mix = seed;
        Rng { state: std::array::from_fn(|_| next_split_mix(&mut split_mix)) }
    }

    /// A generator for one of many places that share a seed, such as `[epoch, image]`; those of other places, and of paths
    /// of another length, are unrelated to it.
    pub fn derived(seed: u64, path: &[u64]) -> Rng {
        let step = |state, part: &u64| Rng::new(state).next_u64().wrapping_add(*part);
        Rng::new(path.iter().fold(seed, step))
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let [s0, s1, s2, s3] = &mut self.state;
        let result = s0.wrapping_add(*s3).rotate_left(23).wrapping_add(*s0);
        let shifted = *s1 << 17;
        *s2 ^= *s0;
        *s3 ^= *s1;
        *s1 ^= *s2;
        *s0 ^= *s3;
        *s2 ^= shifted;
        *s3 = s3.rotate_left(45);
        result
    }

    /// A number in `0..n`, each exactly as likely.
    ///
    /// Source: D. Lemire, "Fast random integer generation in an interval" (2019).
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "no number is below 0");
        let n = n as u64;
        let rejected_below = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= rejected_below {
                return (product >> 64) as usize;
            }
        }
    }

    /// A number in [0, 1), a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Whether an event of probability `p` happens.
    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// A number of the standard normal distribution.
    ///
    /// The one method that calls the platform's mathematics library, so its last bit may differ between platforms.
    ///
    /// Source: G. Box and M. Muller, "A note on the generation of random normal deviates" (1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Puts `items` in random order, every order as likely (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

fn next_split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_mix_gives_its_published_numbers() {
        let mut state = 1_234_567;
        let got: Vec<u64> = (0..3).map(|_| next_split_mix(&mut state)).collect();
        assert_eq!(got, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn xoshiro_gives_its_published_numbers() {
        let mut rng = Rng { state: [1, 2, 3, 4] };
        let want = [
            41_943_041,
            58_720_359,
            3_588_806_011_781_223,
            3_591_011_842_654_386,
            9_228_616_714_210_784_205,
            9_973_669_472_204_895_162,
        ];
        assert_eq!(want.map(|_| rng.next_u64()), want);
    }

    #[test]
    fn every_place_has_its_own_numbers() {
        let paths: [&[u64]; 7] = [&[], &[0], &[1], &[0, 0], &[0, 1], &[1, 0], &[u64::MAX]];
        let mut firsts = std::collections::BTreeSet::new();
        for seed in [0, 1, u64::MAX] {
            for path in paths {
                assert!(firsts.insert(Rng::derived(seed, path).next_u64()), "seed {seed}, {path:?}");
            }
        }
    }

    #[test]
    fn below_is_even_and_stays_below() {
        let mut rng = Rng::new(3);
        let mut counts = [0usize; 7];
        for _ in 0..70_000 {
            counts[rng.below(7)] += 1;
        }
        // Five standard deviations of a count are 463.
        assert!(counts.iter().all(|count| count.abs_diff(10_000) < 463), "{counts:?}");
        assert_eq!(rng.below(1), 0);
    }

    #[test]
    fn uniform_and_normal_have_their_moments() {
        let mut rng = Rng::new(4);
        let uniform: Vec<f64> = (0..100_000).map(|_| rng.uniform()).collect();
        assert!(uniform.iter().all(|value| (0.0..1.0).contains(value)));
        let normal: Vec<f64> = (0..100_000).map(|_| rng.normal()).collect();
        for (values, mean, variance) in [(uniform, 0.5, 1.0 / 12.0), (normal, 0.0, 1.0)] {
            let got_mean = values.iter().sum::<f64>() / 1e5;
            let got_variance = values.iter().map(|v| (v - got_mean).powi(2)).sum::<f64>() / 1e5;
            assert!((got_mean - mean).abs() < 0.016, "mean {got_mean}");
            assert!((got_variance - variance).abs() < 0.023, "variance {got_variance}");
        }
    }

    #[test]
    fn shuffle_reaches_every_order_as_often() {
        let mut rng = Rng::new(5);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..6000 {
            let mut items = [0, 1, 2];
            rng.shuffle(&mut items);
            *counts.entry(items).or_insert(0usize) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| count.abs_diff(1000) < 145), "{counts:?}");
    }

    #[test]
    fn chance_follows_its_probability() {
        let mut rng = Rng::new(6);
        assert!((0..100).all(|_| rng.chance(1.0) && !rng.chance(0.0)));
    }
}
