//! Shares buffers between values that are not alive at the same time.

use super::layout::Layout;
use super::network::{Step, ValueId};

/// The buffer of each value, and the elements of each buffer.
pub(super) fn plan(values: &[Layout], steps: &[Step], output: ValueId) -> (Vec<usize>, Vec<usize>) {
    let last_use = last_uses(values.len(), steps, output);
    let mut slots = vec![0; values.len()];
    let mut lens: Vec<usize> = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let needed = values[step.output.0].len();
        let slot = take_best(&mut free, &lens, needed).unwrap_or_else(|| {
            lens.push(0);
            lens.len() - 1
        });
        lens[slot] = lens[slot].max(needed);
        slots[step.output.0] = slot;
        // Freed only after the output has its buffer: no step writes where it reads.
        let mut ended: Vec<usize> = step.inputs.iter().map(|view| view.value.0).collect();
        ended.push(step.output.0);
        ended.sort_unstable();
        ended.dedup();
        free.extend(ended.into_iter().filter(|&value| last_use[value] == index).map(|value| slots[value]));
    }
    (slots, lens)
}

/// The last step that uses each value; the network's output is used after all of them.
fn last_uses(values: usize, steps: &[Step], output: ValueId) -> Vec<usize> {
    let mut last_use = vec![0; values];
    for (index, step) in steps.iter().enumerate() {
        last_use[step.output.0] = index;
        for view in &step.inputs {
            last_use[view.value.0] = index;
        }
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
