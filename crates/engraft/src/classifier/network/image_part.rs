//! The usable images of one part of a data set, decoded and resized once and kept in memory.

use engraft_data::{
    Digest, Filter, Fit, Image, Limits, MemoryBudget, ReadError, Sample, Skipped, fit_image, read_and_decode,
};
use engraft_train::Progress;
use rayon::prelude::*;

use crate::{Error, embedded_part::EmbeddedPart};

/// Memory of images while they are decoded, in bytes.
const DECODE_BUDGET_BYTES: u64 = 512 << 20;
/// Most memory of the resized images, in bytes.
const MAX_BYTES: usize = 4 << 30;

/// Images with their labels and identities; nothing is embedded.
pub(super) struct ImagePart {
    pub part: EmbeddedPart,
    /// As many as `part` has rows, all of one size.
    pub images: Vec<Image>,
}

/// An image and the digests of its file and of its pixels.
type Fitted = (Image, Digest, Digest);

impl ImagePart {
    /// Reads `samples` as squares of side `size`, in pixels.
    pub fn read(
        samples: &[Sample],
        size: usize,
        fit: Fit,
        filter: Filter,
        stage: &str,
        progress: &dyn Progress,
    ) -> Result<ImagePart, Error> {
        let bytes = samples.len().saturating_mul(3 * size * size);
        if bytes > MAX_BYTES {
            return Err(Error::Setting {
                setting: "--image-size",
                found: format!("{size} for {} images, which takes {bytes} bytes", samples.len()),
                expected: "a size at which all images take at most 4 GiB",
            });
        }
        progress.begin(stage, samples.len());
        let (limits, budget) = (Limits::default(), MemoryBudget::new(DECODE_BUDGET_BYTES));
        let read = |sample: &Sample| -> Option<Result<Fitted, ReadError>> {
            if progress.is_cancelled() {
                return None;
            }
            let fitted = read_and_decode(&sample.path, &limits, &budget).map(|read| {
                let pixels = read.image.pixel_hash();
                (fit_image(&read.image, size, fit, filter), read.file_hash, pixels)
            });
            progress.step();
            Some(fitted)
        };
        let fitted: Option<Vec<_>> = samples.par_iter().with_max_len(1).map(read).collect();
        let fitted = fitted.ok_or(Error::Interrupted)?;
        let mut all = ImagePart { part: EmbeddedPart::default(), images: Vec::new() };
        samples.iter().zip(fitted).for_each(|(sample, fitted)| all.push(sample, fitted));
        Ok(all)
    }

    fn push(&mut self, sample: &Sample, fitted: Result<Fitted, ReadError>) {
        match fitted {
            Ok((image, file_hash, pixel_hash)) => {
                self.part.relative.push(sample.relative.clone());
                self.part.labels.push(sample.class);
                self.part.file_hashes.push(file_hash);
                self.part.pixel_hashes.push(pixel_hash);
                self.images.push(image);
            }
            Err(error) => self.part.skipped.push(Skipped {
                path: sample.path.clone(),
                kind: error.kind(),
                reason: error.to_string(),
            }),
        }
    }
}
