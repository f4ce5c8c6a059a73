//! The bytes of a checkpoint.

use std::{borrow::Cow, collections::HashMap};

use engraft_data::Digest;
use safetensors::{Dtype, SafeTensorError, SafeTensors, View};

use super::{
    CheckpointKey, CheckpointProblem,
    header::{FORMAT, HEADER_KEY, Header},
};
use crate::{
    fit::{Layout, TrainingState},
    history::History,
};

pub(super) fn encode(
    key: &CheckpointKey,
    layout: &Layout,
    state: &TrainingState,
) -> Result<Vec<u8>, CheckpointProblem> {
    let tensors: Vec<(String, StoredTensor)> = layout
        .entries()
        .into_iter()
        .zip(state.values())
        .map(|((name, shape), values)| (name, StoredTensor { shape, bytes: bytes_of(values) }))
        .collect();
    let (history, updates) = (state.history.to_csv(), state.optimizer.updates);
    let contents: Vec<&[u8]> = tensors.iter().map(|(_, tensor)| tensor.bytes.as_slice()).collect();
    let sha256 = digest(&history, updates, &contents);
    let header = Header { format: FORMAT, settings: key.0.clone(), history, updates, sha256 };
    let json = serde_json::to_string(&header).map_err(|error| damaged(&error.to_string()))?;
    let metadata = HashMap::from([(HEADER_KEY.to_owned(), json)]);
    safetensors::serialize(tensors, Some(metadata)).map_err(unreadable)
}

pub(super) fn decode(
    bytes: &[u8],
    key: &CheckpointKey,
    layout: &Layout,
    epochs: usize,
) -> Result<TrainingState, CheckpointProblem> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(unreadable)?;
    let json = metadata.metadata().as_ref().and_then(|entries| entries.get(HEADER_KEY));
    let header = Header::parse(json.ok_or_else(|| damaged("not a checkpoint of a training"))?)?;
    key.check(&header.settings)?;
    let history = History::from_csv(&header.history).map_err(|error| damaged(&error.to_string()))?;
    let found = history.epochs.len();
    if found == 0 {
        return Err(damaged("has no epoch, expected at least one"));
    }
    if found > epochs {
        return Err(CheckpointProblem::TooManyEpochs { found, expected: epochs });
    }
    let file = SafeTensors::deserialize(bytes).map_err(unreadable)?;
    let mut contents = Vec::new();
    for (name, shape) in layout.entries() {
        contents.push(content(&file, &name, shape)?);
    }
    if digest(&header.history, header.updates, &contents) != header.sha256 {
        return Err(damaged("its content does not have the sha256 that it names"));
    }
    let values = contents.into_iter().map(values_of);
    Ok(layout.state(values, header.updates, history))
}

/// A tensor as it stands in the file.
struct StoredTensor<'a> {
    shape: &'a [usize],
    bytes: Vec<u8>,
}

impl View for StoredTensor<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

fn content<'a>(file: &SafeTensors<'a>, name: &str, shape: &[usize]) -> Result<&'a [u8], CheckpointProblem> {
    let tensor = file.tensor(name).map_err(unreadable)?;
    if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
        let (dtype, found) = (tensor.dtype(), tensor.shape());
        return Err(damaged(&format!("tensor `{name}` is {dtype} {found:?}, expected F32 {shape:?}")));
    }
    Ok(tensor.data())
}

fn digest(history: &str, updates: u64, tensors: &[&[u8]]) -> String {
    let start = format!("{updates}\n{history}");
    Digest::of_parts(&[&[start.as_bytes()], tensors].concat()).to_string()
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; size_of_val(values)];
    bytes.as_chunks_mut().0.iter_mut().zip(values).for_each(|(to, value)| *to = value.to_le_bytes());
    bytes
}

fn values_of(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect()
}

fn damaged(problem: &str) -> CheckpointProblem {
    CheckpointProblem::Damaged(problem.to_owned())
}

fn unreadable(error: SafeTensorError) -> CheckpointProblem {
    damaged(&format!("cannot be read: {error}"))
}
