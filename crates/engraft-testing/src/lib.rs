//! Development only: golden files, tolerances, reproducible test data, peak memory and a web server that misbehaves.
//!
//! Every other crate may use this one as a dev-dependency; none ships it. Its functions panic with a message
//! that names the file or the worst element, because a panic is what fails a test.

mod close;
mod golden;
mod http_server;
mod memory;
mod noise;

pub use close::{Tolerance, assert_close};
pub use golden::{Golden, golden_path};
pub use http_server::{HttpRequest, HttpResponse, HttpServer};
pub use memory::peak_memory_bytes;
pub use noise::{noise, noise_u8};
