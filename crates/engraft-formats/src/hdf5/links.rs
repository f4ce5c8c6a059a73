//! Links to other files.

use hdf5_reader::{
    ExternalLinkResolver, Hdf5File,
    error::{Error, Result},
};

/// Refuses to follow a link to another file. Without it such a link would be left out of a group in silence.
pub(super) struct RefuseExternalLinks;

impl ExternalLinkResolver for RefuseExternalLinks {
    fn resolve_external_link(&self, file_name: &str) -> Result<Option<Hdf5File>> {
        Err(Error::Other(format!("it links to the file {file_name:?}, expected no other file")))
    }
}
