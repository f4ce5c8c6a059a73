//! Listing what was not used, so that nothing is dropped silently.

use std::path::Path;

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
        .map(|Skipped { path, reason, .. }| SkippedFile {
            path: path.to_string_lossy().into_owned(),
            reason: reason.clone(),
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// An error that lists the skipped files, if there are any.
pub(crate) fn refuse(root: &Path, skipped: &[Skipped]) -> Result<(), Error> {
    match skipped.is_empty() {
        true => Ok(()),
        false => Err(Error::Skipped { root: root.to_owned(), skipped: listed(skipped) }),
    }
}

/// A line with the counts, then the skipped files with their reasons.
pub(crate) fn summary(skipped: &[SkippedFile], ignored: usize) -> String {
    format!("{} files skipped, {ignored} ignored as junk\n{}", skipped.len(), skipped_lines(skipped, LISTED))
}

/// One line for each of the first `most` files, and one with the number of the rest.
pub fn skipped_lines(skipped: &[SkippedFile], most: usize) -> String {
    let mut text = String::new();
    for SkippedFile { path, reason } in skipped.iter().take(most) {
        text += &format!("  {}: {reason}\n", printable(path));
    }
    if skipped.len() > most {
        text += &format!("  and {} more, which --json lists\n", skipped.len() - most);
    }
    text
}

/// Text for people with names in it: control characters, which could break a line or a terminal, are escaped.
pub fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// Names for a sentence: the first few, and how many more there are.
pub(crate) fn some_names(names: &[impl AsRef<str>]) -> String {
    /// Most names that a sentence bears.
    const NAMED: usize = 10;
    let named: Vec<String> = names.iter().take(NAMED).map(|name| printable(name.as_ref())).collect();
    match names.len() {
        count if count > NAMED => format!("{} and {} more", named.join(", "), count - NAMED),
        _ => named.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skipped(count: usize) -> Vec<SkippedFile> {
        let file = |index| SkippedFile { path: format!("{index}.jpg"), reason: "empty".to_owned() };
        (0..count).map(file).collect()
    }

    #[test]
    fn lists_for_people_are_bounded_and_say_so() {
        assert_eq!(skipped_lines(&skipped(2), 2), "  0.jpg: empty\n  1.jpg: empty\n");
        assert_eq!(skipped_lines(&skipped(5), 1), "  0.jpg: empty\n  and 4 more, which --json lists\n");
        let names: Vec<String> = (0..12).map(|name| name.to_string()).collect();
        assert_eq!(some_names(&names[..2]), "0, 1");
        assert_eq!(some_names(&names), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
    }

    #[test]
    fn a_name_cannot_break_its_line() {
        assert_eq!(printable("a\nb\u{1b}[2Jc \u{6f22}.jpg"), "a\\nb\\u{1b}[2Jc \u{6f22}.jpg");
    }
}
