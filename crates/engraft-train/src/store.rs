//! Features on disk: an image is embedded once and its features are reused by every later run.
//!
//! An entry is one small file named by the digest of its [`FeatureKey`]. Entries are written to a temporary file and
//! renamed, so that any number of processes may share a store and a killed one leaves nothing half-written; they are
//! verified when read, so that a damaged one is embedded again instead of believed.

mod entry;
mod key;
mod location;
mod trim;

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use engraft_data::Digest;

pub use entry::StoredFeatures;
pub use key::{FeatureKey, FeatureSpace};
pub use location::StoreLocation;
pub use trim::StoreInfo;

/// The layout of the store; a new one gets a new folder, so that versions of the program can share a cache.
const LAYOUT: &str = "features-1";

/// An entry read more recently than this is not marked as used again.
const USE_RESOLUTION: Duration = Duration::from_secs(600);

/// What can go wrong with a store. Damaged entries are no error: they count as absent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No cache folder is known.
    #[error(
        "no cache folder: neither ENGRAFT_CACHE nor XDG_CACHE_HOME nor HOME is set, expected one of them"
    )]
    NoFolder,
    /// The limit is not a size.
    #[error("ENGRAFT_CACHE_LIMIT is `{found}`, expected a size in bytes such as 500000000, 500M or 4G")]
    Limit {
        /// The text found.
        found: String,
    },
    /// A file or folder of the store cannot be used.
    #[error("cannot use the cache at {}: {problem}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        problem: io::Error,
    },
}

impl StoreError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        move |problem| StoreError::Io { path: path.to_owned(), problem }
    }
}

/// A folder of features.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    limit_bytes: u64,
}

impl Store {
    /// Opens the store at `location`, making its folder if need be.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the folder cannot be made.
    pub fn open(location: &StoreLocation) -> Result<Store, StoreError> {
        let folder = location.folder.join(LAYOUT);
        fs::create_dir_all(&folder).map_err(StoreError::at(&folder))?;
        Ok(Store { folder, limit_bytes: location.limit_bytes })
    }

    /// The features stored under `key`, marked as used; `None` if there are none or they are damaged.
    pub fn get(&self, key: &FeatureKey) -> Option<StoredFeatures> {
        let digest = key.digest();
        let mut file = File::open(self.path_of(&digest)).ok()?;
        let metadata = file.metadata().ok()?;
        if metadata.len() != entry::file_len(key.space.feature_len) {
            return None;
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize);
        Read::by_ref(&mut file).take(metadata.len()).read_to_end(&mut bytes).ok()?;
        let features = entry::decode(&bytes, &digest)?;
        mark_used(&file, metadata.modified());
        Some(features)
    }

    /// Stores features under `key`; when two processes store the same key, either copy is the right one.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the file cannot be written, for example because the disk is full; nothing is left behind.
    pub fn put(&self, key: &FeatureKey, features: &StoredFeatures) -> Result<(), StoreError> {
        let digest = key.digest();
        let path = self.path_of(&digest);
        let folder = path.parent().unwrap_or(&self.folder);
        self.write_entry(folder, &path, &entry::encode(features, &digest)).map_err(StoreError::at(&path))
    }

    fn write_entry(&self, folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut file = tempfile::Builder::new().prefix(trim::TEMPORARY_PREFIX).tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Two hexadecimal digits of folder keep every folder small.
    fn path_of(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.folder.join(&name[..2]).join(&name[2..])
    }
}

/// The time of modification is the time of last use. Failing to note it only makes an entry leave earlier.
fn mark_used(file: &File, modified: io::Result<SystemTime>) {
    let now = SystemTime::now();
    if modified.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > USE_RESOLUTION)) {
        let _ = file.set_modified(now);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn key(image: &str, fit: &str) -> FeatureKey {
        let space = FeatureSpace {
            backbone_sha256: "0".repeat(64),
            graph: Digest::of(b"graph"),
            output: "pool".to_owned(),
            input: [224, 224],
            feature_len: 3,
            fit: fit.to_owned(),
            filter: "bicubic".to_owned(),
            decoder: "image 1".to_owned(),
            engine: "engine 1".to_owned(),
            precision: "f32".to_owned(),
            instruction_set: "portable".to_owned(),
            view: "original".to_owned(),
        };
        FeatureKey { image: Digest::of(image.as_bytes()), space }
    }

    pub(crate) fn features(first: f32) -> StoredFeatures {
        StoredFeatures {
            pixel_hash: Digest::of(b"pixels"),
            values: vec![first, -0.0, f32::MIN_POSITIVE / 2.0],
        }
    }

    pub(crate) fn store(folder: &Path, limit_bytes: u64) -> Store {
        Store::open(&StoreLocation { folder: folder.to_owned(), limit_bytes }).unwrap()
    }

    /// Changes the last byte of an entry.
    pub(crate) fn damage(store: &Store, key: &FeatureKey) {
        let path = store.path_of(&key.digest());
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
    }

    #[test]
    fn features_come_back_with_the_same_bits_under_their_own_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), u64::MAX);
        store.put(&key("a", "crop"), &features(0.1)).unwrap();
        let bits = |features: StoredFeatures| features.values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(store.get(&key("a", "crop")).map(bits), Some(bits(features(0.1))));
        assert_eq!(store.get(&key("a", "pad")), None);
        assert_eq!(store.get(&key("b", "crop")), None);
    }

    #[test]
    fn a_damaged_entry_counts_as_absent_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), u64::MAX);
        let key = key("a", "crop");
        store.put(&key, &features(0.1)).unwrap();
        let path = store.path_of(&key.digest());
        let whole = fs::read(&path).unwrap();
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert_eq!(store.get(&key), None, "byte {position} changed");
            fs::write(&path, &whole[..position]).unwrap();
            assert_eq!(store.get(&key), None, "cut after {position} bytes");
        }
        store.put(&key, &features(0.2)).unwrap();
        assert_eq!(store.get(&key), Some(features(0.2)));
    }

    #[test]
    fn another_entrys_file_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), u64::MAX);
        store.put(&key("a", "crop"), &features(0.1)).unwrap();
        store.put(&key("b", "crop"), &features(0.2)).unwrap();
        let [a, b] = ["a", "b"].map(|image| store.path_of(&key(image, "crop").digest()));
        fs::copy(a, b).unwrap();
        assert_eq!(store.get(&key("b", "crop")), None);
    }

    #[test]
    fn many_writers_of_one_key_leave_one_whole_entry() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path(), u64::MAX);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        store.put(&key("a", "crop"), &features(0.5)).unwrap();
                        assert_eq!(store.get(&key("a", "crop")), Some(features(0.5)));
                    }
                });
            }
        });
        assert_eq!(store.info().unwrap().entries, 1);
    }

    #[test]
    fn a_store_that_cannot_be_made_is_an_error_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Store::open(&StoreLocation { folder: file.clone(), limit_bytes: 0 }).unwrap_err();
        assert!(error.to_string().contains(&file.display().to_string()), "{error}");
    }
}
