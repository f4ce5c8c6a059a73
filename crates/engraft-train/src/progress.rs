//! How long computations tell their caller where they are, and learn that they should stop.

use std::time::Duration;

use crate::history::EpochRecord;

/// Receives the progress of a computation; called from any of its threads.
pub trait Progress: Sync {
    /// A stage of `total` steps begins, for example `"embedding"` with one step per image.
    fn begin(&self, stage: &str, total: usize);

    /// One step of the stage is done.
    fn step(&self);

    /// An epoch of training is done; `elapsed` is what it took, validation included.
    fn epoch(&self, _record: &EpochRecord, _elapsed: Duration) {}

    /// Something that a person likes to know, such as where the work begins.
    fn inform(&self, _message: &str) {}

    /// Something happened that a person should know of although the work goes on.
    fn warn(&self, _message: &str) {}

    /// Whether the computation should stop as soon as it can.
    fn is_cancelled(&self) -> bool;
}

/// Reports to nobody and never stops.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _stage: &str, _total: usize) {}

    fn step(&self) {}

    fn is_cancelled(&self) -> bool {
        false
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Wants to stop from the beginning.
    pub(crate) struct Cancelled;

    impl Progress for Cancelled {
        fn begin(&self, _stage: &str, _total: usize) {}

        fn step(&self) {}

        fn is_cancelled(&self) -> bool {
            true
        }
    }

    /// Counts steps, and wants to stop after `limit` of them.
    pub(crate) struct Counter {
        pub total: AtomicUsize,
        pub done: AtomicUsize,
        pub limit: usize,
    }

    impl Counter {
        pub(crate) fn stopping_after(limit: usize) -> Counter {
            Counter { total: AtomicUsize::new(0), done: AtomicUsize::new(0), limit }
        }
    }

    impl Progress for Counter {
        fn begin(&self, _stage: &str, total: usize) {
            self.total.store(total, Ordering::Relaxed);
            self.done.store(0, Ordering::Relaxed);
        }

        fn step(&self) {
            self.done.fetch_add(1, Ordering::Relaxed);
        }

        fn is_cancelled(&self) -> bool {
            self.done.load(Ordering::Relaxed) >= self.limit
        }
    }
}
