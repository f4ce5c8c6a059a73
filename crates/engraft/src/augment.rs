//! Manufactured images as files: augmented copies of a data set, to look at or to use elsewhere.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Mutex,
};

use engraft_data::{
    Dataset, Digest, Filter, Fit, Image, Limits, MemoryBudget, Sample, Skipped,
    augment::{Augmentation, FloatImage, copy_rng},
    encode_png, fit_image, read_and_decode, resize_image, scan,
};
use engraft_train::Progress;
use rayon::prelude::*;
use serde::Serialize;
use tempfile::TempDir;

use crate::{
    Error,
    skipped::{self, SkippedFile},
};

/// Choices of [`augment_folder`].
#[derive(Clone, Debug)]
pub struct AugmentOptions {
    /// What is done to each copy.
    pub augmentation: Augmentation,
    /// Copies of each image, from 1 to 1000.
    pub copies: usize,
    /// Together with an image's bytes and a copy's number it decides what is drawn.
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

/// 512 MB of files and pixels being decoded.
const DECODE_BUDGET_BYTES: u64 = 512 << 20;

/// The most rows and copies that previews have, and the side of their tiles in pixels.
const MAX_PREVIEWS: usize = 24;
const MAX_PREVIEWS_OF_A_CLASS: usize = 3;
const MAX_PREVIEW_COPIES: usize = 8;
const MAX_TILE_PX: usize = 128;

/// A larger file is no list of settings.
const MAX_SETTINGS_BYTES: u64 = 1 << 20;

/// Reads what a person gives as augmentation: the name of a `.toml` file, or settings as [`Augmentation::parse`] takes them.
///
/// # Errors
/// [`Error::Augment`] for settings, [`Error::Data`] for a file that cannot be read or holds others.
pub fn read_augmentation(text: &str) -> Result<Augmentation, Error> {
    if !text.ends_with(".toml") {
        return Ok(Augmentation::parse(text)?);
    }
    let path = Path::new(text);
    let wrong = |problem: &dyn std::fmt::Display| Error::data(path, &problem.to_string());
    let file = fs::File::open(path).map_err(|error| wrong(&error))?;
    let mut settings = String::new();
    file.take(MAX_SETTINGS_BYTES).read_to_string(&mut settings).map_err(|error| wrong(&error))?;
    Augmentation::parse_toml(&settings).map_err(|error| wrong(&error))
}

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
    let staging = staging_folder(data, out)?;
    let work = Work {
        dataset: &dataset,
        options,
        staging: staging.path(),
        limits: Limits::default(),
        budget: MemoryBudget::new(DECODE_BUDGET_BYTES),
        previews: previewed(&dataset, options.preview),
        progress,
    };
    progress.begin("augmenting", dataset.train.len().saturating_mul(options.copies));
    let skipped = Mutex::new(dataset.skipped.clone());
    let mut made = work.run(&skipped)?;
    let skipped = skipped.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    if made.is_empty() {
        return Err(Error::NoImages { root: data.to_owned() });
    }
    move_to(staging, out)?;
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
        classes: class_copies(&dataset.classes, &made, options.copies),
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
        match self.augmentation.beyond_images() {
            Some(found) => Err(Error::Setting {
                setting: "--augment",
                found,
                expected: "settings that make one image out of another, since others are for training only",
            }),
            None => Ok(()),
        }
    }
}

impl AugmentReport {
    /// What was manufactured, as text for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for ClassCopies { class, images, written } in &self.classes {
            text += &format!("{class:<24} {images:>6} images {written:>8} copies\n");
        }
        let settings = serde_json::to_string(&self.augmentation).unwrap_or_default();
        text += &format!("{} images, {} copies of {settings}\n", self.images, self.written);
        text + &skipped::summary(&self.skipped, self.ignored)
    }
}

/// Everything that the copies of one image need.
struct Work<'a> {
    dataset: &'a Dataset,
    options: &'a AugmentOptions,
    staging: &'a Path,
    limits: Limits,
    budget: MemoryBudget,
    /// Indices of the samples to be previewed.
    previews: Vec<usize>,
    progress: &'a dyn Progress,
}

/// An image whose copies are written.
struct Made {
    class: usize,
    preview: Option<Preview>,
}

