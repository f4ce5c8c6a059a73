//! Where weights may be, and in which order the places are looked at.

use std::path::{Path, PathBuf};

use super::{
    FetchError, FetchProgress, OfficialFile,
    download::{Download, Patience},
    hub, official_backbones, verify,
};
use crate::{Ending, Source, ZooError, backbone, backbones};

/// Where to look for weight files, and whether and from where they may be downloaded.
#[derive(Clone, Debug, Default)]
pub struct WeightPlaces {
    /// The user's own folder. What is there is used before anything else.
    pub weights_dir: Option<PathBuf>,
    /// Our cache of weight files, where downloads go.
    pub cache_dir: Option<PathBuf>,
    /// Keras' cache of weight files.
    pub keras_dir: Option<PathBuf>,
    /// The cache of the Hugging Face hub.
    pub hub_dir: Option<PathBuf>,
    /// An address to download from instead of the official one; the rest of the path stays the same.
    pub mirror: Option<String>,
    /// Nothing is downloaded.
    pub offline: bool,
}

/// Weights that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located {
    /// They are part of the program.
    Embedded(&'static [u8]),
    /// They are a file.
    File(WeightFile),
}

/// A weight file on this computer, verified if its digest is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightFile {
    /// Where it is.
    pub path: PathBuf,
    /// Which of the places that is.
    pub source: WeightSource,
}

/// Where a weight file was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightSource {
    /// In the user's own folder.
    WeightsDir,
    /// In our cache.
    Cache,
    /// In Keras' cache.
    Keras,
    /// In the cache of the Hugging Face hub.
    Hub,
    /// Nowhere; it was downloaded into our cache.
    Download,
}

impl Located {
    /// What [`open`](crate::open) takes.
    pub fn source(&self) -> Source<'_> {
        match self {
            Located::Embedded(_) => Source::Embedded,
            Located::File(file) => Source::File(&file.path),
        }
    }
}

/// Endings of the names of weight files that users make, in the order in which they are looked for.
const USER_ENDINGS: [&str; 5] = ["safetensors", "h5", "weights.h5", "keras", "npz"];

/// Finds the weights of the backbone `name`, with its classifier or without, or downloads them.
///
/// # Errors
/// [`ZooError::UnknownBackbone`], [`ZooError::NoWeightsFile`] or [`ZooError::NoWeightsFolder`] if there are no official
/// weights to download, [`ZooError::Fetch`] if they cannot be downloaded or if a file is not the official one although
/// it has its name.
pub fn locate(
    name: &str,
    ending: Ending,
    places: &WeightPlaces,
    progress: &dyn FetchProgress,
) -> Result<Located, ZooError> {
    let backbone = known_name(name)?;
    let official = OfficialFile::of(backbone, ending);
    if let Some(path) = in_weights_dir(backbone, official.as_ref(), places)? {
        return Ok(Located::File(WeightFile { path, source: WeightSource::WeightsDir }));
    }
    if let Some(bytes) = embedded(backbone, ending) {
        return Ok(Located::Embedded(bytes));
    }
    if let Some(file) = in_caches(backbone, official.as_ref(), places, progress) {
        return Ok(Located::File(file));
    }
    match official {
        Some(official) => Ok(Located::File(download(&official, places, progress)?)),
        None => Err(missing(backbone, places)),
    }
}

/// A backbone is known by its graph or by its official files.
fn known_name(name: &str) -> Result<&'static str, ZooError> {
    match official_backbones().find(|known| *known == name) {
        Some(known) => Ok(known),
        None => Ok(backbone(name)?.name),
    }
}

/// What is part of the program, which has no classifier.
fn embedded(backbone: &str, ending: Ending) -> Option<&'static [u8]> {
    let spec = backbones().find(|spec| spec.name == backbone && ending == Ending::Features)?;
    spec.embedded
}

/// A file in the user's folder. One that bears the official name must be the official one.
fn in_weights_dir(
    backbone: &str,
    official: Option<&OfficialFile>,
    places: &WeightPlaces,
) -> Result<Option<PathBuf>, FetchError> {
    let Some(folder) = &places.weights_dir else { return Ok(None) };
    if let Some((official, path)) =
        official.and_then(|official| Some((official, existing(official, folder)?)))
    {
        verify(&path, official.checksum.as_ref())?;
        return Ok(Some(path));
    }
    let own = USER_ENDINGS.iter().map(|ending| folder.join(format!("{backbone}.{ending}")));
    Ok(own.into_iter().find(|path| path.exists()))
}

