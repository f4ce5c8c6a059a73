//! Listing what was not used, so that nothing is dropped silently.

use engraft_data::Skipped;
use serde::Serialize;

use crate::Error;

/// Most skipped files that a text for people names one by one.
const LISTED: usize = 20;

/// A file that was not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedFile {
    /// Its path; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// Why it was not used.
    pub reason: String,
}

/// The files as reports list them, sorted by path.
pub(crate) fn listed(skipped: &[Skipped]) -> Vec<SkippedFile> {
    let mut files: Vec<SkippedFile> = skipped
        .iter()
        .map(|Skipped { path, reason }| SkippedFile {
            path: path.to_string_lossy().into_owned(),
            reason: reason.clone(),
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// An error that names the first skipped file, if there is one.
pub(crate) fn refuse(skipped: &[Skipped]) -> Result<(), Error> {
    match skipped.iter().min_by(|a, b| a.path.cmp(&b.path)) {
        None => Ok(()),
        Some(Skipped { path, reason }) => {
            Err(Error::Skipped { count: skipped.len(), path: path.clone(), reason: reason.clone() })
        }
    }
}

/// A line with the counts, then the skipped files with their reasons.
pub(crate) fn summary(skipped: &[SkippedFile], ignored: usize) -> String {
    let mut text = format!("{} files skipped, {ignored} ignored as junk\n", skipped.len());
    for SkippedFile { path, reason } in skipped.iter().take(LISTED) {
        text += &format!("  {path}: {reason}\n");
    }
    if skipped.len() > LISTED {
        text += &format!("  and {} more, which --json lists\n", skipped.len() - LISTED);
    }
    text
}
