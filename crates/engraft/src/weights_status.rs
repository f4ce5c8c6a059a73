//! Where the weights of a backbone are.

use std::path::{Path, PathBuf};

use engraft_zoo::BackboneSpec;
use serde::Serialize;

/// Where the weights of a backbone are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WeightsStatus {
    /// Inside the program.
    Embedded,
    /// In a file that is found.
    AtHand,
    /// Nowhere; a file has to be provided.
    Missing,
}

/// The status of a backbone's weights, with the file that holds them if one does. The order is that in which
/// [`engraft_zoo::open`] looks for them.
pub(crate) fn weights_status(spec: &BackboneSpec, folder: Option<&Path>) -> (WeightsStatus, Option<PathBuf>) {
    let file = folder.map(|folder| folder.join(file_name(spec))).filter(|path| path.exists());
    match file {
        Some(path) => (WeightsStatus::AtHand, Some(path)),
        None if spec.is_embedded() => (WeightsStatus::Embedded, None),
        None => (WeightsStatus::Missing, None),
    }
}

/// What a weight file of the backbone is called.
pub(crate) fn file_name(spec: &BackboneSpec) -> String {
    format!("{}.safetensors", spec.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_before_the_embedded_weights() {
        let folder = tempfile::tempdir().unwrap();
        let status = |name| weights_status(engraft_zoo::backbone(name).unwrap(), Some(folder.path()));
        assert_eq!(status("efficientnet_lite0"), (WeightsStatus::Embedded, None));
        assert_eq!(status("vgg16"), (WeightsStatus::Missing, None));
        for name in ["efficientnet_lite0", "vgg16"] {
            let path = folder.path().join(format!("{name}.safetensors"));
            std::fs::write(&path, "").unwrap();
            assert_eq!(status(name), (WeightsStatus::AtHand, Some(path)), "{name}");
        }
        let spec = engraft_zoo::backbone("vgg16").unwrap();
        assert_eq!(weights_status(spec, None), (WeightsStatus::Missing, None));
    }
}
