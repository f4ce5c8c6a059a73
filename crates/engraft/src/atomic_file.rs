//! Writing a file whole or not at all.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use tempfile::NamedTempFile;

use crate::Error;

/// Finds out whether a file can be written at `path`, before much work is done for it; nothing is left behind.
///
/// # Errors
/// [`Error::Io`] if its folder does not exist or takes no file, or if `path` is a folder itself.
pub fn check_writable(path: &Path) -> Result<(), Error> {
    if path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        let source = io::Error::new(io::ErrorKind::IsADirectory, "is a folder, expected the name of a file");
        return Err(Error::io(path)(source));
    }
    temporary_beside(path).map(drop)
}

/// Replaces the file at `path` by `bytes`: a reader sees the old content or the new one, never a part.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = temporary_beside(path)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(Error::io(path))?;
    file.persist(path).map_err(|error| Error::io(path)(error.error))?;
    Ok(())
}

/// A new file, in the same folder so that it can be renamed to `path`.
fn temporary_beside(path: &Path) -> Result<NamedTempFile, Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !fs::metadata(folder).is_ok_and(|metadata| metadata.is_dir()) {
        let message = format!("there is no folder {}, expected one that exists", folder.display());
        return Err(Error::io(path)(io::Error::new(io::ErrorKind::NotFound, message)));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".engraft-");
    // A temporary file is private by default, but this one becomes the user's file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder).map_err(Error::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checking_tells_what_writing_would_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        check_writable(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        write(&path, b"old").unwrap();
        check_writable(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        for (wrong, want) in [
            (path.join("below"), "there is no folder"),
            (folder.path().into(), "is a folder"),
            (folder.path().join("absent/"), "is a folder"),
        ] {
            let error = check_writable(&wrong).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        }
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failure_names_the_file_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("absent/model"), b"new").unwrap_err();
        assert!(error.to_string().contains("absent/model"), "{error}");
        let error = write(folder.path(), b"new").unwrap_err();
        assert!(error.to_string().contains(&folder.path().display().to_string()), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
