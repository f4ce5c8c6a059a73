//! How much memory a file may ask for.

use std::cell::Cell;

use crate::FormatError;

/// Bounds on what one file may make its reader set aside. A file that asks for more is refused before it gets it.
///
/// Beside what is counted here a reader needs what the directory of the file takes, which is never much more than the
/// file itself, and up to 16 MiB of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of all numbers and texts together, as they stand in memory.
    pub total_bytes: u64,
    /// Most bytes read or unpacked at once beside them, such as one compressed chunk.
    pub piece_bytes: usize,
    /// Most bytes read from the file, whatever is read again included: this bounds the time.
    pub read_bytes: u64,
}

impl Limits {
    /// Limits for a file of `len` bytes: sixteen times its length, which no compressed weights reach, and a little for
    /// tiny files; 64 MiB at once; and as much reading again, for directories that are searched once per name.
    pub fn for_file_len(len: u64) -> Limits {
        let total_bytes = len.saturating_mul(16).saturating_add(1 << 20);
        Limits { total_bytes, piece_bytes: 64 << 20, read_bytes: total_bytes.saturating_add(64 << 20) }
    }
}

/// What is left of [`Limits::total_bytes`].
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    used: Cell<u64>,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Budget {
        Budget { limit: limits.total_bytes, used: Cell::new(0) }
    }

    /// Takes `count` elements of `element_len` bytes for `what`, to be called before they are allocated.
    pub(crate) fn take(&self, what: &str, count: u64, element_len: usize) -> Result<(), FormatError> {
        let found = count.saturating_mul(element_len as u64).saturating_add(self.used.get());
        if found > self.limit {
            let (what, limit) = (what.to_owned(), self.limit);
            return Err(FormatError::Memory { what, found, limit });
        }
        self.used.set(found);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_used_up_and_never_overflows() {
        let budget = Budget::new(Limits { total_bytes: 100, piece_bytes: 1, read_bytes: 1 });
        budget.take("a", 10, 4).unwrap();
        budget.take("b", 15, 4).unwrap();
        for (count, element_len) in [(1, 1), (u64::MAX, 4), (u64::MAX, 1)] {
            let error = budget.take("c", count, element_len).unwrap_err().to_string();
            assert!(error.starts_with("c brings the file to "), "{error}");
            assert!(error.ends_with(" bytes in memory, expected at most 100"), "{error}");
        }
        budget.take("d", 0, 4).unwrap();
    }
}