/// A file that this or another program has downloaded. One that is not the official one is passed over.
fn in_caches(
    backbone: &str,
    official: Option<&OfficialFile>,
    places: &WeightPlaces,
    progress: &dyn FetchProgress,
) -> Option<WeightFile> {
    let ours = [(&places.cache_dir, WeightSource::Cache), (&places.keras_dir, WeightSource::Keras)];
    for (folder, source) in ours {
        let path = official.zip(folder.as_ref()).and_then(|(official, folder)| existing(official, folder));
        let checksum = official.and_then(|official| official.checksum.as_ref());
        if let Some(path) = path.filter(|path| is_good(verify(path, checksum), progress)) {
            return Some(WeightFile { path, source });
        }
    }
    let (path, checksum) = hub::find(backbone, places.hub_dir.as_ref()?)?;
    let verified = checksum.map_or(Ok(()), |checksum| verify(&path, Some(&checksum)));
    is_good(verified, progress).then_some(WeightFile { path, source: WeightSource::Hub })
}

fn existing(official: &OfficialFile, folder: &Path) -> Option<PathBuf> {
    official.local_names().map(|name| folder.join(name)).into_iter().find(|path| path.exists())
}

fn is_good(verified: Result<(), FetchError>, progress: &dyn FetchProgress) -> bool {
    if let Err(error) = &verified {
        progress.warn(&format!("passed over {error}"));
    }
    verified.is_ok()
}

fn download(
    official: &OfficialFile,
    places: &WeightPlaces,
    progress: &dyn FetchProgress,
) -> Result<WeightFile, FetchError> {
    let file = official.name.clone();
    let Some(folder) = &places.cache_dir else { return Err(FetchError::NoCacheFolder { file }) };
    if places.offline {
        return Err(FetchError::Offline { file, folder: folder.clone() });
    }
    let mirror = places.mirror.as_deref();
    if let Some(found) =
        mirror.filter(|mirror| !["https://", "http://"].iter().any(|it| mirror.starts_with(it)))
    {
        return Err(FetchError::Mirror { found: found.to_owned() });
    }
    let path = folder.join(&file);
    let checksum = official.checksum.as_ref();
    let url = official.url(mirror);
    Download { url: &url, path: &path, checksum, patience: Patience::USUAL }.run(progress)?;
    Ok(WeightFile { path, source: WeightSource::Download })
}

