//! Images of one size whose labels are shares of classes: what MixUp and CutMix mix.

use super::FloatImage;

/// Images and their labels, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct SoftBatch {
    images: Vec<FloatImage>,
    labels: Vec<Vec<f32>>,
}

/// Images and labels that are no batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// There is not one label for each image.
    #[error("the batch has {images} images and {labels} labels, expected as many")]
    Count {
        /// Number of images.
        images: usize,
        /// Number of labels.
        labels: usize,
    },
    /// An image has another size than the first.
    #[error("image {index} is {found:?}, expected {expected:?} (height, width) as the first")]
    Size {
        /// Which one, from 0.
        index: usize,
        /// Its `(height, width)`.
        found: (usize, usize),
        /// That of the first.
        expected: (usize, usize),
    },
    /// A label has another number of classes than the first.
    #[error("label {index} has {found} classes, expected {expected} as the first")]
    Classes {
        /// Which one, from 0.
        index: usize,
        /// Its length.
        found: usize,
        /// That of the first.
        expected: usize,
    },
}

impl SoftBatch {
    /// A batch of images with one label each, a share for every class.
    ///
    /// # Errors
    /// If their numbers or sizes differ.
    pub fn new(images: Vec<FloatImage>, labels: Vec<Vec<f32>>) -> Result<SoftBatch, BatchError> {
        if images.len() != labels.len() {
            return Err(BatchError::Count { images: images.len(), labels: labels.len() });
        }
        let sizes: Vec<_> = images.iter().map(|image| (image.height, image.width)).collect();
        if let Some(index) = sizes.iter().position(|size| *size != sizes[0]) {
            return Err(BatchError::Size { index, found: sizes[index], expected: sizes[0] });
        }
        if let Some(index) = labels.iter().position(|label| label.len() != labels[0].len()) {
            let (found, expected) = (labels[index].len(), labels[0].len());
            return Err(BatchError::Classes { index, found, expected });
        }
        Ok(SoftBatch { images, labels })
    }

    /// The images, all of one size.
    pub fn images(&self) -> &[FloatImage] {
        &self.images
    }

    /// The labels, all of one length.
    pub fn labels(&self) -> &[Vec<f32>] {
        &self.labels
    }

    /// The images and their labels.
    pub fn into_parts(self) -> (Vec<FloatImage>, Vec<Vec<f32>>) {
        (self.images, self.labels)
    }

    /// `(height, width)` of every image, `None` if there is none.
    pub(super) fn size(&self) -> Option<(usize, usize)> {
        self.images.first().map(|image| (image.height, image.width))
    }

    /// Changes each image by `mix(image, the one before it)` and gives it `share` of its label; the first one's partner is
    /// the last.
    pub(super) fn mix(&mut self, share: f32, mix: impl Fn(&mut FloatImage, &FloatImage)) {
        let before = self.clone();
        let count = self.images.len();
        for index in 0..count {
            let partner = (index + count - 1) % count;
            mix(&mut self.images[index], &before.images[partner]);
            for (value, other) in self.labels[index].iter_mut().zip(&before.labels[partner]) {
                *value = share * *value + (1.0 - share) * other;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_batch_is_named() {
        let image = |width| FloatImage::new(1, width, vec![0.0; 3 * width]).unwrap();
        for (images, labels, want) in [
            (vec![image(1)], vec![], "the batch has 1 images and 0 labels, expected as many"),
            (
                vec![image(1), image(2)],
                vec![vec![1.0]; 2],
                "image 1 is (1, 2), expected (1, 1) (height, width) as the first",
            ),
            (
                vec![image(1), image(1)],
                vec![vec![1.0], vec![]],
                "label 1 has 0 classes, expected 1 as the first",
            ),
        ] {
            assert_eq!(SoftBatch::new(images, labels).unwrap_err().to_string(), want);
        }
    }
}
