//! Whole commands: what they print, write and return. One program, so that it links once.

#![expect(clippy::unwrap_used, reason = "helpers of tests, like tests, fail by panicking")]

mod augment;
mod bench;
mod combine;
mod compare;
mod embed;
mod failures;
mod fetch;
mod fixture;
#[cfg(unix)]
mod interrupt;
mod judge;
mod layouts;
mod look;
mod model;
mod on_demand;
mod precision;
mod recipes;
mod streams;
mod train;
mod views;
mod weights;
