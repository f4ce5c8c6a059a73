//! Weight files of backbones: where they are looked for, fetching them ahead of time, and our cache of them.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use engraft_train::{Progress, StoreLocation};
use engraft_zoo::{Ending, FetchProgress, Located, WeightPlaces, WeightSource};
use sha2::{Digest, Sha256};

use crate::Error;

/// Weights that are on this computer now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedWeights {
    /// The backbone.
    pub name: String,
    /// Their file; `None` if they are part of the program.
    pub path: Option<PathBuf>,
    /// Length of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Where they were found: `embedded`, `weights_dir` (the folder `ENGRAFT_WEIGHTS`), `cache` (ours), `keras`, `hub`, or
    /// nowhere: `download`.
    pub source: &'static str,
}

/// What our cache of weight files holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightCacheInfo {
    /// Its folder, which need not exist.
    pub folder: PathBuf,
    /// Number of whole weight files.
    pub files: usize,
    /// Size of all its files, those of unfinished downloads included, in bytes.
    pub bytes: u64,
}

/// Our cache of weight files.
#[derive(Clone, Debug)]
pub struct WeightCache {
    folder: PathBuf,
}

/// The backbones whose official weight files can be fetched.
pub fn fetchable_backbones() -> Vec<&'static str> {
    engraft_zoo::official_backbones().collect()
}

/// Finds the weights of the backbone `name`, with its ImageNet classifier or without, or downloads them.
///
/// # Errors
/// If the name is unknown, or the weights can neither be found nor downloaded.
pub fn fetch_weights(name: &str, ending: Ending, progress: &dyn Progress) -> Result<FetchedWeights, Error> {
    let (path, bytes, sha256, source) = match locate(name, ending, progress)? {
        Located::Embedded(bytes) => (None, bytes.len() as u64, sha256_of(bytes), "embedded"),
        Located::File(file) => {
            let bytes = fs::metadata(&file.path).map_err(Error::io(&file.path))?.len();
            let sha256 = engraft_zoo::sha256_of(&file.path).map_err(Error::io(&file.path))?;
            (Some(file.path), bytes, sha256, source_name(file.source))
        }
    };
    Ok(FetchedWeights { name: name.to_owned(), path, bytes, sha256, source })
}

/// Finds weights in the places that the environment names, or downloads them.
pub(crate) fn locate(name: &str, ending: Ending, progress: &dyn Progress) -> Result<Located, Error> {
    let megabytes = Megabytes { name, progress, shown: AtomicU64::new(0) };
    Ok(engraft_zoo::locate(name, ending, &places_from_environment(), &megabytes)?)
}

impl WeightCache {
    /// The cache in the folder `ENGRAFT_CACHE`, or else in the user's cache folder.
    ///
    /// # Errors
    /// If no such folder is known.
    pub fn from_environment() -> Result<WeightCache, Error> {
        Ok(WeightCache { folder: StoreLocation::folder_from_environment()?.join("weights") })
    }

    /// Describes it.
    ///
    /// # Errors
    /// If its folder cannot be listed.
    pub fn info(&self) -> Result<WeightCacheInfo, Error> {
        let files = self.files()?;
        let whole = files.iter().filter(|(path, _)| !is_unfinished(path));
        Ok(WeightCacheInfo {
            folder: self.folder.clone(),
            files: whole.count(),
            bytes: files.iter().map(|(_, bytes)| bytes).sum(),
        })
    }

    /// Removes all files and returns what there was; a download that is under way elsewhere fails.
    ///
    /// # Errors
    /// If its folder cannot be listed or a file cannot be removed.
    pub fn clear(&self) -> Result<WeightCacheInfo, Error> {
        let info = self.info()?;
        for (path, _) in self.files()? {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::io(&path)(error)),
                _ => {}
            }
        }
        Ok(info)
    }

    /// All files with their lengths but the locks, which are empty and which others may hold.
    fn files(&self) -> Result<Vec<(PathBuf, u64)>, Error> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::io(&self.folder))?,
        };
        let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
        let mut files = paths.map_err(Error::io(&self.folder))?;
        files.retain(|path| path.extension().is_none_or(|extension| extension != "lock"));
        let with_len = |path: PathBuf| fs::metadata(&path).ok().map(|metadata| (path, metadata.len()));
        Ok(files.into_iter().filter_map(with_len).collect())
    }
}

fn is_unfinished(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "part" || extension == "from")
}

