//! The usable images of one part of a data set, with their features and identities.

use std::path::Path;

use engraft_data::{Digest, Fit, Sample, Skipped};
use engraft_train::{EmbedError, EmbeddedImage, Embedder, Progress, Views};

use crate::Error;

/// Features and labels, row by row in the order of the samples; files that cannot be used are listed apart.
#[derive(Default)]
pub(crate) struct EmbeddedPart {
    pub relative: Vec<String>,
    pub labels: Vec<usize>,
    pub file_hashes: Vec<Digest>,
    pub pixel_hashes: Vec<Digest>,
    /// Per fit, `[images * views, features]`, row-major; the views of an image follow one another.
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

/// Embeds the views of `samples` under each of `fits`.
pub(crate) fn embed(
    embedder: &Embedder,
    samples: &[Sample],
    fits: &[Fit],
    views: Option<&Views>,
    stage: &str,
    progress: &dyn Progress,
) -> Result<EmbeddedPart, Error> {
    let paths: Vec<&Path> = samples.iter().map(|sample| sample.path.as_path()).collect();
    let mut part = EmbeddedPart { features: vec![Vec::new(); fits.len()], ..EmbeddedPart::default() };
    let Usable { images, skipped } = embed_usable(embedder, &paths, fits, views, stage, progress)?;
    for (index, image) in images {
        part.relative.push(samples[index].relative.clone());
        part.labels.push(samples[index].class);
        part.file_hashes.push(image.file_hash);
        part.pixel_hashes.push(image.pixel_hash);
        part.features.iter_mut().zip(&image.features).for_each(|(all, row)| all.extend_from_slice(row));
    }
    Ok(EmbeddedPart { skipped, ..part })
}

/// What became of some files.
#[derive(Default)]
pub(crate) struct Usable {
    /// The images, each with the position of its path.
    pub images: Vec<(usize, EmbeddedImage)>,
    /// The files that are none.
    pub skipped: Vec<Skipped>,
}

/// Embeds the views of the files at `paths` under each of `fits`.
pub(crate) fn embed_usable(
    embedder: &Embedder,
    paths: &[&Path],
    fits: &[Fit],
    views: Option<&Views>,
    stage: &str,
    progress: &dyn Progress,
) -> Result<Usable, Error> {
    progress.begin(stage, paths.len());
    let mut usable = Usable::default();
    for (index, result) in embedder.embed(paths, fits, views, progress).into_iter().enumerate() {
        match result {
            Ok(image) => usable.images.push((index, image)),
            Err(EmbedError::Cancelled) => return Err(Error::Interrupted),
            Err(error) => {
                let (path, reason) = (paths[index].to_owned(), error.to_string());
                usable.skipped.push(Skipped { path, kind: error.kind(), reason });
            }
        }
    }
    Ok(usable)
}

/// A warning if the features could not be stored.
pub(crate) fn store_warning(embedder: &Embedder) -> Option<String> {
    let error = embedder.take_store_error()?;
    Some(format!("features are not kept for the next run: {error}"))
}
