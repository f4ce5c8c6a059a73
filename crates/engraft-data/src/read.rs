//! From a path to the bytes of a file, and on to its image, within a memory budget.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use crate::{
    budget::{MemoryBudget, Permit},
    decode::{DecodeError, Decoder, Limits},
    digest::Digest,
    image::Image,
};

/// Why a file could not be read as an image. The path is not part of it: callers know it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The operating system refused.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A folder, a pipe, a device or a socket. It was not opened, so nothing could block.
    #[error("not a regular file")]
    NotAFile,
    /// Larger than [`Limits::max_file_bytes`].
    #[error("file too large: {found} bytes, at most {limit} are read")]
    FileTooLarge {
        /// Bytes of the file, or the limit plus one where it grew while it was read.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The bytes did not become an image.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl ReadError {
    /// A short constant name of the kind of error, for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            ReadError::Io(error) => io_kind(error),
            ReadError::NotAFile => "not_a_file",
            ReadError::FileTooLarge { .. } => "too_large",
            ReadError::Decode(error) => error.kind(),
        }
    }
}

/// An image with the identity of the file it came from.
#[derive(Debug)]
pub struct ReadImage {
    /// SHA-256 of the bytes of the file.
    pub file_hash: Digest,
    /// The decoded image.
    pub image: Image,
    /// Holds the memory of `image` in the budget; drop it together with the image.
    pub permit: Permit,
}

/// The bytes of the regular file at `path`, at most `max_bytes` of them.
///
/// # Errors
/// See [`ReadError`]; anything but a regular file, also at the end of a link, is refused without being opened.
pub fn read_bytes(path: &Path, max_bytes: u64) -> Result<Vec<u8>, ReadError> {
    let file_bytes = regular_file_bytes(path, max_bytes)?;
    let mut bytes = Vec::with_capacity(file_bytes as usize);
    // One more than allowed, so that a file which grew meanwhile is noticed.
    File::open(path)?.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    within_limit(bytes.len() as u64, max_bytes)?;
    Ok(bytes)
}

/// Reads and decodes the image at `path`, waiting until `budget` has room for the file and then for decoding it.
///
/// # Errors
/// See [`ReadError`].
pub fn read_and_decode(path: &Path, limits: &Limits, budget: &MemoryBudget) -> Result<ReadImage, ReadError> {
    ReadFile::open(path, limits, budget)?.decode(limits)
}

/// A file in memory that is not decoded yet: its hash may show that it need not be.
#[derive(Debug)]
pub struct ReadFile {
    bytes: Vec<u8>,
    hash: Digest,
    permit: Permit,
}

impl ReadFile {
    /// Reads the regular file at `path`, waiting until `budget` has room for it.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn open(path: &Path, limits: &Limits, budget: &MemoryBudget) -> Result<ReadFile, ReadError> {
        let permit = budget.acquire(regular_file_bytes(path, limits.max_file_bytes)?);
        let bytes = read_bytes(path, limits.max_file_bytes)?;
        Ok(ReadFile { hash: Digest::of(&bytes), bytes, permit })
    }

    /// SHA-256 of the bytes of the file.
    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// Decodes the image, waiting until the budget has room for that.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn decode(self, limits: &Limits) -> Result<ReadImage, ReadError> {
        let ReadFile { bytes, hash, mut permit } = self;
        let decoder = Decoder::open(&bytes, limits)?;
        permit.grow(decoder.peak_bytes());
        let image = decoder.read()?;
        drop(bytes);
        permit.shrink(image.pixels.len() as u64);
        Ok(ReadImage { file_hash: hash, image, permit })
    }
}

/// A short constant name of what the operating system said, for machines.
pub(crate) fn io_kind(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "not_found",
        io::ErrorKind::PermissionDenied => "no_permission",
        _ => "io",
    }
}

fn regular_file_bytes(path: &Path, max_bytes: u64) -> Result<u64, ReadError> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile);
    }
    within_limit(metadata.len(), max_bytes)?;
    Ok(metadata.len())
}

fn within_limit(found: u64, limit: u64) -> Result<(), ReadError> {
    if found > limit { Err(ReadError::FileTooLarge { found, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PPM: &[u8] = b"P6 2 1 255\nabcdef";

    #[test]
    fn a_file_becomes_its_hash_and_its_image() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("no extension");
        fs::write(&path, PPM).unwrap();
        let budget = MemoryBudget::new(1000);
        let read = read_and_decode(&path, &Limits::default(), &budget).unwrap();
        assert_eq!(read.file_hash, Digest::of(PPM));
        assert_eq!(read.image, Image::new(2, 1, b"abcdef".to_vec()).unwrap());
        assert_eq!(budget.used_bytes(), 6);
        drop(read);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn what_is_not_a_small_regular_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        fs::write(&path, PPM).unwrap();
        assert_eq!(read_bytes(&path, PPM.len() as u64).unwrap(), PPM);
        assert_eq!(
            read_bytes(&path, 5).unwrap_err().to_string(),
            "file too large: 17 bytes, at most 5 are read"
        );
        assert_eq!(read_bytes(folder.path(), 5).unwrap_err().kind(), "not_a_file");
        assert_eq!(read_bytes(&folder.path().join("none"), 5).unwrap_err().kind(), "not_found");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_or_a_device_never_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.jpg");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [pipe.as_path(), Path::new("/dev/zero")] {
            assert!(matches!(read_bytes(path, u64::MAX), Err(ReadError::NotAFile)), "{}", path.display());
        }
    }
}
