//! Why a weight file cannot be had.

use std::{
    fmt::Display,
    io,
    path::{Path, PathBuf},
};

/// A weight file that cannot be found, downloaded or believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The file is not on this computer and may not be downloaded.
    #[error("the file {file} is not on this computer and ENGRAFT_OFFLINE is set: put it into {}", folder.display())]
    Offline {
        /// The name of the file.
        file: String,
        /// Where it would be found.
        folder: PathBuf,
    },
    /// The file cannot be downloaded.
    #[error("cannot download {url}: {problem}; put the file {file} into {}", folder.display())]
    Download {
        /// Its address.
        url: String,
        /// Why not.
        problem: String,
        /// The name of the file.
        file: String,
        /// Where it would be found.
        folder: PathBuf,
    },
    /// A file is not the one that its makers published.
    #[error("{origin}: found {found}, expected {expected}")]
    Damaged {
        /// The file or its address.
        origin: String,
        /// What it is, for example its digest.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// There is no folder to download to.
    #[error("no cache folder is known for the file {file}, expected ENGRAFT_CACHE or HOME to be set")]
    NoCacheFolder {
        /// The name of the file.
        file: String,
    },
    /// The address of the mirror is none.
    #[error("ENGRAFT_MIRROR is `{found}`, expected an address that begins with https:// or http://")]
    Mirror {
        /// The text found.
        found: String,
    },
    /// A weight file cannot be read.
    #[error("cannot read the weight file {}: {problem}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        problem: io::Error,
    },
    /// The cache of weight files cannot be written to.
    #[error("cannot use the weight cache at {}: {problem}", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        problem: io::Error,
    },
    /// The caller asked to stop.
    #[error("interrupted, what was downloaded is kept")]
    Cancelled,
}

impl FetchError {
    pub(super) fn damaged(path: &Path, found: &dyn Display, expected: &dyn Display) -> FetchError {
        FetchError::Damaged {
            origin: path.display().to_string(),
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }

    pub(super) fn cache(path: &Path) -> impl FnOnce(io::Error) -> FetchError {
        move |problem| FetchError::Cache { path: path.to_owned(), problem }
    }
}
