//! Writing a file whole or not at all.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// Finds out whether a file can be written at `path`, before much work is done for it; nothing is left behind.
///
/// # Errors
/// If its folder does not exist or takes no file, or if `path` is a folder itself, a device or a pipe. The path is not part of the
/// message.
pub fn check_writable(path: &Path) -> io::Result<()> {
    temporary_beside(&replaceable(path)?).map(drop)
}

/// Replaces the file at `path`, or the one that a link there leads to, by `bytes`: a reader sees the old content or the new one,
/// never a part.
///
/// # Errors
/// If the file cannot be written. The path is not part of the message.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = &replaceable(path)?;
    let mut file = temporary_beside(path)?;
    // Not through the temporary file itself, whose errors name it.
    file.as_file_mut().write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The file that `path` names, links followed. What is neither a regular file nor absent would be lost by replacing it.
fn replaceable(path: &Path) -> io::Result<PathBuf> {
    if path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder, expected the name of a file"));
    }
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => fs::canonicalize(path),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "is a device or a pipe, expected the name of a regular file",
        )),
        Err(_) => Ok(path.to_owned()),
    }
}

/// A new file, in the same folder so that it can be renamed to `path`.
fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !fs::metadata(folder).is_ok_and(|metadata| metadata.is_dir()) {
        let message = format!("there is no folder {}, expected one that exists", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    // A temporary file of the library's own would be private, but this one becomes the user's file; and an error there
    // would name the temporary file, of which the user knows nothing.
    let create = |path: &Path| fs::File::create_new(path);
    tempfile::Builder::new().prefix(".engraft-").make_in(folder, create)
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
        write_file(&path, b"old").unwrap();
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
        write_file(&path, b"old").unwrap();
        write_file(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_devices_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, b"old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_file(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for error in [check_writable(&socket).unwrap_err(), write_file(&socket, b"new").unwrap_err()] {
            assert_eq!(error.to_string(), "is a device or a pipe, expected the name of a regular file");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_failure_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write_file(&folder.path().join("absent/model"), b"new").is_err());
        assert!(write_file(folder.path(), b"new").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
