//! Writing a file whole or not at all; errors name it.

use std::path::Path;

use crate::Error;

/// Finds out whether a file can be written at `path`, before much work is done for it; nothing is left behind.
///
/// # Errors
/// [`Error::Io`] if its folder does not exist or takes no file, or if `path` is a folder itself.
pub fn check_writable(path: &Path) -> Result<(), Error> {
    engraft_data::check_writable(path).map_err(Error::io(path))
}

/// Replaces the file at `path` by `bytes`: a reader sees the old content or the new one, never a part.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    engraft_data::write_file(path, bytes).map_err(Error::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn an_error_names_the_file_asked_for_alone() {
        let error = check_writable(Path::new("/proc/model")).unwrap_err().to_string();
        assert_eq!(error, "/proc/model: No such file or directory (os error 2)");
    }

    #[test]
    fn a_failure_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_file(&folder.path().join("absent/model"), b"new").unwrap_err();
        assert!(error.to_string().contains("absent/model"), "{error}");
        let error = write_file(folder.path(), b"new").unwrap_err();
        assert!(error.to_string().contains(&folder.path().display().to_string()), "{error}");
    }
}
