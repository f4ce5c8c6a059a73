//! The processor's arithmetic limit, to judge kernels by.

use std::hint::black_box;

use crate::InstructionSet;
use crate::arch::{Isa, SimdOp};

/// Independent sums, enough to keep every multiplier busy: two units with a latency of four or five cycles need ten.
const SUMS: usize = 12;

/// Multiply-adds on registers alone, `rounds` times one on each of several vectors; returns how many numbers were multiplied
/// and added. No kernel can compute more than this; an algorithm that needs fewer multiplications, such as Winograd's, can be
/// faster than its direct form would be at this limit.
pub fn register_multiply_adds(isa: InstructionSet, rounds: usize) -> u64 {
    black_box(isa.run(MultiplyAdds { rounds }));
    (rounds * SUMS * isa.lanes()) as u64
}

struct MultiplyAdds {
    rounds: usize,
}

impl SimdOp for MultiplyAdds {
    type Output = f32;

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) -> f32 {
        // The sums approach 2, far from subnormal numbers and from overflow.
        let (factor, summand) = (isa.splat(black_box(0.5)), isa.splat(black_box(1.0)));
        let mut sums: [I::Vector; SUMS] = std::array::from_fn(|index| isa.splat(index as f32));
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = isa.mul_add(*sum, factor, summand);
            }
        }
        let total = sums.into_iter().fold(isa.splat(0.0), |total, sum| isa.add(total, sum));
        let mut first = [0.0; 64];
        isa.store(total, &mut first);
        first[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_is_computed() {
        for isa in InstructionSet::available() {
            let mut sums: Vec<f32> = (0..SUMS).map(|start| start as f32).collect();
            for rounds in 1..=3 {
                sums.iter_mut().for_each(|sum| *sum = *sum * 0.5 + 1.0);
                assert_eq!(isa.run(MultiplyAdds { rounds }), sums.iter().sum::<f32>(), "{}", isa.name());
            }
        }
    }
}
