//! The `engraft` program.

#[cfg_attr(not(test), expect(dead_code, reason = "no verb draws it yet"))]
mod demo;

fn main() {}
