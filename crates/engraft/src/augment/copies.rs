//! The work of `engraft augment`: each image, fitted, and its copies, written.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
};

use engraft_data::{
    Dataset, Digest, Filter, Image, Limits, MemoryBudget, ReadError, Sample, Skipped,
    augment::{FloatImage, copy_rng},
    encode_png, fit_image, read_and_decode, resize_image,
};
use engraft_train::Progress;
use rayon::prelude::*;

use super::{AugmentOptions, ClassCopies, Preview};
use crate::Error;

/// 512 MB of files and pixels being decoded.
const DECODE_BUDGET_BYTES: u64 = 512 << 20;

/// The most rows and copies that previews have, and the side of their tiles in pixels.
const MAX_PREVIEWS: usize = 24;
const MAX_PREVIEWS_OF_A_CLASS: usize = 3;
const MAX_PREVIEW_COPIES: usize = 8;
const MAX_TILE_PX: usize = 128;

/// Everything that the copies of one image need.
pub(super) struct Copies<'a> {
    dataset: &'a Dataset,
    options: &'a AugmentOptions,
    /// Where they are written, and the place that this folder gets when it is full.
    folder: &'a Path,
    out: &'a Path,
    limits: Limits,
    budget: MemoryBudget,
    /// Indices of the samples to be previewed, sorted.
    previews: Vec<usize>,
    progress: &'a dyn Progress,
}

/// An image whose copies are written.
pub(super) struct Made {
    class: usize,
    pub preview: Option<Preview>,
}

impl<'a> Copies<'a> {
    pub fn new(
        dataset: &'a Dataset,
        options: &'a AugmentOptions,
        (folder, out): (&'a Path, &'a Path),
        progress: &'a dyn Progress,
    ) -> Copies<'a> {
        Copies {
            dataset,
            options,
            folder,
            out,
            limits: Limits::default(),
            budget: MemoryBudget::new(DECODE_BUDGET_BYTES),
            previews: previewed(dataset, options.preview),
            progress,
        }
    }

    /// Writes the copies of every usable image, told in the order of the samples; the others go to `skipped`.
    pub fn write(&self, skipped: &Mutex<Vec<Skipped>>) -> Result<Vec<Made>, Error> {
        self.progress.begin("augmenting", self.dataset.train.len().saturating_mul(self.options.copies));
        let samples = self.dataset.train.par_iter().enumerate().with_max_len(1);
        let made = samples.map(|(index, sample)| match self.fitted(sample) {
            Ok((digest, image)) => self.make(index, sample, &digest, &image).map(Some),
            Err(error) => {
                let mut skipped = skipped.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                skipped.push(Skipped {
                    path: sample.path.clone(),
                    kind: error.kind(),
                    reason: error.to_string(),
                });
                Ok(None)
            }
        });
        let made: Result<Vec<Option<Made>>, Error> = made.collect();
        Ok(made?.into_iter().flatten().collect())
    }

    /// The digest of its pixels, and the image as a network would see it.
    fn fitted(&self, sample: &Sample) -> Result<(Digest, Image), ReadError> {
        let read = read_and_decode(&sample.path, &self.limits, &self.budget)?;
        let AugmentOptions { image_size, fit, filter, .. } = *self.options;
        Ok((read.image.pixel_hash(), fit_image(&read.image, image_size, fit, filter)))
    }

    fn make(&self, index: usize, sample: &Sample, digest: &Digest, image: &Image) -> Result<Made, Error> {
        let class = &self.dataset.classes[sample.class];
        let below = below_class_folders(&self.dataset.root, &sample.path, class);
        let is_previewed = self.previews.binary_search(&index).is_ok();
        let mut tiles: Vec<Image> = is_previewed.then(|| tile(image)).into_iter().collect();
        let untouched = FloatImage::from(image);
        for copy in 0..self.options.copies {
            if self.progress.is_cancelled() {
                return Err(Error::Interrupted);
            }
            let mut rng = copy_rng(self.options.seed, digest, copy as u64);
            let made = self.options.augmentation.apply(untouched.clone(), &mut rng).to_image();
            self.write_png(&numbered(below, copy), &made)?;
            if is_previewed && copy < MAX_PREVIEW_COPIES {
                tiles.push(tile(&made));
            }
            self.progress.step();
        }
        let preview = Preview { class: class.clone(), file: sample.relative.clone(), tiles };
        Ok(Made { class: sample.class, preview: is_previewed.then_some(preview) })
    }

    /// An error names the file by the place it was to have, since a person knows no other.
    fn write_png(&self, below: &Path, image: &Image) -> Result<(), Error> {
        let path = self.folder.join(below);
        let folder = path.parent().unwrap_or(self.folder);
        fs::create_dir_all(folder)
            .and_then(|()| encode_png(image))
            .and_then(|bytes| fs::write(&path, bytes))
            .map_err(Error::io(&self.out.join(below)))
    }
}

/// `FILE` with its ending kept, so that no two files have one name: `FILE.COPY.png`.
fn numbered(file: &Path, copy: usize) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(format!(".{copy}.png"));
    PathBuf::from(name)
}

/// `CLASS/..` of `root/CLASS/..` or of `root/train/CLASS/..`.
fn below_class_folders<'a>(root: &Path, path: &'a Path, class: &str) -> &'a Path {
    let below = path.strip_prefix(root).unwrap_or(path);
    let mut parts = below.components();
    match parts.next() {
        Some(first) if first.as_os_str().to_string_lossy() != class => parts.as_path(),
        _ => below,
    }
}

fn tile(image: &Image) -> Image {
    let side = image.width.min(MAX_TILE_PX);
    resize_image(image, side, side, Filter::Bicubic)
}

/// The first images of each class, sorted.
fn previewed(dataset: &Dataset, wanted: bool) -> Vec<usize> {
    let classes = dataset.classes.len().max(1);
    let of_a_class = (MAX_PREVIEWS / classes).clamp(1, MAX_PREVIEWS_OF_A_CLASS);
    let mut seen = vec![0; classes];
    let mut previewed = Vec::new();
    for (index, sample) in dataset.train.iter().enumerate() {
        if wanted && seen[sample.class] < of_a_class && previewed.len() < MAX_PREVIEWS {
            seen[sample.class] += 1;
            previewed.push(index);
        }
    }
    previewed
}

/// What was made of each class.
pub(super) fn class_copies(classes: &[String], made: &[Made], copies: usize) -> Vec<ClassCopies> {
    let count = |class: usize| made.iter().filter(|made| made.class == class).count();
    let of = |(index, class): (usize, &String)| {
        let images = count(index);
        ClassCopies { class: class.clone(), images, written: images * copies }
    };
    classes.iter().enumerate().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_stand_in_their_class_folder_under_their_own_name() {
        for (path, class, want) in [
            ("root/ant/1.jpg", "ant", "ant/1.jpg"),
            ("root/ant/deep/1.jpg", "ant", "ant/deep/1.jpg"),
            ("root/train/ant/1.jpg", "ant", "ant/1.jpg"),
            ("root/train/train/1.jpg", "train", "train/train/1.jpg"),
        ] {
            let below = below_class_folders(Path::new("root"), Path::new(path), class);
            assert_eq!(below, Path::new(want), "{path}");
        }
        assert_eq!(numbered(Path::new("ant/1.jpg"), 3), Path::new("ant/1.jpg.3.png"));
    }
}
