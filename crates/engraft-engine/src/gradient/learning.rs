//! Updates of parameters straight from their gradients: a large gradient is then never written to memory as a whole.

use engraft_kernels::InstructionSet;
use rayon::prelude::*;

/// How parameters follow their gradients.
pub trait Update: Sync {
    /// Changes neighbouring values of a parameter and what is kept of each in `slots`, all of them as long as `gradient`. Values do
    /// not depend on one another.
    fn update(&self, isa: InstructionSet, values: &mut [f32], gradient: &[f32], slots: &mut [&mut [f32]]);
}

/// What a step learns with.
pub struct Learning<'a> {
    /// How parameters change.
    pub rule: &'a dyn Update,
    /// Per parameter what the rule keeps of it, each as long as the parameter; `None` where it stays as it is.
    pub slots: &'a mut [Option<Vec<Vec<f32>>>],
}

/// Neighbouring values of a parameter, with what is kept of them.
pub(super) struct Part<'a> {
    values: &'a mut [f32],
    slots: Vec<&'a mut [f32]>,
}

/// Shorter parts are not worth a second thread.
const PART_LEN: usize = 1 << 15;

impl<'a> Part<'a> {
    /// A whole parameter.
    pub fn new(values: &'a mut [f32], slots: &'a mut [Vec<f32>]) -> Part<'a> {
        Part { values, slots: slots.iter_mut().map(Vec::as_mut_slice).collect() }
    }

    /// The first `len` values and the rest.
    pub fn split(self, len: usize) -> (Part<'a>, Part<'a>) {
        let (values, later_values) = self.values.split_at_mut(len);
        let (slots, later_slots) = self.slots.into_iter().map(|slot| slot.split_at_mut(len)).unzip();
        (Part { values, slots }, Part { values: later_values, slots: later_slots })
    }

    /// Parts of these lengths, which add up to no more than the whole.
    pub fn split_all(self, lens: impl Iterator<Item = usize>) -> Vec<Part<'a>> {
        let mut rest = self;
        let mut parts = Vec::new();
        for len in lens {
            let (part, later) = rest.split(len);
            parts.push(part);
            rest = later;
        }
        parts
    }

    /// Follows `gradient`, on this thread.
    pub fn follow(mut self, rule: &dyn Update, isa: InstructionSet, gradient: &[f32]) {
        rule.update(isa, self.values, gradient, &mut self.slots);
    }

    /// Follows `gradient`, on the threads of the current pool; any division gives the same bits.
    pub fn follow_in_parallel(self, rule: &dyn Update, isa: InstructionSet, gradient: &[f32]) {
        let lens = gradient.chunks(PART_LEN).map(<[f32]>::len);
        let parts = self.split_all(lens);
        parts
            .into_par_iter()
            .zip(gradient.par_chunks(PART_LEN))
            .for_each(|(part, gradient)| part.follow(rule, isa, gradient));
    }
}
