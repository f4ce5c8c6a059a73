//! Runs a graph: [`Plan`] compiles and executes a frozen network.
//!
//! A plan owns its packed weights and knows every buffer it needs; running allocates nothing once its workers exist.
//! Results do not depend on the number of threads, on the size of a batch or on the place in it.

mod error;
mod plan; // start here

pub use error::EngineError;
pub use plan::{Plan, PlanOptions, Worker};
