//! Finding images and their labels. Nothing is decoded here: every regular file counts until reading it fails.

mod layout;
mod walk;

use std::{
    fs,
    path::{Path, PathBuf},
};

use layout::{ClassFolder, Layout, class_folders};
use walk::{Walk, path_bytes};

/// A labelled file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Where to read it.
    pub path: PathBuf,
    /// The path below the root, with `/` between folders; bytes that are not UTF-8 are replaced.
    pub relative: String,
    /// Index into the classes.
    pub class: usize,
}

/// A file without a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// Where to read it.
    pub path: PathBuf,
    /// The path below the folder it was found in, as in [`Sample`]; a file that was named itself keeps its name.
    pub relative: String,
}

/// Something that is not used, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// A file, a link or a folder; of a folder, everything in it is skipped.
    pub path: PathBuf,
    /// A short constant name of the kind of reason, for machines, as [`crate::ReadError::kind`] gives it for files.
    pub kind: &'static str,
    /// Why, in a few words.
    pub reason: String,
}

/// A validation or test part, its labels matched to the training classes by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Sorted by the bytes of their relative path.
    pub samples: Vec<Sample>,
    /// Training classes without a folder in this part, sorted.
    pub missing_classes: Vec<String>,
    /// Folders of this part that are no training class, sorted; they stand in the skipped list too.
    pub extra_classes: Vec<String>,
}

/// The images of a folder of class folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// The folder that was scanned.
    pub root: PathBuf,
    /// Names of the class folders, sorted by their bytes; empty ones too.
    pub classes: Vec<String>,
    /// The classes without any file to train on, sorted.
    pub empty_classes: Vec<String>,
    /// Sorted by the bytes of their relative path.
    pub train: Vec<Sample>,
    /// The validation part, if there is one.
    pub val: Option<Part>,
    /// The test part, if there is one.
    pub test: Option<Part>,
    /// What is not used, in any part, sorted by path.
    pub skipped: Vec<Skipped>,
    /// Number of files and folders that are known junk, such as `.DS_Store`, and of files that `engraft` wrote.
    pub ignored: usize,
}

/// Labelled images to judge a model with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestSet {
    /// The images.
    pub part: Part,
    /// What is not used, sorted by path.
    pub skipped: Vec<Skipped>,
    /// Number of files and folders that are known junk, and of files that `engraft` wrote.
    pub ignored: usize,
}

/// Files without labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlatScan {
    /// In the order of the given paths; within a folder sorted by the bytes of the relative path.
    pub files: Vec<FoundFile>,
    /// What is not used; given paths that cannot be read too.
    pub skipped: Vec<Skipped>,
    /// Number of files and folders that are known junk, and of files that `engraft` wrote.
    pub ignored: usize,
}

/// Why a folder is no data set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// It does not exist or cannot be listed.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// Why, in words.
        reason: String,
    },
    /// It is a file.
    #[error("{}: not a folder, expected a folder with one folder per class", path.display())]
    NotAFolder {
        /// What was given.
        path: PathBuf,
    },
    /// It has no folder that could be a class.
    #[error("{}: no class folders found, expected one folder per class", path.display())]
    NoClasses {
        /// The folder that should hold class folders.
        path: PathBuf,
    },
    /// It has a validation or test part but none to train on.
    #[error("{}: found `{found}` but no `train` folder beside it", path.display())]
    NoTrainPart {
        /// The folder.
        path: PathBuf,
        /// The part that was found.
        found: String,
    },
    /// It has a training part but nothing to judge a model with.
    #[error("{}: found a `train` folder but neither `test` nor `val` beside it", path.display())]
    NoTestPart {
        /// The folder.
        path: PathBuf,
    },
    /// Two folders that could be the same part.
    #[error("{}: found both `{first}` and `{second}`, expected one of them", path.display())]
    AmbiguousPart {
        /// The folder that holds both.
        path: PathBuf,
        /// The name of one.
        first: String,
        /// The name of the other.
        second: String,
    },
    /// Two class folders whose names differ only in bytes that are not UTF-8.
    #[error("{}: two class folders are both shown as `{name}`, their names are not valid UTF-8", path.display())]
    AmbiguousClass {
        /// The folder that holds the class folders.
        path: PathBuf,
        /// The name as shown.
        name: String,
    },
}

