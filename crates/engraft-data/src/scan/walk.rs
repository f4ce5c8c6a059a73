//! Everything below one folder, in an order that does not depend on the file system.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use super::Skipped;
use crate::{output_mark::is_output, read::io_kind};

/// Names that programs leave behind and nobody means; compared without case.
const JUNK: [&str; 4] = ["thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"];

/// Extensions of images, to notice folders that carry one.
const IMAGE_EXTENSIONS: [&str; 11] =
    ["jpg", "jpeg", "png", "gif", "webp", "bmp", "tif", "tiff", "ppm", "pgm", "pbm"];

/// What a walk finds.
#[derive(Debug, Default)]
pub struct Walk {
    /// Regular files, and links to them.
    pub files: Vec<PathBuf>,
    /// What could not be followed or is neither file nor folder.
    pub skipped: Vec<Skipped>,
    /// How many names were known junk, or files that `engraft` wrote.
    pub ignored: usize,
    /// Where links to folders have led so far: each such place is read once.
    followed: HashSet<PathBuf>,
}

/// One name within a folder.
pub enum Entry {
    /// A folder, or a link to one.
    Folder,
    /// A regular file, or a link to one.
    File,
}

impl Walk {
    /// Adds everything below `folder`, subfolders included.
    pub fn folder(&mut self, folder: &Path) {
        match fs::canonicalize(folder) {
            Ok(real) => self.subfolder(folder, &mut vec![real]),
            Err(error) => self.skip_unreadable(folder, &error),
        }
    }

    /// The names directly in `folder` with their kind, sorted; junk is counted, the rest skipped.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn entries(&mut self, folder: &Path) -> io::Result<Vec<(PathBuf, Entry)>> {
        let mut paths: Vec<PathBuf> =
            fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        paths.sort_by(|a, b| path_bytes(a).cmp(path_bytes(b)));
        Ok(paths.into_iter().filter_map(|path| self.classify(&path).map(|entry| (path, entry))).collect())
    }

    /// Records that `path` is not used.
    pub fn skip(&mut self, path: &Path, kind: &'static str, reason: &str) {
        self.skipped.push(Skipped { path: path.to_path_buf(), kind, reason: reason.to_owned() });
    }

    /// Records that the operating system did not let `path` be read.
    pub fn skip_unreadable(&mut self, path: &Path, error: &io::Error) {
        match error.kind() == io::ErrorKind::NotFound && path.is_symlink() {
            true => self.skip(path, "dangling_link", "a link to nothing"),
            false => self.skip(path, io_kind(error), &unreadable(error)),
        }
    }

    /// Everything found, sorted by the bytes of its path.
    pub fn sorted(mut self) -> Walk {
        self.files.sort_by(|a, b| path_bytes(a).cmp(path_bytes(b)));
        self.skipped.sort_by(|a, b| path_bytes(&a.path).cmp(path_bytes(&b.path)));
        self
    }

    fn subfolder(&mut self, folder: &Path, real_folders: &mut Vec<PathBuf>) {
        let found_before = self.files.len();
        match self.entries(folder) {
            Ok(entries) => entries.into_iter().for_each(|(path, entry)| match entry {
                Entry::File => self.files.push(path),
                Entry::Folder => self.enter(&path, real_folders),
            }),
            Err(error) => self.skip_unreadable(folder, &error),
        }
        if self.files.len() == found_before && is_named_like_an_image(folder) {
            self.skip(folder, "not_a_file", "a folder named like an image, without a file in it");
        }
    }

    fn enter(&mut self, path: &Path, real_folders: &mut Vec<PathBuf>) {
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) => return self.skip_unreadable(path, &error),
        };
        if path.is_symlink() {
            if real_folders.iter().any(|folder| folder.starts_with(&real)) {
                return self.skip(path, "link_loop", "a link to a folder it lies in");
            }
            if !self.followed.insert(real.clone()) {
                let reason = "a link to a folder that another link led to already";
                return self.skip(path, "repeated_link", reason);
            }
        }
        real_folders.push(real);
        self.subfolder(path, real_folders);
        real_folders.pop();
    }

    fn classify(&mut self, path: &Path) -> Option<Entry> {
        if path.file_name().is_some_and(is_junk) {
            self.ignored += 1;
            return None;
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Some(Entry::Folder),
            Ok(metadata) if metadata.is_file() && is_output(path) => self.ignored += 1,
            Ok(metadata) if metadata.is_file() => return Some(Entry::File),
            Ok(_) => self.skip(path, "not_a_file", "neither a file nor a folder"),
            Err(error) => self.skip_unreadable(path, &error),
        }
        None
    }
}

/// The bytes that decide the order of paths.
pub fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// In words, why the operating system did not let something be read.
pub fn unreadable(error: &io::Error) -> String {
    format!("cannot be read: {error}")
}

/// Hidden names and the leavings of operating systems.
pub fn is_junk(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    name.starts_with('.') || JUNK.contains(&name.as_str())
}

fn is_named_like_an_image(folder: &Path) -> bool {
    let extension = folder.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| IMAGE_EXTENSIONS.contains(&extension.as_str()))
}
