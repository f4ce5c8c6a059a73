//! From the name of a backbone to a verified weight file on this computer.
//!
//! [`locate`] looks in the places that [`WeightPlaces`] names, in this order, and downloads the official file if it is in
//! none of them: the user's folder, the program itself, our cache, Keras' cache, the cache of the Hugging Face hub.
//! What has a published digest is compared with it wherever it was found.

mod checksum;
mod client;
mod download;
mod error;
mod hdf5_frame;
mod hub;
mod official; // the table of files
mod partial;
mod places; // start here
mod tls;

pub use checksum::{Checksum, sha256_of, verify};
pub use error::FetchError;
pub use official::{OfficialFile, official_backbones};
pub use places::{Located, WeightFile, WeightPlaces, WeightSource, locate};

/// Follows a download, in the thread that runs it.
pub trait FetchProgress {
    /// The download of `file` begins, or goes on, `total_bytes` long if the server says so.
    fn begin(&self, file: &str, total_bytes: Option<u64>);

    /// So many bytes of it are on this computer.
    fn received(&self, bytes: u64);

    /// A file was passed over that somebody might expect to be used.
    fn warn(&self, message: &str);

    /// Whether the download should stop as soon as it can; what is there is kept for the next one.
    fn is_cancelled(&self) -> bool;
}

#[cfg(test)]
mod tests;
