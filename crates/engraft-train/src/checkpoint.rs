//! What a training needs to go on after it was killed, in one file that is replaced after epochs.
//!
//! A safetensors file: parameters as `parameters/NAME`, what the optimizer remembers as `optimizer/SLOT/NAME`, the best
//! parameters as `best/NAME`, and a JSON [`Header`] in its metadata. Everything else follows from options and history. The
//! file holds no time, path or thread count. Reading trusts no length: what the network and the options call for bounds the
//! size of the file before it is read.

mod error;
mod header;
mod key;
mod tensors;

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
    time::Duration,
};

use engraft_data::write_file;

use crate::{
    fit::{Layout, TrainingState},
    progress::Progress,
};
pub use error::{CheckpointError, CheckpointProblem};
pub(crate) use key::CheckpointKey;

/// Most bytes of the part of a file that is not parameters: names, shapes, options and history.
const MAX_HEADER_BYTES: u64 = 64 << 20;

/// Where a training keeps what it needs to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointFile<'a> {
    /// The file, in a folder that exists. It stays when training is done.
    pub path: &'a Path,
    /// Whether to go on where the training that wrote the file was, instead of beginning anew.
    pub resume: bool,
    /// Least time between two writes: large networks with short epochs would do little else. The first and the last epoch are
    /// always written.
    pub interval: Duration,
}

impl CheckpointFile<'_> {
    /// The state to go on from, if one is asked for and there is one.
    pub(crate) fn resume(
        &self,
        key: &CheckpointKey,
        layout: &Layout,
        epochs: usize,
        progress: &dyn Progress,
    ) -> Result<Option<TrainingState>, CheckpointError> {
        engraft_data::check_writable(self.path).map_err(|problem| self.error(problem))?;
        if !self.resume {
            if self.path.exists() {
                let path = self.path.display();
                progress.warn(&format!(
                    "found the checkpoint {path} of an earlier training, which is replaced after the first epoch, since \
                     training begins anew; resuming goes on from it if images and settings are the same"
                ));
            }
            return Ok(None);
        }
        let bytes = match self.read_bounded(layout.byte_len().saturating_add(MAX_HEADER_BYTES)) {
            Err(CheckpointProblem::Io(problem)) if problem.kind() == io::ErrorKind::NotFound => {
                let path = self.path.display();
                progress
                    .warn(&format!("there is no checkpoint {path} to go on from, so training begins anew"));
                return Ok(None);
            }
            read => read.map_err(|problem| self.error(problem))?,
        };
        let state = tensors::decode(&bytes, key, layout, epochs).map_err(|problem| self.error(problem))?;
        let (done, path) = (state.history.epochs.len(), self.path.display());
        progress.inform(&format!("resuming from the checkpoint {path}, which has {done} of {epochs} epochs"));
        Ok(Some(state))
    }

    /// Replaces the file.
    pub(crate) fn write(
        &self,
        key: &CheckpointKey,
        layout: &Layout,
        state: &TrainingState,
    ) -> Result<(), CheckpointError> {
        let write = |bytes: Vec<u8>| write_file(self.path, &bytes).map_err(CheckpointProblem::from);
        tensors::encode(key, layout, state).and_then(write).map_err(|problem| self.error(problem))
    }

    fn read_bounded(&self, most: u64) -> Result<Vec<u8>, CheckpointProblem> {
        let metadata = fs::metadata(self.path)?;
        if !metadata.is_file() {
            return Err(CheckpointProblem::Damaged("not a regular file, expected a checkpoint".to_owned()));
        }
        if metadata.len() > most {
            let found = metadata.len();
            return Err(CheckpointProblem::Damaged(format!(
                "has {found} bytes, expected at most {most} for this network"
            )));
        }
        let mut bytes = Vec::new();
        File::open(self.path)?.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn error(&self, problem: impl Into<CheckpointProblem>) -> CheckpointError {
        CheckpointError { path: self.path.to_owned(), problem: problem.into() }
    }
}
