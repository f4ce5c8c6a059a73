//! Loss and gradients of trainable networks.

#![expect(clippy::unwrap_used, reason = "all of it is tests, helpers too")]

mod bytes;
mod differences;
mod errors;
mod keras;
mod moving_statistics;
mod nets;
mod pooled;
