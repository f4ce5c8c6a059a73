//! The part of a checkpoint that is not tensors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::CheckpointProblem;

/// The layout of the file. One with another number is refused.
pub(super) const FORMAT: u32 = 1;

/// Its entry of the metadata, the only one: the order of several would not be the same each time.
pub(super) const HEADER_KEY: &str = "engraft_checkpoint";

/// What stands in the metadata, as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub format: u32,
    /// Which training it belongs to.
    pub settings: BTreeMap<String, String>,
    /// The table of [`crate::History::to_csv`].
    pub history: String,
    /// Updates that the optimizer has made.
    pub updates: u64,
    /// Digest of all tensors.
    pub sha256: String,
}

impl Header {
    /// Reads a header of this version.
    pub fn parse(json: &str) -> Result<Header, CheckpointProblem> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |error: serde_json::Error| CheckpointProblem::Damaged(format!("header: {error}"));
        // The version is read first, since another version's header may have other fields.
        let Version { format } = serde_json::from_str(json).map_err(damaged)?;
        if format != FORMAT {
            return Err(CheckpointProblem::Damaged(format!("has format {format}, expected {FORMAT}")));
        }
        serde_json::from_str(json).map_err(damaged)
    }
}
