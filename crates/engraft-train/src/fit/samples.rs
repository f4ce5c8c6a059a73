//! Where the images of a training come from.

use std::error::Error;

use engraft_data::Digest;

/// Why samples cannot be had.
pub type SampleError = Box<dyn Error + Send + Sync>;

/// Labelled images, made when they are needed.
///
/// A batch is made on one thread while the one before it is trained on others. What it holds may only depend on the arguments
/// and on what [`Samples::digest`] covers, never on earlier calls: training that is resumed asks for later batches alone.
pub trait Samples: Sync {
    /// Number of images.
    fn len(&self) -> usize;

    /// Whether there is no image.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of classes.
    fn classes(&self) -> usize;

    /// Number of values of an image, in the order and range that the network reads.
    fn image_len(&self) -> usize;

    /// Identifies images, labels, augmentation and its seed: everything that decides what [`Samples::fill`] writes.
    fn digest(&self) -> Digest;

    /// Writes one batch of an epoch, counted from 1: per index in `indices` an image of `image_len` values into `images` and
    /// a row of `classes` probabilities, which sum to 1, into `targets`. Both slices have just that length.
    ///
    /// # Errors
    /// Whatever keeps an image from being read.
    fn fill(
        &self,
        epoch: usize,
        indices: &[usize],
        images: &mut [f32],
        targets: &mut [f32],
    ) -> Result<(), SampleError>;
}
