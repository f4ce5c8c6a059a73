//! Finding, decoding and resizing labelled images.
//!
//! [`scan`] finds the images of a folder of class folders, [`read_and_decode`] turns one file into an [`Image`]
//! within a [`MemoryBudget`], [`fit_image`] brings it to the input size of a network.

mod budget;
mod decode;
mod digest;
mod image;
mod named;
mod read;
mod resize;
mod rng;
mod scan;

pub use self::image::{Image, ImageSizeError};
pub use budget::{MemoryBudget, Permit};
pub use decode::{DecodeError, Limits, decode};
pub use digest::{Digest, DigestParseError};
pub use named::UnknownName;
pub use read::{ReadError, ReadImage, read_and_decode, read_bytes};
pub use resize::{Filter, Fit, fit_image, resize_image};
pub use rng::Rng;
pub use scan::{
    Dataset, FlatScan, FoundFile, Part, Sample, ScanError, Skipped, TestSet, scan, scan_flat, scan_test,
};
