//! Where the weights of a backbone are, found out without fetching any.

use std::path::PathBuf;

use engraft_zoo::{
    BackboneSpec, Ending, FetchError, FetchProgress, Located, WeightPlaces, WeightSource, ZooError,
};
use serde::Serialize;

/// Where the weights of a backbone are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WeightsStatus {
    /// Inside the program.
    Embedded,
    /// In the folder that `ENGRAFT_WEIGHTS` names.
    AtHand,
    /// In our cache of weight files, or that of Keras or of the Hugging Face hub.
    Cached,
    /// Nowhere on this computer, but they can be fetched.
    ToFetch,
    /// Nowhere; a file has to be provided. A file that is there but is not the right one counts as none.
    Missing,
}

impl WeightsStatus {
    /// Whether the weights are on this computer.
    pub fn is_available(self) -> bool {
        matches!(self, WeightsStatus::Embedded | WeightsStatus::AtHand | WeightsStatus::Cached)
    }
}

/// The status of a backbone's weights, with the file that holds them if one does. Files in our own and in other programs'
/// caches are compared with their digests, as they are when they are opened.
pub(crate) fn weights_status(spec: &BackboneSpec, places: &WeightPlaces) -> (WeightsStatus, Option<PathBuf>) {
    let places = WeightPlaces { offline: true, ..places.clone() };
    match engraft_zoo::locate(spec.name, Ending::Features, &places, &Nobody) {
        Ok(Located::Embedded(_)) => (WeightsStatus::Embedded, None),
        Ok(Located::File(file)) => {
            let from_user = file.source == WeightSource::WeightsDir;
            let status = if from_user { WeightsStatus::AtHand } else { WeightsStatus::Cached };
            (status, Some(file.path))
        }
        Err(ZooError::Fetch(FetchError::Offline { .. } | FetchError::NoCacheFolder { .. })) => {
            (WeightsStatus::ToFetch, None)
        }
        Err(_) => (WeightsStatus::Missing, None),
    }
}

/// Follows no download, since there is none.
struct Nobody;

impl FetchProgress for Nobody {
    fn begin(&self, _file: &str, _total_bytes: Option<u64>) {}

    fn received(&self, _bytes: u64) {}

    fn warn(&self, _message: &str) {}

    fn is_cancelled(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_its_status() {
        let folder = tempfile::tempdir().unwrap();
        let places = WeightPlaces {
            weights_dir: Some(folder.path().join("weights")),
            cache_dir: Some(folder.path().join("cache")),
            ..WeightPlaces::default()
        };
        let status = |name| weights_status(engraft_zoo::backbone(name).unwrap(), &places);
        for (name, want) in [
            ("efficientnet_lite0", WeightsStatus::Embedded),
            ("vgg16", WeightsStatus::ToFetch),
            ("efficientnet_lite1", WeightsStatus::Missing),
        ] {
            assert_eq!(status(name), (want, None), "{name}");
        }
        std::fs::create_dir(folder.path().join("weights")).unwrap();
        for name in ["efficientnet_lite0", "vgg16", "efficientnet_lite1"] {
            let path = folder.path().join(format!("weights/{name}.safetensors"));
            std::fs::write(&path, "").unwrap();
            assert_eq!(status(name), (WeightsStatus::AtHand, Some(path)), "{name}");
        }
    }

    #[test]
    fn only_what_is_on_this_computer_is_available() {
        let available = [WeightsStatus::Embedded, WeightsStatus::AtHand, WeightsStatus::Cached];
        assert!(available.into_iter().all(WeightsStatus::is_available));
        assert!(
            ![WeightsStatus::ToFetch, WeightsStatus::Missing].into_iter().any(WeightsStatus::is_available)
        );
    }
}
