//! The `engraft` program.

fn main() {}
