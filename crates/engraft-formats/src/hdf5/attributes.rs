//! What is noted about a group: texts and lists of texts.
//!
//! Texts of variable length are fetched one by one under the file's budget, because a list of references to one long
//! text costs a file nothing.

use hdf5_reader::{Datatype, RawAttribute, StringSize, VarLenKind, messages::attribute::AttributeMessage};

use super::{FORMAT, Group, broken};
use crate::FormatError;

/// The attributes of a group.
pub(crate) struct Attributes<'a> {
    group: &'a Group<'a>,
    attributes: Vec<RawAttribute>,
}

impl<'a> Attributes<'a> {
    pub(super) fn of(group: &'a Group<'a>) -> Result<Attributes<'a>, FormatError> {
        let attributes = group.group.raw_attributes().map_err(|error| broken(&group.path, &error))?;
        Ok(Attributes { group, attributes })
    }

    /// The single text of attribute `name`.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, FormatError> {
        Ok(self.stored_texts(name)?.and_then(|mut texts| texts.pop()))
    }

    /// The list of texts that Keras saves as attribute `name` or, when it is long, as `name0`, `name1` and so on.
    pub(crate) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, FormatError> {
        if let Some(texts) = self.stored_texts(name)? {
            return Ok(Some(texts));
        }
        let mut all = None;
        for part in 0.. {
            match self.stored_texts(&format!("{name}{part}"))? {
                Some(texts) => all.get_or_insert_with(Vec::new).extend(texts),
                None => break,
            }
        }
        Ok(all)
    }

    fn stored_texts(&self, name: &str) -> Result<Option<Vec<String>>, FormatError> {
        let Some(attribute) = self.attributes.iter().find(|attribute| attribute.name() == name) else {
            return Ok(None);
        };
        let attribute = attribute.message();
        let count = attribute.dataspace.num_elements();
        let count = count.map_err(|error| self.broken(name, error.to_string()))?;
        // An empty list has no element to tell its type from: NumPy calls it a list of numbers.
        if count == 0 {
            return Ok(Some(Vec::new()));
        }
        let texts = match attribute.datatype {
            Datatype::String { size: StringSize::Fixed(len), .. } => self.fixed(attribute, len as usize),
            Datatype::String { size: StringSize::Variable, .. }
            | Datatype::VarLen { kind: VarLenKind::String, .. } => self.variable(attribute),
            ref other => Err(self.broken(name, format!("its type is {other:?}, expected text"))),
        }?;
        match texts.len() as u64 {
            found if found == count => Ok(Some(texts)),
            found => Err(self.broken(name, format!("it has {found} texts, expected {count}"))),
        }
    }

    fn fixed(&self, attribute: &AttributeMessage, len: usize) -> Result<Vec<String>, FormatError> {
        let texts = attribute.raw_data.chunks_exact(len.max(1));
        texts.map(|bytes| self.utf8(&attribute.name, bytes)).collect()
    }

    fn variable(&self, attribute: &AttributeMessage) -> Result<Vec<String>, FormatError> {
        let path = self.path_of(&attribute.name);
        let mut texts = Vec::new();
        for reference in attribute.raw_data.chunks_exact(self.group.file.reference_len()) {
            let len = reference.first_chunk().map_or(0, |&len| u32::from_le_bytes(len));
            self.group.file.budget.take(&path, len.into(), 1)?;
            let bytes = self.group.group.resolve_vlen_reference_bytes(reference, 1);
            texts.push(self.utf8(&attribute.name, &bytes.map_err(|error| broken(&path, &error))?)?);
        }
        Ok(texts)
    }

    /// Text up to the zeros or, as Fortran pads, blanks behind it.
    fn utf8(&self, name: &str, bytes: &[u8]) -> Result<String, FormatError> {
        let text = str::from_utf8(bytes).map_err(|error| self.broken(name, error.to_string()))?;
        Ok(text.trim_end_matches(['\0', ' ']).to_owned())
    }

    fn broken(&self, name: &str, reason: String) -> FormatError {
        FormatError::Content { format: FORMAT, object: self.path_of(name), reason }
    }

    fn path_of(&self, name: &str) -> String {
        format!("{}@{name}", self.group.path)
    }
}
