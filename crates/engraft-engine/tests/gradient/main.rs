//! Loss and gradients of trainable networks.

mod bytes;
mod differences;
mod errors;
mod nets;
