//! Writing results to stdout and remarks to stderr.

use std::io::{self, Write};

use serde::Serialize;

/// Writes text as it is to stdout.
///
/// # Errors
/// If stdout cannot be written to.
pub fn text(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Writes one JSON document to stdout, indented for people.
///
/// # Errors
/// If stdout cannot be written to.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    text(&(serde_json::to_string_pretty(value)? + "\n"))?;
    Ok(())
}

/// Writes one JSON document on one line to stdout.
///
/// # Errors
/// If stdout cannot be written to.
pub fn json_line(value: &impl Serialize) -> anyhow::Result<()> {
    text(&(serde_json::to_string(value)? + "\n"))?;
    Ok(())
}

/// Writes a warning to stderr.
pub fn warning(message: &str) {
    remark("warning", message);
}

/// Writes `kind: message` to stderr, on one line whatever names the message bears.
pub fn remark(kind: &str, message: &str) {
    line(&format!("{kind}: {}", engraft::printable(message)));
}

/// Writes whole lines to stderr, as [`line`] does.
pub fn lines(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Writes a line to stderr; where nobody reads that any more, the work goes on.
pub fn line(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
