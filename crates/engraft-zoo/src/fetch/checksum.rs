//! Whether a file is the one that its makers published.

use std::{
    fmt::{self, Display},
    fs::File,
    io::{self, Read},
    path::Path,
};

use md5::Md5;
use sha2::{Digest, Sha256};

use super::{FetchError, hdf5_frame};

/// A published digest of a file, in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// 32 digits. Good against accidents; whoever can choose both files can make two with the same.
    Md5(String),
    /// 64 digits.
    Sha256(String),
}

impl Checksum {
    /// A digest whose number of digits tells its kind; `None` for anything else.
    pub fn from_hexadecimal(digits: &str) -> Option<Checksum> {
        let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match digits.len() {
            32 if hexadecimal => Some(Checksum::Md5(digits.to_ascii_lowercase())),
            64 if hexadecimal => Some(Checksum::Sha256(digits.to_ascii_lowercase())),
            _ => None,
        }
    }

    /// Its digits.
    pub fn hexadecimal(&self) -> &str {
        match self {
            Checksum::Md5(digits) | Checksum::Sha256(digits) => digits,
        }
    }

    /// The digest of the same kind of a file.
    fn of_file(&self, path: &Path) -> io::Result<Checksum> {
        Ok(match self {
            Checksum::Md5(_) => Checksum::Md5(digest_of::<Md5>(path)?),
            Checksum::Sha256(_) => Checksum::Sha256(digest_of::<Sha256>(path)?),
        })
    }
}

impl Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Checksum::Md5(digits) => write!(f, "md5 {digits}"),
            Checksum::Sha256(digits) => write!(f, "sha256 {digits}"),
        }
    }
}

/// Compares an official file with its published digest; one that has none must at least be a whole HDF5 file.
///
/// # Errors
/// [`FetchError::Damaged`] if it is another file or not a whole one, [`FetchError::Read`] if it cannot be read.
pub fn verify(path: &Path, checksum: Option<&Checksum>) -> Result<(), FetchError> {
    let unreadable = |problem| FetchError::Read { path: path.to_owned(), problem };
    let Some(expected) = checksum else {
        return hdf5_frame::check(path).map_err(unreadable)?;
    };
    let found = expected.of_file(path).map_err(unreadable)?;
    if found == *expected {
        return Ok(());
    }
    Err(FetchError::damaged(path, &found, expected))
}

/// The SHA-256 of a file in lower-case hexadecimal.
///
/// # Errors
/// If it cannot be read.
pub fn sha256_of(path: &Path) -> io::Result<String> {
    digest_of::<Sha256>(path)
}

fn digest_of<D: Digest>(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = D::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            len => digest.update(&buffer[..len]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn digits_tell_the_kind() {
        for (digits, want) in [
            (MD5, Some(Checksum::Md5(MD5.to_owned()))),
            (&MD5.to_uppercase(), Some(Checksum::Md5(MD5.to_owned()))),
            (SHA256, Some(Checksum::Sha256(SHA256.to_owned()))),
            ("", None),
            (&MD5[1..], None),
            (&format!("{}g", &MD5[1..]), None),
        ] {
            assert_eq!(Checksum::from_hexadecimal(digits), want, "{digits}");
        }
    }

    #[test]
    fn a_file_is_compared_with_its_digest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "abc").unwrap();
        assert_eq!(sha256_of(file.path()).unwrap(), SHA256);
        for digits in [MD5, SHA256] {
            let checksum = Checksum::from_hexadecimal(digits).unwrap();
            verify(file.path(), Some(&checksum)).unwrap();
            let wrong = Checksum::from_hexadecimal(&digits.replace('f', "0")).unwrap();
            let error = verify(file.path(), Some(&wrong)).unwrap_err().to_string();
            assert_eq!(error, format!("{}: found {checksum}, expected {wrong}", file.path().display()));
        }
    }
}
