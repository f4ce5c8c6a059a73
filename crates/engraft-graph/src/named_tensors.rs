//! Weights by name, in the order they were added.

use std::collections::HashMap;

use crate::{GraphError, Tensor};

/// Tensors with unique names, kept in insertion order: some formats bind by name, some by position.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamedTensors {
    entries: Vec<(String, Tensor)>,
    index: HashMap<String, usize>,
}

impl NamedTensors {
    /// No tensors.
    pub fn new() -> NamedTensors {
        NamedTensors::default()
    }

    /// Adds a tensor at the end.
    ///
    /// # Errors
    /// [`GraphError::DuplicateTensor`] if the name is taken.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) -> Result<(), GraphError> {
        let name = name.into();
        if self.index.contains_key(&name) {
            return Err(GraphError::DuplicateTensor { name });
        }
        self.index.insert(name.clone(), self.entries.len());
        self.entries.push((name, tensor));
        Ok(())
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.index.get(name).map(|&index| &self.entries[index].1)
    }

    /// All names and tensors, in insertion order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.entries.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Number of tensors.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no tensors.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl IntoIterator for NamedTensors {
    type Item = (String, Tensor);
    type IntoIter = std::vec::IntoIter<(String, Tensor)>;

    /// All names and tensors, in insertion order.
    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_names_are_unique() {
        let mut tensors = NamedTensors::new();
        let one = Tensor::from_f32(vec![1], vec![1.0]).unwrap();
        tensors.insert("b", one.clone()).unwrap();
        tensors.insert("a", one.clone()).unwrap();
        assert_eq!(tensors.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["b", "a"]);
        let error = tensors.insert("a", one).unwrap_err();
        assert_eq!(error.to_string(), "tensor `a` appears twice, expected unique names");
    }
}
