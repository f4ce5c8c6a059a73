//! HDF5: groups, their texts and their tensors, as Keras uses them.
//!
//! The format is decoded by the `hdf5-reader` crate, which here sees the file only through bounded reads and under
//! [`Limits`]: it maps nothing, opens no other file and holds no cache. A file that links to another one is refused.

mod attributes;
mod links;
mod storage;
mod tensor;

use std::{
    io::{Read, Seek},
    sync::Arc,
};

use engraft_graph::Tensor;
use hdf5_reader::{OpenOptions, error::Error};

use crate::{FormatError, Limits, limits::Budget};
pub(crate) use attributes::Attributes;
use links::RefuseExternalLinks;
use storage::ReaderStorage;

/// The first bytes of every file.
pub(crate) const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";

/// An open file.
pub(crate) struct Hdf5File {
    file: hdf5_reader::Hdf5File,
    budget: Budget,
}

impl Hdf5File {
    pub(crate) fn open<R>(reader: R, limits: Limits) -> Result<Hdf5File, FormatError>
    where
        R: Read + Seek + Send + 'static,
    {
        let storage = Arc::new(ReaderStorage::new(reader, limits)?);
        let options = OpenOptions::default()
            .with_external_link_resolver(Arc::new(RefuseExternalLinks))
            .with_chunk_cache_bytes(0)
            .with_max_chunk_bytes(limits.piece_bytes)
            .with_max_object_header_bytes(limits.piece_bytes);
        let file = hdf5_reader::Hdf5File::from_storage_with_options(storage, options)
            .map_err(|error| broken("/", &error))?;
        Ok(Hdf5File { file, budget: Budget::new(limits) })
    }

    pub(crate) fn root(&self) -> Result<Group<'_>, FormatError> {
        let group = self.file.root_group().map_err(|error| broken("/", &error))?;
        Ok(Group { file: self, group, path: String::new() })
    }

    /// Bytes of a reference to a text of variable length: its length, an address and a number.
    fn reference_len(&self) -> usize {
        4 + usize::from(self.file.superblock().offset_size) + 4
    }
}

/// A group of an open file.
pub(crate) struct Group<'a> {
    file: &'a Hdf5File,
    group: hdf5_reader::group::Group,
    path: String,
}

impl<'a> Group<'a> {
    /// Names from the root, separated by slashes; empty for the root.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Where the group stands in the file: equal for two names of the same group.
    pub(crate) fn address(&self) -> u64 {
        self.group.address()
    }

    /// The group at `path`, names separated by slashes, or nothing if one of them is absent.
    pub(crate) fn find_group(&self, path: &str) -> Result<Option<Group<'a>>, FormatError> {
        let mut group = self.group.clone();
        for name in path.split('/') {
            group = match group.group(name) {
                Ok(found) => found,
                Err(Error::GroupNotFound(_)) => return Ok(None),
                Err(error) => return Err(broken(&self.path_of(path), &error)),
            };
        }
        Ok(Some(Group { file: self.file, group, path: self.path_of(path) }))
    }

    /// The group at `path`.
    pub(crate) fn group(&self, path: &str) -> Result<Group<'a>, FormatError> {
        let group = self.find_group(path)?;
        group.ok_or_else(|| absent(format!("the group `{}`", self.path_of(path))))
    }

    /// The names of the groups and of the datasets in this group.
    pub(crate) fn names(&self) -> Result<(Vec<String>, Vec<String>), FormatError> {
        self.group.member_names().map_err(|error| broken(&self.path, &error))
    }

    /// Everything that is noted about this group.
    pub(crate) fn attributes(&self) -> Result<Attributes<'_>, FormatError> {
        Attributes::of(self)
    }

    /// The numbers of the dataset at `path`.
    pub(crate) fn tensor(&self, path: &str) -> Result<Tensor, FormatError> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let full_path = self.path_of(path);
        let parent = if parent.is_empty() { &self.group } else { &self.group(parent)?.group };
        match parent.dataset(name) {
            Ok(dataset) => tensor::read(&dataset, &full_path, &self.file.budget),
            Err(Error::DatasetNotFound(_)) => Err(absent(format!("the tensor `{full_path}`"))),
            Err(error) => Err(broken(&full_path, &error)),
        }
    }

    fn path_of(&self, path: &str) -> String {
        if self.path.is_empty() { path.to_owned() } else { format!("{}/{path}", self.path) }
    }
}

const FORMAT: &str = "HDF5";

fn broken(object: &str, error: &Error) -> FormatError {
    FormatError::Content { format: FORMAT, object: object.to_owned(), reason: error.to_string() }
}

fn absent(what: String) -> FormatError {
    FormatError::Absent { format: FORMAT, what }
}
