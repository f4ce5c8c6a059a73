//! Runs a graph: [`Plan`] compiles and executes a frozen network, [`Gradient`] computes loss and gradients of a trainable one.
//!
//! A plan owns its packed weights and knows every buffer it needs; running allocates nothing once its workers exist.
//! Results do not depend on the number of threads, on the size of a batch or on the place in it.

mod error;
mod gradient;
mod plan; // start here

pub use error::EngineError;
pub use gradient::{Batch, BatchLoss, Gradient, GradientOptions, Learning, ParameterSpec, Update};
pub use plan::{Banding, Calibration, Plan, PlanOptions, Precision, StepProfile, Worker};

/// Names what runs a network: part of the key of every stored feature. It changes with every change to a kernel or to the
/// lowering that may change a bit of a result.
pub const ENGINE_REVISION: &str = "engraft-engine 10";
