//! Keeping a store within its limit, describing it and emptying it.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{Store, StoreError};

/// Names of files that are still being written.
pub(super) const TEMPORARY_PREFIX: &str = ".writing-";

/// A file still being written after this long belongs to a process that was killed.
const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

/// A trimmed store keeps this share of its limit, so that the next image does not trim it again.
const KEPT_TENTHS: u64 = 9;

/// What a store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreInfo {
    /// Its folder.
    pub folder: PathBuf,
    /// Number of stored images and fits.
    pub entries: usize,
    /// Size of all its files, in bytes.
    pub bytes: u64,
    /// The size it may grow to, in bytes.
    pub limit_bytes: u64,
}

struct StoreFile {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
    temporary: bool,
}

impl Store {
    /// Describes the store.
    ///
    /// # Errors
    /// [`StoreError::Io`] if its folder cannot be listed.
    pub fn info(&self) -> Result<StoreInfo, StoreError> {
        let files = self.files()?;
        Ok(StoreInfo {
            folder: self.folder.clone(),
            entries: files.iter().filter(|file| !file.temporary).count(),
            bytes: files.iter().map(|file| file.bytes).sum(),
            limit_bytes: self.limit_bytes,
        })
    }

    /// Removes what killed processes left and, above the limit, the least recently used entries.
    ///
    /// Only one process trims at a time; the others leave it to that one.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the store cannot be listed or a file cannot be removed.
    pub fn trim(&self) -> Result<(), StoreError> {
        let lock_path = self.folder.join(".lock");
        let lock = File::create(&lock_path).map_err(StoreError::at(&lock_path))?;
        if lock.try_lock().is_err() {
            return Ok(());
        }
        let mut files = self.files()?;
        files.sort_by_key(|file| file.used);
        let now = SystemTime::now();
        let mut total_bytes: u64 = files.iter().map(|file| file.bytes).sum();
        let too_large = total_bytes > self.limit_bytes;
        let target_bytes = self.limit_bytes / 10 * KEPT_TENTHS;
        for file in files {
            let abandoned =
                file.temporary && now.duration_since(file.used).is_ok_and(|age| age > ABANDONED_AFTER);
            if abandoned || (too_large && !file.temporary && total_bytes > target_bytes) {
                remove(&file.path)?;
                total_bytes -= file.bytes;
            }
        }
        Ok(())
    }

    /// Removes every entry and returns what there was.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the store cannot be listed or a file cannot be removed.
    pub fn clear(&self) -> Result<StoreInfo, StoreError> {
        let info = self.info()?;
        self.files()?.iter().try_for_each(|file| remove(&file.path))?;
        Ok(info)
    }

    /// All files in the store's own sub-folders; files that vanish meanwhile are left out.
    fn files(&self) -> Result<Vec<StoreFile>, StoreError> {
        let mut files = Vec::new();
        for folder in list(&self.folder)? {
            if folder.is_dir() {
                files.extend(list(&folder)?.into_iter().filter_map(store_file));
            }
        }
        Ok(files)
    }
}

fn store_file(path: PathBuf) -> Option<StoreFile> {
    let metadata = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
    let temporary = path.file_name()?.to_string_lossy().starts_with(TEMPORARY_PREFIX);
    Some(StoreFile { bytes: metadata.len(), used: metadata.modified().ok()?, temporary, path })
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    entries.map_err(StoreError::at(folder))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::at(path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        entry,
        tests::{features, key, store},
    };

    fn set_age(path: &Path, age: Duration) {
        File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }

    #[test]
    fn the_least_recently_used_entries_leave_first() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), 10 * entry::file_len(3) - 1);
        let names: Vec<String> = (0..10).map(|number| number.to_string()).collect();
        for (number, name) in names.iter().enumerate() {
            store.put(&key(name, "crop"), &features(0.0)).unwrap();
            let hours = 24 * (10 - number as u64);
            set_age(&store.path_of(&key(name, "crop").digest()), Duration::from_secs(3600 * hours));
        }
        assert!(store.get(&key("0", "crop")).is_some(), "used now, so it stays");
        store.trim().unwrap();
        let kept: Vec<bool> = names.iter().map(|name| store.get(&key(name, "crop")).is_some()).collect();
        assert_eq!(kept, [true, false, false, true, true, true, true, true, true, true]);
    }

    #[test]
    fn a_store_within_its_limit_loses_only_abandoned_files() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), 10 * entry::file_len(3));
        store.put(&key("a", "crop"), &features(0.0)).unwrap();
        let entry_path = store.path_of(&key("a", "crop").digest());
        let [old, new] =
            ["old", "new"].map(|name| entry_path.with_file_name(format!("{TEMPORARY_PREFIX}{name}")));
        fs::write(&old, "x").unwrap();
        fs::write(&new, "x").unwrap();
        set_age(&old, ABANDONED_AFTER * 2);
        store.trim().unwrap();
        assert_eq!([old.exists(), new.exists(), entry_path.exists()], [false, true, true]);
    }

    #[test]
    fn clearing_removes_everything_and_says_what_there_was() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), 1000);
        store.put(&key("a", "crop"), &features(0.0)).unwrap();
        store.put(&key("b", "crop"), &features(0.0)).unwrap();
        let info = store.clear().unwrap();
        assert_eq!((info.entries, info.bytes, info.limit_bytes), (2, 2 * entry::file_len(3), 1000));
        assert_eq!(store.info().unwrap().entries, 0);
        assert_eq!(store.get(&key("a", "crop")), None);
    }
}
