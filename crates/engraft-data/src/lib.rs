//! Finding, decoding, resizing and augmenting labelled images.
//!
//! [`scan`] finds the images of a folder of class folders, [`read_and_decode`] turns one file into an [`Image`]
//! within a [`MemoryBudget`], [`fit_image`] brings it to the input size of a network,
//! [`augment`] makes further samples out of it.

mod atomic_file;
pub mod augment;
mod budget;
mod decode;
mod digest;
mod encode;
mod freed_memory;
mod image;
mod named;
mod output_mark;
mod read;
mod resize;
mod rng;
mod scan;
mod standardize;
mod validation_split;

pub use self::image::{Image, ImageSizeError};
pub use atomic_file::{check_writable, write_file};
pub use budget::{MemoryBudget, Permit};
pub use decode::{DecodeError, Limits, decode, is_decoding};
pub use digest::{Digest, DigestParseError, Hasher};
pub use encode::encode_png;
pub use freed_memory::keep_freed_memory;
pub use named::UnknownName;
pub use output_mark::OUTPUT_MARK;
pub use read::{ReadError, ReadFile, ReadImage, read_and_decode, read_bytes};
pub use resize::{Filter, Fit, fit_image, resize_image};
pub use rng::Rng;
pub use scan::{
    Dataset, FlatScan, FoundFile, Part, Sample, ScanError, Skipped, TestSet, scan, scan_flat, scan_test,
};
pub use standardize::{Standardization, StandardizeError, Standardizer};
pub use validation_split::validation_split;

/// Names what decodes and resizes: part of the key of every stored feature, since another version may give other pixels.
pub const DECODER_REVISION: &str = "engraft-data 2, image 0.25.10, zune-jpeg 0.5.15, png 0.18.1, gif 0.14.2, image-webp 0.2.4, tiff 0.11.3, fast_image_resize 6.1.0";

/// Names what makes augmented copies: part of the key of the features of each, since another version may give other pixels.
pub const AUGMENT_REVISION: &str = "engraft-data augment 1";

#[cfg(test)]
mod tests {
    #[test]
    fn the_revision_names_the_locked_versions() {
        let lock = include_str!("../../../Cargo.lock");
        for part in super::DECODER_REVISION.split(", ").skip(1) {
            let (name, version) = part.split_once(' ').unwrap();
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&entry), "Cargo.lock has another {name} than {version}");
        }
    }
}
