//! A range of a file as a file of its own.

use std::io::{self, Read, Seek, SeekFrom};

/// The bytes from `start` on, `len` of them.
pub(crate) struct StoredRange<R> {
    reader: R,
    start: u64,
    len: u64,
    position: u64,
}

impl<R> StoredRange<R> {
    pub(super) fn new(reader: R, start: u64, len: u64) -> StoredRange<R> {
        StoredRange { reader, start, len, position: 0 }
    }
}

impl<R: Read + Seek> Read for StoredRange<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.len.saturating_sub(self.position);
        let count = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.reader.seek(SeekFrom::Start(self.start + self.position))?;
        let count = self.reader.read(&mut buffer[..count])?;
        self.position += count as u64;
        Ok(count)
    }
}

impl<R> Seek for StoredRange<R> {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        let position = match target {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(offset) => self.len.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let valid = position.filter(|place| self.start.checked_add(*place).is_some());
        self.position = valid.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn only_the_range_can_be_read() {
        let mut range = StoredRange::new(Cursor::new(b"0123456789"), 2, 5);
        for (target, want) in [
            (SeekFrom::Start(0), "23456"),
            (SeekFrom::Start(3), "56"),
            (SeekFrom::End(-2), "56"),
            (SeekFrom::Current(-5), "23456"),
            (SeekFrom::End(4), ""),
        ] {
            let mut text = String::new();
            range.seek(target).unwrap();
            range.read_to_string(&mut text).unwrap();
            assert_eq!(text, want, "{target:?}");
        }
        for target in [SeekFrom::End(-6), SeekFrom::Start(u64::MAX)] {
            assert!(range.seek(target).is_err(), "{target:?}");
        }
    }
}
