//! What a network shall say of each image.

use engraft_data::Digest;

use crate::embedded_part::EmbeddedPart;

/// Identifies the labels of all images.
pub(super) fn digest(part: &EmbeddedPart) -> Digest {
    let labels: Vec<u8> = part.labels.iter().flat_map(|&label| (label as u64).to_le_bytes()).collect();
    Digest::of(&labels)
}

/// Writes a row of `classes` values for each of `images`: one for its class, zero for every other.
pub(super) fn fill(part: &EmbeddedPart, classes: usize, images: &[usize], targets: &mut [f32]) {
    targets.fill(0.0);
    for (row, &image) in targets.chunks_exact_mut(classes).zip(images) {
        row[part.labels[image]] = 1.0;
    }
}