/// Finds the images of `root/class/**`, or of `root/{train,val|valid|validation,test}/class/**` if `root` has a
/// folder `train` with folders in it. Parts may be written with capitals.
///
/// A file that `engraft` wrote, recognised by its content, is ignored like junk.
///
/// Class folders are read recursively. A link to a folder is followed once; one that leads back is skipped.
/// Every part is matched to the classes of the training part by name. Nothing depends on the order in which the
/// file system lists names.
///
/// # Errors
/// See [`ScanError`]. Too few classes or images are for the caller to judge, after decoding.
pub fn scan(root: &Path) -> Result<Dataset, ScanError> {
    let mut walk = Walk::default();
    let layout = Layout::read(root, &mut walk)?;
    let folders = class_folders(layout.training_folder(root)?, &mut walk)?;
    let classes: Vec<String> = folders.iter().map(|folder| folder.name.clone()).collect();
    let train: Vec<Sample> = folders
        .iter()
        .enumerate()
        .flat_map(|(class, folder)| labelled(root, &folder.path, class, &mut walk))
        .collect();
    let mut part =
        |folder: Option<PathBuf>| folder.map(|folder| part(root, &folder, &classes, &mut walk)).transpose();
    let (val, test) = (part(layout.val)?, part(layout.test)?);
    let empty_classes = empty_classes(&classes, &train);
    let Walk { skipped, ignored, .. } = walk.sorted();
    Ok(Dataset { root: root.to_path_buf(), classes, empty_classes, train, val, test, skipped, ignored })
}

/// Finds the images to judge a model of `classes` with.
///
/// Where `root` has parts these are its test part, or its validation part if there is no other; else they are
/// those of `root/class/**`.
///
/// # Errors
/// See [`ScanError`].
pub fn scan_test(root: &Path, classes: &[String]) -> Result<TestSet, ScanError> {
    let mut walk = Walk::default();
    let layout = Layout::read(root, &mut walk)?;
    let part = part(root, layout.test_folder(root)?, classes, &mut walk)?;
    let Walk { skipped, ignored, .. } = walk.sorted();
    Ok(TestSet { part, skipped, ignored })
}

/// Finds the files of `paths`: folders are read recursively, anything else is taken as it is.
pub fn scan_flat(paths: &[PathBuf]) -> FlatScan {
    let mut scan = FlatScan::default();
    for path in paths {
        let mut walk = Walk::default();
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => walk.folder(path),
            Ok(_) => walk.files.push(path.clone()),
            Err(error) => walk.skip_unreadable(path, &error),
        }
        let Walk { files, mut skipped, ignored, .. } = walk.sorted();
        scan.files
            .extend(files.into_iter().map(|file| FoundFile { relative: relative(path, &file), path: file }));
        scan.skipped.append(&mut skipped);
        scan.ignored += ignored;
    }
    scan
}

/// The files below the class folders of `folder` whose names are among `classes`.
fn part(root: &Path, folder: &Path, classes: &[String], walk: &mut Walk) -> Result<Part, ScanError> {
    let folders = class_folders(folder, walk)?;
    let mut part = Part::default();
    for ClassFolder { name, path } in &folders {
        match classes.iter().position(|class| class == name) {
            Some(class) => part.samples.extend(labelled(root, path, class, walk)),
            None => {
                part.extra_classes.push(name.clone());
                skip_unknown_class(path, walk);
            }
        }
    }
    part.samples.sort_by(|a, b| path_bytes(&a.path).cmp(path_bytes(&b.path)));
    let is_missing = |class: &&String| folders.iter().all(|folder| folder.name != **class);
    part.missing_classes = classes.iter().filter(is_missing).cloned().collect();
    Ok(part)
}

/// Every file below `folder`, labelled as `class`.
fn labelled(root: &Path, folder: &Path, class: usize, walk: &mut Walk) -> Vec<Sample> {
    walk.folder(folder);
    let mut files = std::mem::take(&mut walk.files);
    files.sort_by(|a, b| path_bytes(a).cmp(path_bytes(b)));
    files.into_iter().map(|path| Sample { relative: relative(root, &path), path, class }).collect()
}

/// Every file below `folder` is skipped.
fn skip_unknown_class(folder: &Path, walk: &mut Walk) {
    walk.folder(folder);
    for file in std::mem::take(&mut walk.files) {
        walk.skip(&file, "unknown_class", "its folder is not one of the training classes");
    }
}

fn empty_classes(classes: &[String], samples: &[Sample]) -> Vec<String> {
    let mut counts = vec![0usize; classes.len()];
    samples.iter().for_each(|sample| counts[sample.class] += 1);
    classes.iter().zip(counts).filter(|(_, count)| *count == 0).map(|(class, _)| class.clone()).collect()
}

/// `path` below `root` as a text with `/`; `path` itself where it is not below.
fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).ok().filter(|below| !below.as_os_str().is_empty()).unwrap_or(path);
    let text = below.to_string_lossy();
    if cfg!(windows) { text.replace('\\', "/") } else { text.into_owned() }
}
