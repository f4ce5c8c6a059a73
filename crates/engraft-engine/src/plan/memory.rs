//! Shares buffers between values that are not alive at the same time.

use super::chain::Chain;
use super::layout::Layout;
use super::network::{Step, ValueId};

/// The buffer of each value that outlives its chain, and the elements of each buffer.
pub(super) fn plan(
    values: &[Layout],
    steps: &[Step],
    chains: &[Chain],
    output: ValueId,
) -> (Vec<usize>, Vec<usize>) {
    let uses: Vec<Use> = chains.iter().map(|chain| Use::of(&steps[chain.steps.clone()])).collect();
    let last_use = last_uses(values.len(), &uses, output);
    let mut slots = vec![0; values.len()];
    let mut lens: Vec<usize> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    for (index, Use { inputs, output }) in uses.into_iter().enumerate() {
        let needed = values[output].len() + values[output].slack;
        let slot = take_best(&mut free, &lens, needed).unwrap_or_else(|| {
            lens.push(0);
            lens.len() - 1
        });
        lens[slot] = lens[slot].max(needed);
        slots[output] = slot;
        // Freed only after the output has its buffer: no chain writes where it reads.
        let mut ended = inputs;
        ended.push(output);
        ended.sort_unstable();
        ended.dedup();
        free.extend(ended.into_iter().filter(|&value| last_use[value] == index).map(|value| slots[value]));
    }
    (slots, lens)
}

/// The values that a chain reads from buffers and the one that it leaves in a buffer.
struct Use {
    inputs: Vec<usize>,
    output: usize,
}

impl Use {
    fn of(steps: &[Step]) -> Use {
        let inner: Vec<usize> = steps.iter().map(|step| step.output.0).collect();
        let inputs = steps.iter().flat_map(|step| &step.inputs).map(|view| view.value.0);
        let inputs = inputs.filter(|value| !inner.contains(value)).collect();
        Use { inputs, output: inner.last().copied().unwrap_or_default() }
    }
}

/// The last chain that uses each value; the network's output is used after all of them.
fn last_uses(values: usize, uses: &[Use], output: ValueId) -> Vec<usize> {
    let mut last_use = vec![0; values];
    for (index, Use { inputs, output }) in uses.iter().enumerate() {
        last_use[*output] = index;
        inputs.iter().for_each(|&value| last_use[value] = index);
    }
    last_use[output.0] = usize::MAX;
    last_use
}

/// The smallest free buffer that is large enough, else the largest one, which will grow.
fn take_best(free: &mut Vec<usize>, lens: &[usize], needed: usize) -> Option<usize> {
    let fitting = (0..free.len()).filter(|&at| lens[free[at]] >= needed).min_by_key(|&at| lens[free[at]]);
    let best = fitting.or_else(|| (0..free.len()).max_by_key(|&at| lens[free[at]]))?;
    Some(free.swap_remove(best))
}
