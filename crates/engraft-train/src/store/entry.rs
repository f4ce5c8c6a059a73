//! The bytes of one entry.
//!
//! Digest of the key, digest of the decoded pixels, the features as little-endian f32, and a digest of all that.

use engraft_data::Digest;

const DIGEST_LEN: usize = 32;

/// What is kept of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredFeatures {
    /// Digest of the decoded pixels, so that a later run can group equal pictures without decoding.
    pub pixel_hash: Digest,
    /// The features, bit for bit as they were computed.
    pub values: Vec<f32>,
}

/// Length in bytes of an entry with `feature_len` values.
pub(super) fn file_len(feature_len: usize) -> u64 {
    (3 * DIGEST_LEN + 4 * feature_len) as u64
}

pub(super) fn encode(features: &StoredFeatures, key: &Digest) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(file_len(features.values.len()) as usize);
    bytes.extend_from_slice(&key.0);
    bytes.extend_from_slice(&features.pixel_hash.0);
    bytes.extend(features.values.iter().flat_map(|value| value.to_le_bytes()));
    let checksum = Digest::of(&bytes);
    bytes.extend_from_slice(&checksum.0);
    bytes
}

/// The entry, if `bytes` are undamaged and belong to `key`.
pub(super) fn decode(bytes: &[u8], key: &Digest) -> Option<StoredFeatures> {
    let (content, checksum) = bytes.split_last_chunk::<DIGEST_LEN>()?;
    let (found_key, rest) = content.split_first_chunk::<DIGEST_LEN>()?;
    let (pixel_hash, values) = rest.split_first_chunk::<DIGEST_LEN>()?;
    if *found_key != key.0 || *checksum != Digest::of(content).0 {
        return None;
    }
    let values = values.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect();
    Some(StoredFeatures { pixel_hash: Digest(*pixel_hash), values })
}
