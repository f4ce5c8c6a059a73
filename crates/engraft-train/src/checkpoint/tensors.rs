//! The bytes of a checkpoint.

use std::{borrow::Cow, collections::HashMap};

use engraft_data::Hasher;
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
        .map(|((name, shape), values)| (name, StoredTensor { shape, values }))
        .collect();
    let (history, updates) = (state.history.to_csv(), state.optimizer.updates);
    let mut hasher = start_of_digest(&history, updates);
    state.values().for_each(|values| hasher.update_values(values, |value| value.to_le_bytes()));
    let sha256 = hasher.digest().to_string();
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
    let mut hasher = start_of_digest(&header.history, header.updates);
    contents.iter().for_each(|content| hasher.update(content));
    if hasher.digest().to_string() != header.sha256 {
        return Err(damaged("its content does not have the sha256 that it names"));
    }
    let values = contents.into_iter().map(values_of);
    Ok(layout.state(values, header.updates, history))
}

/// A tensor whose bytes are made when they are written: beside the state and the file there is a copy of one tensor at a time.
struct StoredTensor<'a> {
    shape: &'a [usize],
    values: &'a [f32],
}

impl View for StoredTensor<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(bytes_of(self.values))
    }

    fn data_len(&self) -> usize {
        size_of_val(self.values)
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

/// Begins the digest of all but the settings; the bytes of every tensor follow.
fn start_of_digest(history: &str, updates: u64) -> Hasher {
    let mut hasher = Hasher::default();
    hasher.update(format!("{updates}\n{history}").as_bytes());
    hasher
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