/// The folders of `engraft`, Keras and the Hugging Face hub, each where its own variables say or where it is by default.
fn places_from_environment() -> WeightPlaces {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let folder = |name| set(name).map(PathBuf::from);
    let home = |below: &str| env::home_dir().map(|home| home.join(below));
    let user_cache = || folder("XDG_CACHE_HOME").or_else(|| home(".cache"));
    let hub_home = || folder("HF_HOME").or_else(|| Some(user_cache()?.join("huggingface")));
    let hub = || folder("HF_HUB_CACHE").or_else(|| folder("HUGGINGFACE_HUB_CACHE"));
    WeightPlaces {
        weights_dir: folder("ENGRAFT_WEIGHTS"),
        cache_dir: WeightCache::from_environment().ok().map(|cache| cache.folder),
        keras_dir: folder("KERAS_HOME").or_else(|| home(".keras")).map(|keras| keras.join("models")),
        hub_dir: hub().or_else(|| Some(hub_home()?.join("hub"))),
        mirror: set("ENGRAFT_MIRROR").map(|mirror| mirror.to_string_lossy().into_owned()),
        offline: set("ENGRAFT_OFFLINE").is_some_and(|value| value != "0"),
    }
}

fn source_name(source: WeightSource) -> &'static str {
    match source {
        WeightSource::WeightsDir => "weights_dir",
        WeightSource::Cache => "cache",
        WeightSource::Keras => "keras",
        WeightSource::Hub => "hub",
        WeightSource::Download => "download",
    }
}

fn sha256_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

const BYTES_PER_MEGABYTE: u64 = 1_000_000;

/// Shows a download as a stage with one step per megabyte.
struct Megabytes<'a> {
    name: &'a str,
    progress: &'a dyn Progress,
    shown: AtomicU64,
}

impl FetchProgress for Megabytes<'_> {
    fn begin(&self, _file: &str, total_bytes: Option<u64>) {
        let total = total_bytes.unwrap_or(0) / BYTES_PER_MEGABYTE;
        self.shown.store(0, Ordering::Relaxed);
        self.progress.begin(&format!("{} (MB)", self.name), total as usize);
    }

    fn received(&self, bytes: u64) {
        let now = bytes / BYTES_PER_MEGABYTE;
        let before = self.shown.swap(now, Ordering::Relaxed);
        (before..now).for_each(|_| self.progress.step());
    }

    fn warn(&self, message: &str) {
        self.progress.warn(message);
    }

    fn is_cancelled(&self) -> bool {
        self.progress.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Counter {
        stages: Mutex<Vec<(String, usize)>>,
        steps: AtomicU64,
    }

    impl Progress for Counter {
        fn begin(&self, stage: &str, total: usize) {
            self.stages.lock().unwrap().push((stage.to_owned(), total));
        }

        fn step(&self) {
            self.steps.fetch_add(1, Ordering::Relaxed);
        }

        fn is_cancelled(&self) -> bool {
            false
        }
    }

    #[test]
    fn a_download_is_shown_in_megabytes() {
        let counter = Counter::default();
        let megabytes = Megabytes { name: "vgg16", progress: &counter, shown: AtomicU64::new(0) };
        megabytes.begin("file", Some(58_889_256));
        for (bytes, want) in [(0, 0), (999_999, 0), (1_000_000, 1), (1_000_001, 1), (58_889_256, 58)] {
            megabytes.received(bytes);
            assert_eq!(counter.steps.load(Ordering::Relaxed), want, "{bytes}");
        }
        assert_eq!(*counter.stages.lock().unwrap(), [("vgg16 (MB)".to_owned(), 58)]);
    }

    #[test]
    fn the_cache_counts_whole_files_and_all_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let cache = WeightCache { folder: folder.path().join("weights") };
        let info = |files, bytes| WeightCacheInfo { folder: cache.folder.clone(), files, bytes };
        assert_eq!(cache.info().unwrap(), info(0, 0), "no folder");
        fs::create_dir(&cache.folder).unwrap();
        for (name, len) in [("a.h5", 10), ("b.h5.part", 5), ("b.h5.part.from", 3), (".a.h5.lock", 0)] {
            fs::write(cache.folder.join(name), vec![0; len]).unwrap();
        }
        assert_eq!(cache.info().unwrap(), info(1, 18));
        assert_eq!(cache.clear().unwrap(), info(1, 18));
        assert_eq!(cache.info().unwrap(), info(0, 0));
        assert!(cache.folder.join(".a.h5.lock").exists());
    }
}
