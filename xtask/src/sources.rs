//! Rules for single source files, and registries that must list every file of their folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The most lines a source file may have.
const MAX_LINES: usize = 500;

/// Files that may be longer, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];

/// Folders of which every file must be declared in one visible list.
const REGISTRIES: &[(&str, &str)] = &[
    ("crates/engraft-zoo/src/backbones", "crates/engraft-zoo/src/backbones.rs"),
    ("crates/engraft-data/src/augment", "crates/engraft-data/src/augment.rs"),
    ("crates/engraft-cli/src/verbs", "crates/engraft-cli/src/verbs.rs"),
];

/// Where each file names the paper or reference implementation it follows.
const KERNELS: &str = "crates/engraft-kernels/src/";

/// Files beside the kernels that hold no numeric operation of their own.
const KERNEL_SUPPORT: &[&str] =
    &["lib.rs", "aligned_buffer.rs", "clamp.rs", "error.rs", "packed_matrix.rs", "peak.rs", "vector_math.rs"];

/// The one place for intrinsics.
const ARCH: &str = "crates/engraft-kernels/src/arch";

/// A Rust source file of ours.
pub struct SourceFile {
    /// Relative to the repository, with forward slashes.
    path: String,
    text: String,
}

/// Every `.rs` file under `crates/` and `xtask/`, sorted by path.
pub fn read_all(root: &Path) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        collect(root, &root.join(folder), &mut files)?;
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Violations of the rules for single files and of the registries.
pub fn check(files: &[SourceFile]) -> Vec<String> {
    let single = files.iter().flat_map(check_file);
    let registries = REGISTRIES.iter().flat_map(|(folder, list)| check_registry(files, folder, list));
    single.chain(registries).collect()
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<SourceFile>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path: PathBuf = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            collect(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)?;
            let relative = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
            files.push(SourceFile { path: relative, text });
        }
    }
    Ok(())
}

fn check_file(file: &SourceFile) -> Vec<String> {
    let SourceFile { path, text } = file;
    let mut violations = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_LINES && !LONG_FILES.iter().any(|(listed, _)| listed == path) {
        violations.push(format!("{path} has {lines} lines, expected at most {MAX_LINES}"));
    }
    if !text.trim_start().starts_with("//!") {
        violations.push(format!("{path} does not begin by saying what it is for, expected a `//!` comment"));
    }
    let kernel = path.strip_prefix(KERNELS);
    let kernel = kernel.filter(|name| !KERNEL_SUPPORT.contains(name) && !name.ends_with("/tests.rs"));
    if kernel.is_some() && !path.starts_with(ARCH) && !text.contains("Source:") {
        violations.push(format!("{path} names no source, expected a line with `Source:`"));
    }
    let unsafe_code = ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|word| text.contains(word));
    if unsafe_code && !path.starts_with(ARCH) && !path.starts_with("xtask/") {
        violations.push(format!("{path} has unsafe code, expected it only under {ARCH}"));
    }
    violations
}

fn check_registry(files: &[SourceFile], folder: &str, list: &str) -> Vec<String> {
    let Some(list) = files.iter().find(|file| file.path == list) else {
        return vec![format!("{list} is missing, expected the list of {folder}")];
    };
    let names = files
        .iter()
        .filter_map(|file| file.path.strip_prefix(folder)?.strip_prefix('/')?.strip_suffix(".rs"));
    names
        .filter(|name| !name.contains('/') && !list.text.contains(name))
        .map(|name| format!("{folder}/{name}.rs is not in {}", list.path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn each_rule_finds_its_violation() {
        let long = format!("//! Long.\n{}", "\n".repeat(MAX_LINES));
        for (path, text, want) in [
            ("crates/engraft/src/a.rs", long.as_str(), "has 501 lines"),
            ("crates/engraft/src/a.rs", "fn main() {}\n", "does not begin by saying"),
            ("crates/engraft-kernels/src/a.rs", "//! A.\n", "names no source"),
            ("crates/engraft/src/a.rs", "//! A.\nfn f() { unsafe { g() } }\n", "has unsafe code"),
        ] {
            let violations = check_file(&file(path, text));
            assert!(violations.len() == 1 && violations[0].contains(want), "{violations:?}");
        }
    }

    #[test]
    fn good_files_pass() {
        for (path, text) in [
            ("crates/engraft/src/a.rs", "//! A.\n"),
            ("crates/engraft-kernels/src/a/tests.rs", "//! A.\n"),
            ("crates/engraft-kernels/src/a.rs", "//! A.\n// Source: a paper.\n"),
            ("crates/engraft-kernels/src/arch/avx2.rs", "//! A.\nfn f() { unsafe { g() } }\n"),
        ] {
            assert_eq!(check_file(&file(path, text)), [""; 0], "{path}");
        }
    }

    #[test]
    fn a_registry_lists_every_file_of_its_folder() {
        let files = [file("a/list.rs", "mod known;"), file("a/list/known.rs", ""), file("a/list/new.rs", "")];
        assert_eq!(check_registry(&files, "a/list", "a/list.rs"), ["a/list/new.rs is not in a/list.rs"]);
    }
}
