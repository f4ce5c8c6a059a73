//! Which folders of a root are classes, and which are parts that hold classes.

use std::{
    fs,
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
    /// Reads the names in `root`. It has parts if one of its folders is `train`, or if all of them are named as
    /// parts; what then lies beside the parts is skipped.
    pub fn read(root: &Path, walk: &mut Walk) -> Result<Layout, ScanError> {
        let mut root_walk = Walk::default();
        let folders: Vec<PathBuf> = list(root, &mut root_walk)?
            .into_iter()
            .filter(|(_, entry)| matches!(entry, Entry::Folder))
            .map(|(path, _)| path)
            .collect();
        let named = |name: &str| folders.iter().find(|path| path.ends_with(name)).cloned();
        let layout = Layout { train: named(TRAIN), val: VAL.into_iter().find_map(named), test: named(TEST) };
        let all_are_parts = !folders.is_empty() && folders.iter().all(|path| is_part_name(path));
        if layout.train.is_none() && !all_are_parts {
            return Ok(Layout::default());
        }
        for (path, entry) in list(root, walk)? {
            match entry {
                Entry::Folder if layout.has(&path) => {}
                Entry::Folder => walk.skip(&path, "a folder beside `train` that is no part of the data"),
                Entry::File => walk.skip(&path, "lies beside the class folders, so it has no class"),
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
            Entry::File => walk.skip(&path, "lies beside the class folders, so it has no class"),
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
    [TRAIN, TEST].iter().chain(&VAL).any(|name| folder.ends_with(name))
}

fn list(folder: &Path, walk: &mut Walk) -> Result<Vec<(PathBuf, Entry)>, ScanError> {
    if fs::metadata(folder).is_ok_and(|metadata| !metadata.is_dir()) {
        return Err(ScanError::NotAFolder { path: folder.to_path_buf() });
    }
    let unreadable = |error| ScanError::Unreadable { path: folder.to_path_buf(), reason: unreadable(&error) };
    walk.entries(folder).map_err(unreadable)
}
