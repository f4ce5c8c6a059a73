//! The few kinds of random choice that the drawing is made of.

use super::Rng;

/// Choices drawn from a stream of random numbers.
pub trait Draws {
    /// A number in `[low, high)`.
    fn between(&mut self, low: f32, high: f32) -> f32;

    /// A whole number in `low..=high`.
    fn count(&mut self, low: usize, high: usize) -> usize;

    /// One of `items`, each as likely.
    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T;

    /// One of `items`, as likely as its weight.
    fn pick_weighted<'a, T>(&mut self, items: &'a [(u32, T)]) -> &'a T;

    /// About normally distributed, mean 0, standard deviation 1, never beyond 3.5.
    fn quick_normal(&mut self) -> f32;
}

impl Draws for Rng {
    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform() as f32
    }

    fn count(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    fn pick_weighted<'a, T>(&mut self, items: &'a [(u32, T)]) -> &'a T {
        let total: u32 = items.iter().map(|(weight, _)| weight).sum();
        let mut rest = self.below(total as usize) as u32;
        for (weight, item) in items {
            if rest < *weight {
                return item;
            }
            rest -= weight;
        }
        unreachable!("the drawn weight is below the total")
    }

    // Four 16-bit uniforms summed: one call of the generator per normal number, which noise needs by the million.
    fn quick_normal(&mut self) -> f32 {
        let bits = self.next_u64();
        let sum: u64 = (0..4).map(|lane| (bits >> (16 * lane)) & 0xffff).sum();
        (sum as f32 / 65535.0 - 2.0) * 1.732
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_in_their_range() {
        let mut rng = Rng::new(1);
        let mut counts = [0; 3];
        for _ in 0..1000 {
            assert!((2.0..5.0).contains(&rng.between(2.0, 5.0)));
            counts[rng.count(1, 3) - 1] += 1;
            assert!(rng.quick_normal().abs() <= 3.5);
        }
        assert!(counts.iter().all(|&count| count > 200), "{counts:?}");
    }

    #[test]
    fn weights_decide_how_often_an_item_is_picked() {
        let mut rng = Rng::new(2);
        let picked = (0..1000).filter(|_| *rng.pick_weighted(&[(9, true), (1, false), (0, false)])).count();
        assert!((850..950).contains(&picked), "{picked}");
    }

    #[test]
    fn normal_numbers_have_unit_spread() {
        let mut rng = Rng::new(3);
        let draws: Vec<f32> = (0..10_000).map(|_| rng.quick_normal()).collect();
        let mean = draws.iter().sum::<f32>() / 1e4;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 1e4;
        assert!(mean.abs() < 0.05 && (variance - 1.0).abs() < 0.05, "mean {mean}, variance {variance}");
    }
}
