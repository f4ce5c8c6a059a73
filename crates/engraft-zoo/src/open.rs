//! Opens a backbone: from a name and a place to a graph with its weights.

use std::{io::Cursor, path::Path};

use engraft_formats::{FormatError, Limits, WeightsFile, read_weights, read_weights_from};
use engraft_graph::{Graph, NamedTensors};
use sha2::{Digest, Sha256};

use crate::{
    BackboneSpec, Ending, GraphSettings, OfficialFile, ZooError, backbone,
    binding::{self, Target},
    sha256_of, verify,
};

/// Where the weights of a backbone are taken from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// The program itself.
    Embedded,
    /// A safetensors or `.npz` file with our own tensor names or those of PyTorch, or a `.h5`, `.weights.h5` or `.keras` file of
    /// Keras; its content tells which. [`locate`](crate::locate) finds one.
    File(&'a Path),
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
    }
}

fn from_embedded(spec: &'static BackboneSpec, ending: Ending) -> Result<Opened, ZooError> {
    let (origin, bytes) = ("the embedded weights", spec.embedded);
    let bytes = bytes.ok_or(ZooError::NotEmbedded { backbone: spec.name })?;
    let file = read_weights_from(Cursor::new(bytes), Limits::for_file_len(bytes.len() as u64));
    let file = file.map_err(|problem| ZooError::Format { origin: origin.to_owned(), problem })?;
    let graph = graph(spec, ending, false);
    bound(spec, graph, file, origin, hexadecimal(&Sha256::digest(bytes)))
}

fn from_file(spec: &'static BackboneSpec, path: &Path, ending: Ending) -> Result<Opened, ZooError> {
    let read_error = |problem| ZooError::Read { path: path.to_owned(), problem };
    let origin = path.display().to_string();
    let file = read_weights(path).map_err(|problem| match problem {
        FormatError::Io(problem) => read_error(problem),
        problem => ZooError::Format { origin: origin.clone(), problem },
    })?;
    let weights_sha256 = sha256_of(path).map_err(read_error)?;
    let graph = graph(spec, ending, is_official(spec, path));
    bound(spec, graph, file, &origin, weights_sha256)
}

fn bound(
    spec: &'static BackboneSpec,
    graph: Graph,
    file: WeightsFile,
    origin: &str,
    weights_sha256: String,
) -> Result<Opened, ZooError> {
    let weights = binding::bind(&Target { spec, graph: &graph, origin }, file)?;
    Ok(Opened { spec, graph, weights, weights_sha256 })
}

/// Whether the file is one that Keras publishes for this backbone, by its digest; asked only where that changes the network.
fn is_official(spec: &BackboneSpec, path: &Path) -> bool {
    let graph = |official_weights| graph(spec, Ending::Features, official_weights);
    let published = [Ending::Features, Ending::Logits].map(|ending| OfficialFile::of(spec.name, ending));
    let mut checksums = published.into_iter().flatten().filter_map(|file| file.checksum);
    graph(true) != graph(false) && checksums.any(|checksum| verify(path, Some(&checksum)).is_ok())
}

fn graph(spec: &BackboneSpec, ending: Ending, official_weights: bool) -> Graph {
    let input_px = [spec.preprocessing.input_side_px; 2];
    let settings = GraphSettings { input_px, ending, official_weights };
    spec.graph_with(&settings).expect("a registered backbone builds")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use engraft_formats::safetensors;
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
        for source in [Source::Embedded, Source::File(&path)] {
            let opened = open("efficientnet_lite0", source, Ending::Features).unwrap();
            assert_eq!(opened.weights_sha256, EMBEDDED_SHA256, "{source:?}");
        }
    }

    #[test]
    fn a_file_may_hold_our_own_names() {
        let opened = open("efficientnet_lite0", Source::Embedded, Ending::Features).unwrap();
        let bytes = safetensors::to_bytes(&opened.weights, &Default::default()).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &bytes).unwrap();
        let other = open("efficientnet_lite0", Source::File(file.path()), Ending::Features).unwrap();
        assert_ne!(other.weights_sha256, EMBEDDED_SHA256);
        assert_eq!(other.weights, opened.weights);
    }

    #[test]
    fn missing_weights_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("efficientnet_lite1.safetensors");
        let error = message("efficientnet_lite1", Source::Embedded);
        assert_eq!(error, "the weights of `efficientnet_lite1` are not embedded, expected a weight file");
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
            let want =
                if len < 9 { "not a weight file" } else { &format!("the safetensors file has {len} bytes") };
            assert!(error.starts_with(&format!("{}: {want}", cut.path().display())), "{len}: {error}");
        }
    }
}
