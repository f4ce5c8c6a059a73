//! What a network is trained on, batch by batch.

use engraft_data::{
    Digest, Image,
    augment::{Augmentation, FloatImage, copy_rng},
};
use engraft_train::{SampleError, Samples};
use rayon::prelude::*;

use super::image_part::ImagePart;
use crate::embedded_part::EmbeddedPart;

/// Pixels in 0..255, changed anew in each epoch.
pub(super) struct PixelSamples<'a> {
    images: &'a [Image],
    part: &'a EmbeddedPart,
    classes: usize,
    /// What is done to each image, and the seed of its draws.
    augmented: Option<(&'a Augmentation, u64)>,
}

impl<'a> PixelSamples<'a> {
    pub fn new(part: &'a ImagePart, classes: usize, augmented: Option<(&'a Augmentation, u64)>) -> Self {
        PixelSamples { images: &part.images, part: &part.part, classes, augmented }
    }

    /// The draws of an image follow from seed, pixels and epoch, whatever batch it is in.
    fn write(&self, epoch: usize, index: usize, values: &mut [f32]) {
        let image = &self.images[index];
        match self.augmented {
            Some((augmentation, seed)) => {
                let mut rng = copy_rng(seed, &self.part.pixel_hashes[index], epoch as u64);
                values.copy_from_slice(&augmentation.apply(FloatImage::from(image), &mut rng).values);
            }
            None => values.iter_mut().zip(&image.pixels).for_each(|(value, &byte)| *value = f32::from(byte)),
        }
    }
}

impl Samples for PixelSamples<'_> {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn image_len(&self) -> usize {
        self.images.first().map_or(0, |image| image.pixels.len())
    }

    fn digest(&self) -> Digest {
        let pixels: Vec<u8> = self.images.iter().flat_map(|image| image.pixel_hash().0).collect();
        let augmented = match self.augmented {
            Some((augmentation, seed)) => format!("{augmentation} {seed} {}", engraft_data::AUGMENT_REVISION),
            None => String::new(),
        };
        Digest::of_parts(&[&labels_digest(self.part).0, &Digest::of(&pixels).0, augmented.as_bytes()])
    }

    fn fill(
        &self,
        epoch: usize,
        indices: &[usize],
        images: &mut [f32],
        targets: &mut [f32],
    ) -> Result<(), SampleError> {
        let rows = images.par_chunks_exact_mut(self.image_len().max(1));
        rows.zip(indices).with_max_len(1).for_each(|(row, &index)| self.write(epoch, index, row));
        fill_targets(self.part, self.classes, indices, targets);
        Ok(())
    }
}

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
        let values: Vec<u8> = self.part.features[0].iter().flat_map(|value| value.to_le_bytes()).collect();
        Digest::of_parts(&[&labels_digest(self.part).0, &Digest::of(&values).0])
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
        fill_targets(self.part, self.classes, &images, targets);
        Ok(())
    }
}

fn labels_digest(part: &EmbeddedPart) -> Digest {
    let labels: Vec<u8> = part.labels.iter().flat_map(|&label| (label as u64).to_le_bytes()).collect();
    Digest::of(&labels)
}

/// One for the class of an image, zero for every other.
fn fill_targets(part: &EmbeddedPart, classes: usize, indices: &[usize], targets: &mut [f32]) {
    targets.fill(0.0);
    for (row, &index) in targets.chunks_exact_mut(classes).zip(indices) {
        row[part.labels[index]] = 1.0;
    }
}
