//! Which folders of a root are classes, and which are parts that hold classes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    ScanError,
    walk::{Entry, Walk, unreadable},
};

const TRAIN: &str = "train";
/// The first that exists is the validation part.
const VAL: [&str; 3] = ["val", "valid", "validation"];
const TEST: &str = "test";

/// The parts of a root; none where the class folders lie in the root itself.
#[derive(Debug, Default)]
pub struct Layout {
    pub train: Option<PathBuf>,
    pub val: Option<PathBuf>,
    pub test: Option<PathBuf>,
}

/// A folder whose name is a label.
#[derive(Debug)]
pub struct ClassFolder {
    pub name: String,
    pub path: PathBuf,
}

impl Layout {
    /// Reads the names in `root`. It has parts if one of its folders is `train` and holds folders itself (a folder of
    /// images called `train` may be a class of vehicles), or if all of them are named as parts; what then lies beside
    /// the parts is skipped. Part names are compared without case.
    pub fn read(root: &Path, walk: &mut Walk) -> Result<Layout, ScanError> {
        let mut root_walk = Walk::default();
        let folders: Vec<PathBuf> = list(root, &mut root_walk)?
            .into_iter()
            .filter(|(_, entry)| matches!(entry, Entry::Folder))
            .map(|(path, _)| path)
            .collect();
        let all_are_parts = !folders.is_empty() && folders.iter().all(|path| is_part_name(path));
        if !all_are_parts && !folders.iter().any(|path| is_named(path, TRAIN) && holds_folders(path)) {
            return Ok(Layout::default());
        }
        let part = |name: &str| only_one(root, folders.iter().filter(|path| is_named(path, name)));
        let vals = VAL.into_iter().map(part).collect::<Result<Vec<_>, _>>()?;
        let (train, val, test) = (part(TRAIN)?, vals.into_iter().flatten().next(), part(TEST)?);
        let layout = Layout { train, val, test };
        for (path, entry) in list(root, walk)? {
            match entry {
                Entry::Folder if layout.has(&path) => {}
                Entry::Folder => {
                    walk.skip(&path, "no_part", "a folder beside `train` that is no part of the data");
                }
                Entry::File => skip_without_class(&path, walk),
            }
        }
        Ok(layout)
    }

    /// The folder whose folders are the classes to train on.
    pub fn training_folder<'a>(&'a self, root: &'a Path) -> Result<&'a Path, ScanError> {
        match (&self.train, self.val.as_ref().or(self.test.as_ref())) {
            (Some(train), _) => Ok(train),
            (None, None) => Ok(root),
            (None, Some(part)) => Err(ScanError::NoTrainPart {
                path: root.to_path_buf(),
                found: part.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            }),
        }
    }

    /// The folder whose folders are the classes to judge with.
    pub fn test_folder<'a>(&'a self, root: &'a Path) -> Result<&'a Path, ScanError> {
        match (self.test.as_ref().or(self.val.as_ref()), &self.train) {
            (Some(part), _) => Ok(part),
            (None, None) => Ok(root),
            (None, Some(_)) => Err(ScanError::NoTestPart { path: root.to_path_buf() }),
        }
    }

    fn has(&self, path: &Path) -> bool {
        [&self.train, &self.val, &self.test].into_iter().flatten().any(|part| part == path)
    }
}

/// The class folders directly in `folder`, sorted by the bytes of their names; files beside them are skipped.
pub fn class_folders(folder: &Path, walk: &mut Walk) -> Result<Vec<ClassFolder>, ScanError> {
    let mut classes: Vec<ClassFolder> = Vec::new();
    for (path, entry) in list(folder, walk)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match entry {
            Entry::File => skip_without_class(&path, walk),
            Entry::Folder => classes.push(ClassFolder { name, path }),
        }
    }
    classes.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(twins) = classes.windows(2).find(|pair| pair[0].name == pair[1].name) {
        let name = twins[0].name.clone();
        return Err(ScanError::AmbiguousClass { path: folder.to_path_buf(), name });
    }
    match classes.is_empty() {
        true => Err(ScanError::NoClasses { path: folder.to_path_buf() }),
        false => Ok(classes),
    }
}

fn is_part_name(folder: &Path) -> bool {
    [TRAIN, TEST].iter().chain(&VAL).any(|name| is_named(folder, name))
}

fn is_named(folder: &Path, name: &str) -> bool {
    folder.file_name().is_some_and(|found| found.eq_ignore_ascii_case(name))
}

/// Whether a folder lies in `folder`; one that cannot be listed may hold some.
fn holds_folders(folder: &Path) -> bool {
    let is_folder = |(_, entry): &(PathBuf, Entry)| matches!(entry, Entry::Folder);
    Walk::default().entries(folder).map_or(true, |entries| entries.iter().any(is_folder))
}

/// The folder for one part, if there is one; two differ in case only and neither is better.
fn only_one<'a>(
    root: &Path,
    mut found: impl Iterator<Item = &'a PathBuf>,
) -> Result<Option<PathBuf>, ScanError> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match (found.next(), found.next()) {
        (Some(first), Some(second)) => Err(ScanError::AmbiguousPart {
            path: root.to_path_buf(),
            first: name(first),
            second: name(second),
        }),
        (first, _) => Ok(first.cloned()),
    }
}

fn skip_without_class(path: &Path, walk: &mut Walk) {
    walk.skip(path, "no_class", "lies beside the class folders, so it has no class");
}

fn list(folder: &Path, walk: &mut Walk) -> Result<Vec<(PathBuf, Entry)>, ScanError> {
    if fs::metadata(folder).is_ok_and(|metadata| !metadata.is_dir()) {
        return Err(ScanError::NotAFolder { path: folder.to_path_buf() });
    }
    let unreadable =
        |error: io::Error| ScanError::Unreadable { path: folder.to_path_buf(), reason: unreadable(&error) };
    walk.entries(folder).map_err(unreadable)
}
