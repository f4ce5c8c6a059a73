//! Manufactured images as files: augmented copies of a data set, to look at or to use elsewhere.

mod copies;
mod settings;
mod staging;

use std::{path::Path, sync::Mutex};

use engraft_data::{Filter, Fit, Image, augment::Augmentation, scan};
use engraft_train::Progress;
use serde::Serialize;

use crate::{
    Error,
    skipped::{self, SkippedFile},
};
use copies::Copies;
pub use settings::read_augmentation;

/// Choices of [`augment_folder`].
#[derive(Clone, Debug)]
pub struct AugmentOptions {
    /// What is done to each copy.
    pub augmentation: Augmentation,
    /// Copies of each image, from 1 to 1000.
    pub copies: usize,
    /// Together with an image's pixels and a copy's number it decides what is drawn, as in training: view `v` of a training
    /// image is copy `v - 1` under the same seed, size, fit and filter.
    pub seed: u64,
    /// Side of the square that an image is brought to before, in pixels, from 1 to 2048.
    pub image_size: usize,
    /// How images fill that square.
    pub fit: Fit,
    /// The filter images are resized with.
    pub filter: Filter,
    /// Whether to keep some images for [`AugmentReport::previews`].
    pub preview: bool,
}

/// What was manufactured.
#[derive(Clone, Debug, Serialize)]
pub struct AugmentReport {
    /// Images that copies were made of.
    pub images: usize,
    /// Files written.
    pub written: usize,
    /// Copies of each image.
    pub copies: usize,
    /// See [`AugmentOptions::seed`].
    pub seed: u64,
    /// Side of the square copies, in pixels.
    pub image_size: usize,
    /// How images filled it.
    pub fit: String,
    /// The filter they were resized with.
    pub filter: String,
    /// Every setting that was in effect, defaults included.
    pub augmentation: Augmentation,
    /// What was made of each class, in order of their names.
    pub classes: Vec<ClassCopies>,
    /// Files that were not used, and why.
    pub skipped: Vec<SkippedFile>,
    /// Number of files that are known junk.
    pub ignored: usize,
    /// Some images of each class with their first copies; empty unless asked for.
    #[serde(skip)]
    pub previews: Vec<Preview>,
}

/// What was made of a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassCopies {
    /// Its name.
    pub class: String,
    /// Images that copies were made of.
    pub images: usize,
    /// Files written.
    pub written: usize,
}

/// An image beside its copies, small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// Its class.
    pub class: String,
    /// Its path below the data set.
    pub file: String,
    /// The untouched image, then copy 0 and so on.
    pub tiles: Vec<Image>,
}

const MAX_COPIES: usize = 1000;
const MAX_IMAGE_SIZE: usize = 2048;

/// Writes copies of the training images of `data` as `out/CLASS/FILE.COPY.png`, in the current rayon pool.
///
/// `out` appears when everything is in it, or not at all. Nothing depends on the number of threads.
///
/// # Errors
/// [`Error::Setting`] if a choice is out of its range, works on more than single images, or `out` is not new or lies in
/// `data`; [`Error::Scan`] or [`Error::NoImages`] if there is nothing to copy; [`Error::Io`] if a file cannot be written;
/// [`Error::Interrupted`] if `progress` says so.
pub fn augment_folder(
    data: &Path,
    out: &Path,
    options: &AugmentOptions,
    progress: &dyn Progress,
) -> Result<AugmentReport, Error> {
    options.check()?;
    let dataset = scan(data)?;
    let staging = staging::folder(data, out)?;
    let skipped = Mutex::new(dataset.skipped.clone());
    let mut made = Copies::new(&dataset, options, (staging.path(), out), progress).write(&skipped)?;
    let skipped = skipped.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    if made.is_empty() {
        return Err(Error::NoImages { root: data.to_owned(), skipped: skipped::listed(&skipped) });
    }
    staging::move_to(staging, out)?;
    let previews = made.iter_mut().filter_map(|made| made.preview.take()).collect();
    Ok(AugmentReport {
        images: made.len(),
        written: made.len() * options.copies,
        copies: options.copies,
        seed: options.seed,
        image_size: options.image_size,
        fit: options.fit.to_string(),
        filter: options.filter.to_string(),
        augmentation: options.augmentation.clone(),
        classes: copies::class_copies(&dataset.classes, &made, options.copies),
        skipped: skipped::listed(&skipped),
        ignored: dataset.ignored,
        previews,
    })
}

impl AugmentOptions {
    fn check(&self) -> Result<(), Error> {
        let out_of_range = |setting, found: usize, expected| {
            Err(Error::Setting { setting, found: found.to_string(), expected })
        };
        if !(1..=MAX_COPIES).contains(&self.copies) {
            return out_of_range("--copies", self.copies, "a number from 1 to 1000");
        }
        if !(1..=MAX_IMAGE_SIZE).contains(&self.image_size) {
            return out_of_range("--image-size", self.image_size, "a number of pixels from 1 to 2048");
        }
        check_images_only(&self.augmentation)
    }
}

/// Refuses settings that copies of single images cannot have.
pub(crate) fn check_images_only(augmentation: &Augmentation) -> Result<(), Error> {
    match augmentation.beyond_images() {
        Some(found) => Err(Error::Setting {
            setting: "--augment",
            found,
            expected: "settings that make one image out of another, since others are for networks on pixels alone",
        }),
        None => Ok(()),
    }
}

impl AugmentReport {
    /// What was manufactured, as text for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for ClassCopies { class, images, written } in &self.classes {
            text += &format!("{:<24} {images:>6} images {written:>8} copies\n", skipped::printable(class));
        }
        text += &format!("{} images, {} copies by {}\n", self.images, self.written, self.augmentation);
        text + &skipped::summary(&self.skipped, self.ignored)
    }
}
