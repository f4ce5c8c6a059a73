//! Whether an HDF5 file is as long as its own header says: all that can be known of one without a published digest.
//!
//! Source: HDF5 File Format Specification 3.0, II.A "Format Signature and Superblock".

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::FetchError;

const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// Bytes of the longest superblock up to the end-of-file address, with addresses of eight bytes.
const HEADER_LEN: u64 = 52;

/// Compares the length of the file with the one in its superblock; a file may be longer.
pub(super) fn check(path: &Path) -> io::Result<Result<(), FetchError>> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut header = Vec::new();
    file.take(HEADER_LEN).read_to_end(&mut header)?;
    Ok(match stated_len(&header) {
        None => Err(FetchError::damaged(path, &"no HDF5 superblock", &"an HDF5 file")),
        Some(stated) if stated > len => {
            let [found, expected] = [len, stated].map(|len| format!("{len} bytes"));
            Err(FetchError::damaged(path, &found, &expected))
        }
        Some(_) => Ok(()),
    })
}

/// The end-of-file address, if the header is one that HDF5 libraries write for files of this kind.
fn stated_len(header: &[u8]) -> Option<u64> {
    let version = *header.strip_prefix(&SIGNATURE)?.first()?;
    let (address_len_at, end_at) = match version {
        0 => (13, 40),
        1 => (13, 44),
        2 | 3 => (9, 28),
        _ => return None,
    };
    let bytes = header.get(end_at..end_at + 8)?;
    let wide = header.get(address_len_at) == Some(&8);
    wide.then_some(u64::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn header(version: u8, address_len_at: usize, end_at: usize, end: u64) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..8].copy_from_slice(&SIGNATURE);
        bytes[8] = version;
        bytes[address_len_at] = 8;
        bytes[end_at..end_at + 8].copy_from_slice(&end.to_le_bytes());
        bytes
    }

    #[test]
    fn a_file_must_not_be_shorter_than_it_says() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (version, address_len_at, end_at) in [(0, 13, 40), (1, 13, 44), (2, 9, 28), (3, 9, 28)] {
            for (end, whole) in [(64, true), (63, true), (65, false), (u64::MAX, false)] {
                fs::write(file.path(), header(version, address_len_at, end_at, end)).unwrap();
                assert_eq!(check(file.path()).unwrap().is_ok(), whole, "version {version}, end {end}");
            }
        }
    }

    #[test]
    fn anything_else_is_no_hdf5_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let good = header(0, 13, 40, 64);
        let mut short_addresses = good.clone();
        short_addresses[13] = 3;
        for bytes in [&b""[..], b"<html>not found</html>", &good[..47], &short_addresses] {
            fs::write(file.path(), bytes).unwrap();
            let error = check(file.path()).unwrap().unwrap_err().to_string();
            assert!(error.ends_with("found no HDF5 superblock, expected an HDF5 file"), "{error}");
        }
    }
}
