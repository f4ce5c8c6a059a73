//! Weight files of the real Keras, NumPy and h5py: every tensor bit for bit, and no harm from damaged ones.

#![expect(clippy::unwrap_used, reason = "helpers of tests, like tests, fail by panicking")]

mod files;
mod hostile;
mod real;
