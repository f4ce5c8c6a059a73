//! Zip archives: entries by name, none of which unpacks to more than the archive warrants.

mod stored_range;

use std::io::{self, Cursor, Read, Seek};

use zip::{CompressionMethod, ZipArchive, read::ZipFile, result::ZipError};

use crate::{FormatError, Limits, limits::Budget};
pub(crate) use stored_range::StoredRange;

/// The first bytes of every archive that is not empty.
pub(crate) const SIGNATURE: &[u8; 4] = b"PK\x03\x04";

/// An open archive.
pub(crate) struct Archive<R> {
    archive: ZipArchive<R>,
    budget: Budget,
}

/// An entry that stands at its start.
pub(crate) struct Entry<'a, R: Read> {
    pub(crate) name: String,
    /// Its bytes, unpacked. Whoever reads them to the end has compared their checksum.
    pub(crate) file: ZipFile<'a, R>,
}

/// An entry as a file of its own.
pub(crate) enum EntryFile<R> {
    /// It is stored as it is, and read where it stands.
    Stored(StoredRange<R>),
    /// It was compressed, and unpacked in memory.
    Unpacked(Cursor<Vec<u8>>),
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the directory of an archive.
    pub(crate) fn open(reader: R, limits: Limits) -> Result<Archive<R>, FormatError> {
        let archive = ZipArchive::new(reader).map_err(|error| broken("the directory", &error))?;
        if archive.has_duplicate_names() {
            return Err(broken("the directory", "it names an entry twice"));
        }
        Ok(Archive { archive, budget: Budget::new(limits) })
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.archive.len()
    }

    /// Whether there is an entry of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.archive.index_for_name(name).is_some()
    }

    /// The entry at `index`, in the order of the directory. What it unpacks to is taken from the budget.
    pub(crate) fn entry(&mut self, index: usize) -> Result<Entry<'_, R>, FormatError> {
        let object = format!("entry {index}");
        let file = self.archive.by_index(index).map_err(|error| broken(&object, &error))?;
        let name = file.name().map_err(|error| broken(&object, &error))?.into_owned();
        self.budget.take(&format!("entry `{name}`"), file.size(), 1)?;
        Ok(Entry { name, file })
    }

    /// The bytes of entry `name`.
    pub(crate) fn unpack(&mut self, name: &str) -> Result<Vec<u8>, FormatError> {
        let Entry { file, .. } = self.entry_named(name)?;
        let len = file.size();
        let mut bytes = Vec::with_capacity(len as usize);
        file.take(len + 1).read_to_end(&mut bytes).map_err(|error| broken(&quoted(name), &error))?;
        match bytes.len() as u64 {
            found if found == len => Ok(bytes),
            found => Err(broken(&quoted(name), &format!("it has {found} bytes, expected {len}"))),
        }
    }

    /// The entry `name` as a file, its checksum compared.
    pub(crate) fn into_file(mut self, name: &str) -> Result<EntryFile<R>, FormatError> {
        let file = self.by_name(name)?;
        if file.compression() != CompressionMethod::Stored {
            drop(file);
            return Ok(EntryFile::Unpacked(Cursor::new(self.unpack(name)?)));
        }
        let (start, len) = check_stored(file, name)?;
        Ok(EntryFile::Stored(StoredRange::new(self.archive.into_inner(), start, len)))
    }

    fn entry_named(&mut self, name: &str) -> Result<Entry<'_, R>, FormatError> {
        let index = self.archive.index_for_name(name).ok_or_else(|| absent(name))?;
        self.entry(index)
    }

    fn by_name(&mut self, name: &str) -> Result<ZipFile<'_, R>, FormatError> {
        self.archive.by_name(name).map_err(|error| match error {
            ZipError::FileNotFound => absent(name),
            error => broken(&quoted(name), &error),
        })
    }
}

/// Start and length of an entry that is stored as it is, after reading it once for its checksum.
fn check_stored(mut file: ZipFile<'_, impl Read>, name: &str) -> Result<(u64, u64), FormatError> {
    let len = file.size();
    let found = io::copy(&mut file, &mut io::sink()).map_err(|error| broken(&quoted(name), &error))?;
    match file.data_start() {
        Some(start) if found == len => Ok((start, len)),
        _ => Err(broken(&quoted(name), &format!("it has {found} bytes, expected {len}"))),
    }
}

const FORMAT: &str = "zip";

fn quoted(name: &str) -> String {
    format!("entry `{name}`")
}

fn absent(name: &str) -> FormatError {
    FormatError::Absent { format: FORMAT, what: format!("the entry `{name}`") }
}

fn broken(object: &str, reason: &(impl ToString + ?Sized)) -> FormatError {
    FormatError::Content { format: FORMAT, object: object.to_owned(), reason: reason.to_string() }
}
