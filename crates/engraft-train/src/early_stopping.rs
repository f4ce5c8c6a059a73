//! Stopping when the loss has not improved for some epochs.

/// What has been seen of the loss so far, as Keras' `EarlyStopping` counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct EarlyStopping {
    best: Option<f64>,
    /// The epoch with the best loss, counted from 1; 0 before the first.
    pub best_epoch: usize,
    waited: usize,
    epochs: usize,
}

/// What an epoch means for training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The best so far.
    Best,
    /// Not the best, but there may be better ones.
    Continue,
    /// Patience is at an end.
    Stop,
}

impl EarlyStopping {
    /// Judges the next epoch by its loss.
    pub(crate) fn after_epoch(&mut self, loss: f64, patience: usize) -> Verdict {
        self.epochs += 1;
        if self.best.is_none_or(|best| loss < best) {
            (self.best, self.best_epoch, self.waited) = (Some(loss), self.epochs, 0);
            return Verdict::Best;
        }
        self.waited += 1;
        if self.waited >= patience { Verdict::Stop } else { Verdict::Continue }
    }
}

#[cfg(test)]
mod tests {
    use engraft_testing::Golden;

    use super::*;

    #[test]
    fn training_ends_when_it_ends_in_keras() {
        let golden = Golden::open("optimizers/callbacks");
        let losses = golden.f64("losses");
        for patience in [0, 1, 2, 3, 5, 50] {
            let mut stopping = EarlyStopping::default();
            let last = losses.iter().position(|&loss| stopping.after_epoch(loss, patience) == Verdict::Stop);
            let epochs = last.map_or(losses.len(), |last| last + 1);
            let want = golden.usize(&format!("early_stopping/{patience}"));
            assert_eq!([epochs, stopping.best_epoch], want[..], "patience {patience}");
        }
    }
}
