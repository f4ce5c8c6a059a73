//! Opens a backbone: from a name and a place to a graph with its weights.

use std::{
    fs::{self, File},
    path::Path,
};

use engraft_formats::safetensors;
use engraft_graph::{Graph, NamedTensors};
use sha2::{Digest, Sha256};

use crate::{BackboneSpec, Ending, ZooError, backbone, binding};

/// Where the weights of a backbone are taken from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// The program itself.
    Embedded,
    /// A safetensors file, with our own tensor names or those of PyTorch.
    File(&'a Path),
    /// `NAME.safetensors` in `weights_dir` if it exists, else the program itself.
    Default {
        /// A folder of weight files.
        weights_dir: Option<&'a Path>,
    },
}

/// A backbone that is ready to be compiled.
#[derive(Clone, Debug)]
pub struct Opened {
    /// What is known of it.
    pub spec: &'static BackboneSpec,
    /// The network. Its input is an RGB image in 0..255.
    pub graph: Graph,
    /// The weights of the network, no others, in its order and in the element types of the file.
    pub weights: NamedTensors,
    /// SHA-256 of the weight file's bytes, in lower-case hexadecimal.
    pub weights_sha256: String,
}

/// Opens the backbone `name`, ending with its features or with its classifier.
///
/// # Errors
/// [`ZooError`] if the name is unknown, the weights are not where `source` says, or they do not fit. The embedded
/// weights have no classifier.
pub fn open(name: &str, source: Source, ending: Ending) -> Result<Opened, ZooError> {
    let spec = backbone(name)?;
    match source {
        Source::Embedded => from_embedded(spec, ending),
        Source::File(path) => from_file(spec, path, ending),
        Source::Default { weights_dir } => from_default(spec, weights_dir, ending),
    }
}

fn from_default(
    spec: &'static BackboneSpec,
    weights_dir: Option<&Path>,
    ending: Ending,
) -> Result<Opened, ZooError> {
    let backbone = spec.name;
    let path = weights_dir.map(|folder| folder.join(format!("{backbone}.safetensors")));
    match path {
        Some(path) if path.exists() => from_file(spec, &path, ending),
        _ if spec.is_embedded() => from_embedded(spec, ending),
        Some(path) => Err(ZooError::NoWeightsFile { backbone, path }),
        None => Err(ZooError::NoWeightsFolder { backbone }),
    }
}

fn from_embedded(spec: &'static BackboneSpec, ending: Ending) -> Result<Opened, ZooError> {
    let bytes = spec.embedded.ok_or(ZooError::NotEmbedded { backbone: spec.name })?;
    from_bytes(spec, bytes, "the embedded weights", ending)
}

fn from_file(spec: &'static BackboneSpec, path: &Path, ending: Ending) -> Result<Opened, ZooError> {
    let origin = path.display().to_string();
    check_frame(path, &origin)?;
    let bytes = fs::read(path).map_err(|problem| ZooError::Read { path: path.to_owned(), problem })?;
    from_bytes(spec, &bytes, &origin, ending)
}

/// Refuses what is not a safetensors file by its header alone, however large it is.
fn check_frame(path: &Path, origin: &str) -> Result<(), ZooError> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (len, file) = opened.map_err(|problem| ZooError::Read { path: path.to_owned(), problem })?;
    let checked = safetensors::read_metadata(file, len);
    checked.map(drop).map_err(|problem| ZooError::Format { origin: origin.to_owned(), problem })
}

