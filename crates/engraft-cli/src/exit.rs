//! What the program's exit codes mean, and how an error becomes one.

use std::{io, process::ExitCode};

use crate::{options::Common, output};

/// How a verb ended when nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was done.
    Done,
    /// The work was done, but some of its input could not be used.
    BadInput,
    /// The work was done, but the result is worse than `--min-accuracy`.
    GateMissed,
}

/// A wrong combination of arguments that the parser alone cannot see.
#[derive(Debug)]
pub struct UsageError(pub String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// What a shell reports for a program ended by Ctrl-C.
const INTERRUPTED: u8 = 130;

/// Most files that an error lists; with `--json` it lists all.
const LISTED: usize = 20;

/// The exit code of a verb's outcome; an error is printed to stderr in one sentence first, then the files that led to
/// it.
pub fn code(outcome: anyhow::Result<Outcome>, common: &Common) -> ExitCode {
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::BadInput) => ExitCode::from(3),
        Ok(Outcome::GateMissed) => ExitCode::from(5),
        // Whoever reads our output has seen enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::remark("error", &sentence(&error));
            let skipped = error.downcast_ref::<engraft::Error>().map_or(&[][..], engraft::Error::skipped);
            output::lines(&engraft::skipped_lines(skipped, if common.json { usize::MAX } else { LISTED }));
            ExitCode::from(error_code(&error))
        }
    }
}

/// The error with its causes, leaving out those that a message before them tells already.
fn sentence(error: &anyhow::Error) -> String {
    let mut sentence = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !sentence.contains(&cause) {
            sentence += &format!(": {cause}");
        }
    }
    sentence
}

fn error_code(error: &anyhow::Error) -> u8 {
    if error.downcast_ref::<UsageError>().is_some() {
        return 2;
    }
    match error.downcast_ref::<engraft::Error>().map(engraft::Error::category) {
        Some(engraft::ErrorCategory::Usage) => 2,
        Some(engraft::ErrorCategory::Data) => 3,
        Some(engraft::ErrorCategory::Cache) => 4,
        Some(engraft::ErrorCategory::Interrupted) => INTERRUPTED,
        _ => 1,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let cause = || io::Error::other("disk full");
        let telling = anyhow::Error::from(engraft::Error::Io { path: "model".into(), problem: cause() });
        assert_eq!(sentence(&telling), "model: disk full");
        let silent = Err::<(), _>(cause()).context("cannot write model").unwrap_err();
        assert_eq!(sentence(&silent), "cannot write model: disk full");
    }
}
