//! Numeric operations on plain slices, written once over a SIMD abstraction.