fn from_bytes(
    spec: &'static BackboneSpec,
    bytes: &[u8],
    origin: &str,
    ending: Ending,
) -> Result<Opened, ZooError> {
    let file = safetensors::from_bytes(bytes)
        .map_err(|problem| ZooError::Format { origin: origin.to_owned(), problem })?;
    let graph = spec.graph(ending);
    let weights = binding::bind(&graph, &file.tensors, spec.architecture.pytorch_modules(), origin)?;
    Ok(Opened { spec, graph, weights, weights_sha256: hexadecimal(&Sha256::digest(bytes)) })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use engraft_graph::TensorData;

    use super::*;
    use crate::backbones;

    const EMBEDDED_SHA256: &str = "d1f18627aaa23c38de0ba838303446dc2cebb4e6285e99c7468b85064c1ce7dc";

    fn embedded_file() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("weights/efficientnet_lite0.safetensors")
    }

    fn message(name: &str, source: Source) -> String {
        open(name, source, Ending::Features).unwrap_err().to_string()
    }

    #[test]
    fn every_embedded_file_binds_kernels_in_f16_and_vectors_in_f32() {
        for spec in backbones().filter(|spec| spec.is_embedded()) {
            let opened = open(spec.name, Source::Embedded, Ending::Features).unwrap();
            opened.graph.check_weights(&opened.weights).unwrap();
            for (name, tensor) in opened.weights.iter() {
                let half = matches!(tensor.data(), TensorData::F16(_));
                assert_eq!(half, tensor.shape().len() > 1, "{} {name}", spec.name);
            }
        }
    }

    #[test]
    fn the_embedded_weights_and_their_file_are_the_same() {
        let path = embedded_file();
        let folder = path.parent();
        for source in [Source::Embedded, Source::File(&path), Source::Default { weights_dir: folder }] {
            let opened = open("efficientnet_lite0", source, Ending::Features).unwrap();
            assert_eq!(opened.weights_sha256, EMBEDDED_SHA256, "{source:?}");
        }
    }

    #[test]
    fn a_file_in_the_weights_folder_replaces_the_embedded_weights() {
        let folder = tempfile::tempdir().unwrap();
        let weights_dir = Some(folder.path());
        let opened = open("efficientnet_lite0", Source::Default { weights_dir }, Ending::Features).unwrap();
        assert_eq!(opened.weights_sha256, EMBEDDED_SHA256);
        let bytes = safetensors::to_bytes(&opened.weights, &Default::default()).unwrap();
        fs::write(folder.path().join("efficientnet_lite0.safetensors"), &bytes).unwrap();
        let other = open("efficientnet_lite0", Source::Default { weights_dir }, Ending::Features).unwrap();
        assert_ne!(other.weights_sha256, EMBEDDED_SHA256);
        assert_eq!(other.weights, opened.weights);
    }

    #[test]
    fn missing_weights_say_which_file_to_put_where() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("efficientnet_lite1.safetensors");
        for (source, want) in [
            (
                Source::Embedded,
                "the weights of `efficientnet_lite1` are not embedded, expected a weight file".to_owned(),
            ),
            (
                Source::Default { weights_dir: None },
                "the weights of `efficientnet_lite1` are not embedded: put efficientnet_lite1.safetensors into a \
                 folder and name that folder in ENGRAFT_WEIGHTS"
                    .to_owned(),
            ),
            (
                Source::Default { weights_dir: Some(folder.path()) },
                format!("the weights of `efficientnet_lite1` are missing, expected the file {}", path.display()),
            ),
        ] {
            assert_eq!(message("efficientnet_lite1", source), want);
        }
        let error = message("efficientnet_lite1", Source::File(&path));
        assert!(error.starts_with(&format!("cannot read the weight file {}: ", path.display())), "{error}");
        let error = message("efficientnet_lite0", Source::File(folder.path()));
        assert!(error.contains(&folder.path().display().to_string()), "{error}");
    }

    #[test]
    fn the_embedded_weights_have_no_classifier() {
        let error = open("efficientnet_lite0", Source::Embedded, Ending::Logits).unwrap_err().to_string();
        let want = "the embedded weights: weight `logits/kernel` (`_fc.weight`) is missing, expected shape [1280, 1000]";
        assert_eq!(error, want);
    }

    #[test]
    fn the_weights_of_another_backbone_and_a_truncated_file_are_refused() {
        let path = embedded_file();
        let error = message("efficientnet_lite1", Source::File(&path));
        let want = format!("{}: weight `block2c_expand_conv/kernel`", path.display());
        assert!(error.starts_with(&want), "{error}");
        let bytes = fs::read(&path).unwrap();
        let cut = tempfile::NamedTempFile::new().unwrap();
        for len in [0, 7, 8, 5000, bytes.len() / 2, bytes.len() - 1] {
            fs::write(cut.path(), &bytes[..len]).unwrap();
            let error = message("efficientnet_lite0", Source::File(cut.path()));
            let want = format!("{}: the safetensors file has {len} bytes", cut.path().display());
            assert!(error.starts_with(&want), "{len}: {error}");
        }
    }
}
