//! A folder that appears whole or not at all.

use std::{fs, io, path::Path};

use tempfile::TempDir;

use crate::Error;

/// A folder beside `out`, which must be new or empty and lie outside of `data`.
pub(super) fn folder(data: &Path, out: &Path) -> Result<TempDir, Error> {
    let refuse = |expected| Error::Setting { setting: "--out", found: out.display().to_string(), expected };
    if out.file_name().is_none() {
        return Err(refuse("the name of a folder"));
    }
    let is_free = !out.exists() || fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none());
    if !is_free {
        return Err(refuse("a folder that is empty or does not exist"));
    }
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let whole = |path: &Path| fs::canonicalize(path).map_err(Error::io(path));
    if whole(parent)?.starts_with(whole(data)?) {
        return Err(refuse("a folder outside of DATA"));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".engraft-");
    // A temporary folder is private by default, but this one becomes the user's.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    // The error's own words would name the temporary folder, of which the user knows nothing.
    builder.tempdir_in(parent).map_err(|error| Error::io(out)(error.kind().into()))
}

/// Puts the folder in its place, empty or free.
pub(super) fn move_to(staging: TempDir, out: &Path) -> Result<(), Error> {
    if out.exists() {
        fs::remove_dir(out).map_err(Error::io(out))?;
    }
    match fs::rename(staging.path(), out) {
        // The folder is no longer where it would be removed from.
        Ok(()) => {
            let _ = staging.keep();
            Ok(())
        }
        Err(error) => {
            Err(Error::io(out)(io::Error::new(error.kind(), format!("cannot be put in place: {error}"))))
        }
    }
}
