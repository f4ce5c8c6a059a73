//! How long computations tell their caller where they are, and learn that they should stop.

/// Receives the progress of a computation; called from any of its threads.
pub trait Progress: Sync {
    /// A stage of `total` steps begins, for example `"embedding"` with one step per image.
    fn begin(&self, stage: &str, total: usize);

    /// One step of the stage is done.
    fn step(&self);

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
