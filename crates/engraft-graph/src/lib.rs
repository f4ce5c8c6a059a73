//! Networks as data: shapes, tensors, operations and a shape-checked builder.
