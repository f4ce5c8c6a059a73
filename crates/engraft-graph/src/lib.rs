//! Networks as data: shapes, tensors, operations and a shape-checked builder.
//!
//! Nothing here computes and nothing here reads a file. A [`Graph`] says what a network is; `engraft-engine` runs it,
//! `engraft-formats` carries its weights, `engraft-zoo` holds the known ones.

mod builder; // start here: how a graph is made
mod error;
mod graph;
mod named_tensors;
mod op;
mod shape;
mod tensor;

pub use builder::GraphBuilder;
pub use error::GraphError;
pub use graph::{Graph, Node, NodeId};
pub use named_tensors::NamedTensors;
pub use op::{
    Activation, BatchNorm, Conv2d, Dense, DepthwiseConv2d, Margins, Op, Padding, Pool2d, WeightSpec,
};
pub use shape::{Shape, same_padding};
pub use tensor::{Tensor, TensorData};
