//! Features of a frozen backbone as a network is trained on them, batch by batch.

use engraft_data::Digest;
use engraft_train::{SampleError, Samples};

use super::targets;
use crate::embedded_part::EmbeddedPart;

/// Rows of features of a frozen backbone: one for each view of each image, the views of an image one after another.
pub(super) struct FeatureSamples<'a> {
    part: &'a EmbeddedPart,
    features: usize,
    classes: usize,
}

impl<'a> FeatureSamples<'a> {
    /// The first fit of `part`, at least one image, whose rows have `features` values.
    pub fn new(part: &'a EmbeddedPart, features: usize, classes: usize) -> Self {
        FeatureSamples { part, features, classes }
    }
}

impl Samples for FeatureSamples<'_> {
    fn len(&self) -> usize {
        self.part.features[0].len() / self.features
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn image_len(&self) -> usize {
        self.features
    }

    fn digest(&self) -> Digest {
        Digest::of_parts(&[&targets::digest(self.part).0, &Digest::of_floats(&self.part.features[0]).0])
    }

    fn fill(
        &self,
        _epoch: usize,
        indices: &[usize],
        images: &mut [f32],
        targets: &mut [f32],
    ) -> Result<(), SampleError> {
        for (row, &index) in images.chunks_exact_mut(self.features).zip(indices) {
            row.copy_from_slice(&self.part.features[0][index * self.features..][..self.features]);
        }
        let views = self.len() / self.part.len().max(1);
        let images: Vec<usize> = indices.iter().map(|index| index / views).collect();
        targets::fill(self.part, self.classes, &images, targets);
        Ok(())
    }
}
