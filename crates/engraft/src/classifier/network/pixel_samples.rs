//! Pixels as a network is trained on them, batch by batch: augmented anew in each epoch, mixed, and standardised.

use engraft_data::{
    Digest, Image, Rng, Standardizer,
    augment::{Augmentation, FloatImage, SoftBatch, copy_rng},
};
use engraft_train::{SampleError, Samples};
use rayon::prelude::*;

use super::{image_part::ImagePart, targets};
use crate::embedded_part::EmbeddedPart;

/// Below a seed, the place at which the mixing of batches is drawn.
const MIX: u64 = 0x6d69_7800;

/// Images that are changed in each epoch, or that stay as they are for validation.
pub(super) struct PixelSamples<'a> {
    images: &'a [Image],
    part: &'a EmbeddedPart,
    classes: usize,
    /// What is done to images and batches, and the seed of its draws.
    augmented: Option<(&'a Augmentation, u64)>,
    /// What is done to the values at last; else they are levels, 0..255.
    standardizer: Option<&'a Standardizer>,
}

impl<'a> PixelSamples<'a> {
    pub fn new(part: &'a ImagePart, classes: usize, standardizer: Option<&'a Standardizer>) -> Self {
        PixelSamples { images: &part.images, part: &part.part, classes, augmented: None, standardizer }
    }

    /// The same, augmented by what a seed draws.
    pub fn augmented(self, augmented: Option<(&'a Augmentation, u64)>) -> Self {
        PixelSamples { augmented, ..self }
    }

    /// The draws of an image follow from seed, pixels and epoch, whatever batch it is in.
    fn image(&self, epoch: usize, index: usize) -> FloatImage {
        let image = FloatImage::from(&self.images[index]);
        match self.augmented {
            Some((augmentation, seed)) => {
                let mut rng = copy_rng(seed, &self.part.pixel_hashes[index], epoch as u64);
                augmentation.apply(image, &mut rng)
            }
            None => image,
        }
    }

    /// Mixes a batch where that is asked for. Its draws follow from seed, epoch and its first image, which is in no other
    /// batch of the epoch.
    fn mixed(
        &self,
        epoch: usize,
        indices: &[usize],
        images: Vec<FloatImage>,
        targets: &mut [f32],
    ) -> Result<Vec<FloatImage>, SampleError> {
        let Some((augmentation, seed)) = self.augmented.filter(|(augmentation, _)| augmentation.mixes())
        else {
            return Ok(images);
        };
        let labels = targets.chunks_exact(self.classes).map(<[f32]>::to_vec).collect();
        let mut batch = SoftBatch::new(images, labels)?;
        let first = indices.first().copied().unwrap_or_default();
        augmentation.mix(&mut batch, &mut Rng::derived(seed, &[MIX, epoch as u64, first as u64]));
        let (images, labels) = batch.into_parts();
        targets.copy_from_slice(&labels.concat());
        Ok(images)
    }

    fn write(&self, image: &FloatImage, values: &mut [f32]) -> Result<(), SampleError> {
        match self.standardizer {
            Some(standardizer) => values.copy_from_slice(&standardizer.apply(image)?),
            None => values.copy_from_slice(&image.values),
        }
        Ok(())
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
        // A standardisation follows from what is augmented and from the training images, whose digest is taken as well.
        let augmented = match self.augmented {
            Some((augmentation, seed)) => format!("{augmentation} {seed} {}", engraft_data::AUGMENT_REVISION),
            None => String::new(),
        };
        Digest::of_parts(&[&targets::digest(self.part).0, &Digest::of(&pixels).0, augmented.as_bytes()])
    }

    fn fill(
        &self,
        epoch: usize,
        indices: &[usize],
        images: &mut [f32],
        targets: &mut [f32],
    ) -> Result<(), SampleError> {
        targets::fill(self.part, self.classes, indices, targets);
        let made = indices.par_iter().with_max_len(1).map(|&index| self.image(epoch, index)).collect();
        let made = self.mixed(epoch, indices, made, targets)?;
        let rows = images.par_chunks_exact_mut(self.image_len().max(1));
        rows.zip(&made).with_max_len(1).try_for_each(|(row, image)| self.write(image, row))
    }
}
