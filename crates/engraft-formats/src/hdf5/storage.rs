//! The file as the decoder sees it: ranges of bytes, none of them long.

use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::{Mutex, PoisonError},
};

use hdf5_reader::{
    Storage, StorageBuffer,
    error::{Error, Result},
};

use crate::Limits;

/// A reader of which ranges are asked for. What a range may cost is checked before memory is set aside for it.
pub(super) struct ReaderStorage<R> {
    state: Mutex<State<R>>,
    len: u64,
    limits: Limits,
}

struct State<R> {
    reader: R,
    bytes_read: u64,
}

impl<R: Read + Seek> ReaderStorage<R> {
    pub(super) fn new(mut reader: R, limits: Limits) -> io::Result<ReaderStorage<R>> {
        let len = reader.seek(SeekFrom::End(0))?;
        Ok(ReaderStorage { state: Mutex::new(State { reader, bytes_read: 0 }), len, limits })
    }
}

impl<R: Read + Seek + Send> Storage for ReaderStorage<R> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_range(&self, offset: u64, len: usize) -> Result<StorageBuffer> {
        let available = self.len.saturating_sub(offset);
        if len as u64 > available {
            return Err(Error::UnexpectedEof { offset, needed: len as u64, available });
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        check(len as u64, self.limits.piece_bytes as u64, "in one piece")?;
        check(state.bytes_read + len as u64, self.limits.read_bytes, "read in all")?;
        state.bytes_read += len as u64;
        let mut bytes = vec![0; len];
        state.reader.seek(SeekFrom::Start(offset))?;
        state.reader.read_exact(&mut bytes)?;
        Ok(StorageBuffer::from_vec(bytes))
    }
}

fn check(found: u64, limit: u64, of_what: &str) -> Result<()> {
    if found > limit {
        return Err(Error::ResourceLimit(format!("{found} bytes {of_what}, expected at most {limit}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn ranges_lie_inside_the_file_and_below_the_limits() {
        let limits = Limits { total_bytes: 0, piece_bytes: 3, read_bytes: 7 };
        let storage = ReaderStorage::new(Cursor::new([1, 2, 3, 4, 5]), limits).unwrap();
        assert_eq!(storage.len(), 5);
        assert_eq!(*storage.read_range(2, 3).unwrap(), [3, 4, 5]);
        assert!(storage.read_range(5, 0).unwrap().is_empty());
        for (offset, len, want) in [
            (3, 3, "need 3 bytes, have 2"),
            (u64::MAX, 1, "need 1 bytes, have 0"),
            (0, usize::MAX, "have 5"),
            (0, 4, "4 bytes in one piece, expected at most 3"),
        ] {
            let error = storage.read_range(offset, len).err().unwrap().to_string();
            assert!(error.contains(want), "{len} bytes at {offset}: {error}");
        }
        storage.read_range(0, 3).unwrap();
        let error = storage.read_range(0, 3).err().unwrap().to_string();
        assert!(error.contains("9 bytes read in all, expected at most 7"), "{error}");
    }
}