impl Work<'_> {
    /// The usable images, in the order of the samples.
    fn run(&self, skipped: &Mutex<Vec<Skipped>>) -> Result<Vec<Made>, Error> {
        let samples = self.dataset.train.par_iter().enumerate().with_max_len(1);
        let made = samples.map(|(index, sample)| match self.fitted(sample) {
            Ok((digest, image)) => self.make(index, sample, &digest, &image).map(Some),
            Err(reason) => {
                let mut skipped = skipped.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                skipped.push(Skipped { path: sample.path.clone(), reason });
                Ok(None)
            }
        });
        let made: Result<Vec<Option<Made>>, Error> = made.collect();
        Ok(made?.into_iter().flatten().collect())
    }

    /// The image as a network would see it, and the digest of its file; why not, if it cannot be used.
    fn fitted(&self, sample: &Sample) -> Result<(Digest, Image), String> {
        let read =
            read_and_decode(&sample.path, &self.limits, &self.budget).map_err(|error| error.to_string())?;
        let AugmentOptions { image_size, fit, filter, .. } = *self.options;
        Ok((read.file_hash, fit_image(&read.image, image_size, fit, filter)))
    }

    fn make(&self, index: usize, sample: &Sample, digest: &Digest, image: &Image) -> Result<Made, Error> {
        let class = &self.dataset.classes[sample.class];
        let target = self.staging.join(below_class_folders(&self.dataset.root, &sample.path, class));
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        let is_previewed = self.previews.binary_search(&index).is_ok();
        let mut tiles: Vec<Image> = is_previewed.then(|| tile(image)).into_iter().collect();
        let untouched = FloatImage::from(image);
        for copy in 0..self.options.copies {
            if self.progress.is_cancelled() {
                return Err(Error::Interrupted);
            }
            let mut rng = copy_rng(self.options.seed, digest, copy as u64);
            let made = self.options.augmentation.apply(untouched.clone(), &mut rng).to_image();
            write_png(&numbered(&target, copy), &made)?;
            if is_previewed && copy < MAX_PREVIEW_COPIES {
                tiles.push(tile(&made));
            }
            self.progress.step();
        }
        let preview = Preview { class: class.clone(), file: sample.relative.clone(), tiles };
        Ok(Made { class: sample.class, preview: is_previewed.then_some(preview) })
    }
}

fn write_png(path: &Path, image: &Image) -> Result<(), Error> {
    encode_png(image).and_then(|bytes| fs::write(path, bytes)).map_err(Error::io(path))
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

fn class_copies(classes: &[String], made: &[Made], copies: usize) -> Vec<ClassCopies> {
    let count = |class: usize| made.iter().filter(|made| made.class == class).count();
    let of = |(index, class): (usize, &String)| {
        let images = count(index);
        ClassCopies { class: class.clone(), images, written: images * copies }
    };
    classes.iter().enumerate().map(of).collect()
}

/// A folder beside `out`, which must be new or empty and lie outside of `data`.
fn staging_folder(data: &Path, out: &Path) -> Result<TempDir, Error> {
    let refuse = |expected| Error::Setting { setting: "--out", found: out.display().to_string(), expected };
    if out.file_name().is_none() {
        return Err(refuse("the name of a folder"));
    }
    let is_free = !out.exists() || fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none());
    if !is_free {
        return Err(refuse("a folder that is empty or does not exist"));
    }
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let whole = |path: &Path| fs::canonicalize(path).map_err(Error::io(path));
    if whole(parent)?.starts_with(whole(data)?) {
        return Err(refuse("a folder outside of DATA"));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".engraft-");
    // A temporary folder is private by default, but this one becomes the user's.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    builder.tempdir_in(parent).map_err(Error::io(parent))
}

fn move_to(staging: TempDir, out: &Path) -> Result<(), Error> {
    if out.exists() {
        fs::remove_dir(out).map_err(Error::io(out))?;
    }
    match fs::rename(staging.path(), out) {
        // The folder is no longer where it would be removed from.
        Ok(()) => {
            let _ = staging.keep();
            Ok(())
        }
        Err(error) => {
            Err(Error::io(out)(io::Error::new(error.kind(), format!("cannot be put in place: {error}"))))
        }
    }
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

    #[test]
    fn the_settings_of_a_file_are_read_and_its_errors_name_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        fs::write(&path, "preset = 'tutorial'\n").unwrap();
        let text = path.to_str().unwrap();
        assert_eq!(read_augmentation(text).unwrap(), Augmentation::parse("tutorial").unwrap());
        fs::write(&path, "rotation = 'far'\n").unwrap();
        let error = read_augmentation(text).unwrap_err().to_string();
        assert!(error.contains("mine.toml: augmentation `rotation` is \"far\", expected degrees"), "{error}");
        assert!(read_augmentation("absent.toml").unwrap_err().to_string().contains("absent.toml"));
    }
}
