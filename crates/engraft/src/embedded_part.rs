//! The usable images of one part of a data set, with their features and identities.

use std::path::{Path, PathBuf};

use engraft_data::{Digest, Fit, Sample, Skipped};
use engraft_train::{EmbedError, Embedder, Progress};

use crate::Error;

/// Features and labels, row by row in the order of the samples; files that cannot be used are listed apart.
#[derive(Default)]
pub(crate) struct EmbeddedPart {
    pub relative: Vec<String>,
    pub labels: Vec<usize>,
    pub file_hashes: Vec<Digest>,
    pub pixel_hashes: Vec<Digest>,
    /// Per fit, `[rows, features]`, row-major.
    pub features: Vec<Vec<f32>>,
    pub skipped: Vec<Skipped>,
}

impl EmbeddedPart {
    /// Number of usable images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// What the part consists of, whatever its files are called: each image's class and digest, in sorted order.
    pub fn digest(&self, classes: &[String]) -> Digest {
        let mut images: Vec<(&str, Digest)> = self
            .labels
            .iter()
            .zip(&self.file_hashes)
            .map(|(&label, &hash)| (&*classes[label], hash))
            .collect();
        images.sort_unstable();
        let lines: String = images.iter().map(|(class, hash)| format!("{hash} {class}\n")).collect();
        Digest::of(lines.as_bytes())
    }
}

/// Embeds `samples` under each of `fits`.
pub(crate) fn embed(
    embedder: &Embedder,
    samples: &[Sample],
    fits: &[Fit],
    stage: &str,
    progress: &dyn Progress,
) -> Result<EmbeddedPart, Error> {
    progress.begin(stage, samples.len());
    let paths: Vec<&Path> = samples.iter().map(|sample| sample.path.as_path()).collect();
    let mut part = EmbeddedPart { features: vec![Vec::new(); fits.len()], ..EmbeddedPart::default() };
    for (sample, result) in samples.iter().zip(embedder.embed(&paths, fits, progress)) {
        match result {
            Ok(image) => {
                part.relative.push(sample.relative.clone());
                part.labels.push(sample.class);
                part.file_hashes.push(image.file_hash);
                part.pixel_hashes.push(image.pixel_hash);
                part.features
                    .iter_mut()
                    .zip(&image.features)
                    .for_each(|(all, row)| all.extend_from_slice(row));
            }
            Err(EmbedError::Cancelled) => return Err(Error::Interrupted),
            Err(reason) => part.skipped.push(skipped(&sample.path, &reason)),
        }
    }
    Ok(part)
}

fn skipped(path: &Path, reason: &EmbedError) -> Skipped {
    Skipped { path: PathBuf::from(path), reason: reason.to_string() }
}