fn missing(backbone: &'static str, places: &WeightPlaces) -> ZooError {
    match &places.weights_dir {
        Some(folder) => {
            ZooError::NoWeightsFile { backbone, path: folder.join(format!("{backbone}.safetensors")) }
        }
        None => ZooError::NoWeightsFolder { backbone },
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, fs};

    use tempfile::TempDir;

    use super::*;

    /// Collects warnings.
    #[derive(Default)]
    struct Warnings(RefCell<Vec<String>>);

    impl FetchProgress for Warnings {
        fn begin(&self, _file: &str, _total_bytes: Option<u64>) {}

        fn received(&self, _bytes: u64) {}

        fn warn(&self, message: &str) {
            self.0.borrow_mut().push(message.to_owned());
        }

        fn is_cancelled(&self) -> bool {
            false
        }
    }

    /// Places of its own for each kind of file, and no network.
    fn places(folder: &TempDir) -> WeightPlaces {
        let dir = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(&path).unwrap();
            Some(path)
        };
        WeightPlaces {
            weights_dir: dir("own"),
            cache_dir: dir("cache"),
            keras_dir: dir("keras"),
            hub_dir: dir("hub"),
            mirror: None,
            offline: true,
        }
    }

    /// What stands in for a whole file: the shortest that passes without a digest.
    fn hdf5() -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..9].copy_from_slice(b"\x89HDF\r\n\x1a\n\0");
        bytes[13] = 8;
        bytes[40] = 64;
        bytes
    }

    fn file(path: PathBuf, source: WeightSource) -> Located {
        Located::File(WeightFile { path, source })
    }

    #[test]
    fn the_first_place_that_has_the_file_wins() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(&folder);
        let official = "mobilenet_7_5_224_tf_no_top.h5";
        for (place, name, source) in [
            ("keras", official, WeightSource::Keras),
            ("cache", official, WeightSource::Cache),
            ("own", "mobilenet_075.npz", WeightSource::WeightsDir),
            ("own", "mobilenet_075.keras", WeightSource::WeightsDir),
            ("own", "mobilenet_075.weights.h5", WeightSource::WeightsDir),
            ("own", "mobilenet_075.h5", WeightSource::WeightsDir),
            ("own", "mobilenet_075.safetensors", WeightSource::WeightsDir),
            ("own", official, WeightSource::WeightsDir),
        ] {
            let path = folder.path().join(place).join(name);
            fs::write(&path, hdf5()).unwrap();
            let located = locate("mobilenet_075", Ending::Features, &places, &Warnings::default()).unwrap();
            assert_eq!(located, file(path, source), "{place}/{name}");
        }
        assert!(
            locate("mobilenet_075", Ending::Logits, &WeightPlaces::default(), &Warnings::default()).is_err()
        );
    }

    #[test]
    fn keras_own_names_are_found_in_its_cache() {
        let folder = tempfile::tempdir().unwrap();
        let warnings = Warnings::default();
        let path = folder.path().join("keras/nasnet_mobile_no_top.h5");
        let places = places(&folder);
        fs::write(&path, hdf5()).unwrap();
        locate("nasnet_mobile", Ending::Features, &places, &warnings).unwrap_err();
        let warnings = warnings.0.into_inner();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let want = format!("passed over {}: found md5 ", path.display());
        assert!(warnings[0].starts_with(&want), "{warnings:?}");
        assert!(warnings[0].ends_with(", expected md5 1ed92395b5b598bdda52abe5c0dbfd63"), "{warnings:?}");
    }

    #[test]
    fn embedded_weights_come_after_the_users_own_and_before_any_cache() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(&folder);
        let locate = |ending| locate("efficientnet_lite0", ending, &places, &Warnings::default()).unwrap();
        let hub = folder.path().join("hub/models--timm--tf_efficientnet_lite0.in1k/snapshots/aa");
        fs::create_dir_all(&hub).unwrap();
        fs::write(hub.join("model.safetensors"), "").unwrap();
        assert!(matches!(locate(Ending::Features), Located::Embedded(_)));
        assert_eq!(locate(Ending::Logits), file(hub.join("model.safetensors"), WeightSource::Hub));
        let path = folder.path().join("own/efficientnet_lite0.safetensors");
        fs::write(&path, "").unwrap();
        assert_eq!(locate(Ending::Features), file(path, WeightSource::WeightsDir));
    }

    #[test]
    fn a_file_in_the_hubs_cache_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(&folder);
        let hub = folder.path().join("hub/models--timm--tf_efficientnet_lite1.in1k/snapshots/aa");
        fs::create_dir_all(&hub).unwrap();
        let path = hub.join("model.safetensors");
        fs::write(&path, "").unwrap();
        let located = locate("efficientnet_lite1", Ending::Features, &places, &Warnings::default()).unwrap();
        assert_eq!(located, file(path, WeightSource::Hub));
    }

    #[test]
    fn a_wrong_file_of_the_official_name_is_an_error_in_the_users_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5");
        let places = places(&folder);
        fs::write(&path, "abc").unwrap();
        let error = locate("vgg16", Ending::Features, &places, &Warnings::default()).unwrap_err().to_string();
        let want = format!(
            "{}: found md5 900150983cd24fb0d6963f7d28e17f72, expected md5 6d6bbae143d832006294945121d1f1fc",
            path.display()
        );
        assert_eq!(error, want);
    }

    #[test]
    fn nothing_found_says_which_file_to_put_where() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache").display().to_string();
        let own = folder.path().join("own").display().to_string();
        let places = places(&folder);
        let no_cache = WeightPlaces::default();
        let wrong_mirror =
            WeightPlaces { mirror: Some("ftp://a".to_owned()), offline: false, ..places.clone() };
        for (name, places, want) in [
            (
                "xception",
                &places,
                format!(
                    "the file xception_weights_tf_dim_ordering_tf_kernels_notop.h5 is not on this computer and \
                     ENGRAFT_OFFLINE is set: put it into {cache}"
                ),
            ),
            (
                "resnet50",
                &no_cache,
                "no cache folder is known for the file resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5, \
                 expected ENGRAFT_CACHE or HOME to be set"
                    .to_owned(),
            ),
            (
                "resnet50",
                &wrong_mirror,
                "ENGRAFT_MIRROR is `ftp://a`, expected an address that begins with https:// or http://".to_owned(),
            ),
            (
                "efficientnet_lite1",
                &places,
                format!(
                    "the weights of `efficientnet_lite1` are missing, expected the file {own}/efficientnet_lite1.safetensors"
                ),
            ),
            (
                "efficientnet_lite1",
                &no_cache,
                "the weights of `efficientnet_lite1` are not embedded: put efficientnet_lite1.safetensors into a \
                 folder and name that folder in ENGRAFT_WEIGHTS"
                    .to_owned(),
            ),
        ] {
            let error = locate(name, Ending::Features, places, &Warnings::default()).unwrap_err().to_string();
            assert_eq!(error, want, "{name}");
        }
        let unknown = locate("resnet51", Ending::Features, &places, &Warnings::default()).unwrap_err();
        assert!(matches!(unknown, ZooError::UnknownBackbone { .. }), "{unknown}");
    }
}
