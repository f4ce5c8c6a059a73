//! Training networks through the public interface.

#![expect(clippy::unwrap_used, reason = "helpers of tests, like tests, fail by panicking")]

mod behaviour;
mod clouds;
mod five_steps;
mod resume;
mod watcher;
