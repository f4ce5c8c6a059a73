//! The one file a classifier is kept in.
//!
//! A safetensors file with two entries of metadata: `engraft`, a JSON [`Header`], and `sha256`, a digest of the header and
//! of every tensor. Tensors are `head/…` and `backbone/…`, each in the type it was loaded in. The file holds no time,
//! duration, thread count or path, so that equal training gives equal bytes. Reading runs no code and trusts no length.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File},
    io::Read,
    path::Path,
};

use engraft_data::Digest;
use engraft_engine::EngineError;
use engraft_formats::safetensors;
use engraft_graph::{Graph, NamedTensors, Shape, Tensor};
use engraft_train::LinearHead;
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    backbone::{Backbone, BackboneInfo},
    classifier::MAX_CLASSES,
    error::ModelProblem,
    manifest::Manifest,
    stored_score::StoredScore,
    tensors_digest::tensors_digest,
};

/// The layout described above. A file with another number is refused.
pub(crate) const FORMAT: u32 = 2;

/// Larger files are no models of this program.
const MAX_FILE_BYTES: u64 = 4 << 30;

/// Largest input side of a stored network, in pixels; bounds the memory a hostile file can ask for.
const MAX_INPUT_SIDE_PX: usize = 2048;

/// Most memory that one thread may need to run a stored network, in bytes; bounds it likewise.
const MAX_WORKER_BYTES: usize = 1 << 30;

const HEADER_KEY: &str = "engraft";
const DIGEST_KEY: &str = "sha256";
const HEAD: &str = "head/";
const BACKBONE: &str = "backbone/";

/// Everything about a classifier that is not a tensor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub format: u32,
    pub classes: Vec<String>,
    pub preprocessing: Preprocessing,
    pub backbone: BackboneInfo,
    pub training: Manifest<StoredScore>,
    pub graph: Graph,
}

/// How an image is brought to the network's input; scaling of pixels is part of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// How an image of any shape fills the input square.
    pub fit: String,
    /// The filter it is resized with.
    pub filter: String,
}

/// A model file's content, checked.
pub(crate) struct ModelFile {
    pub header: Header,
    pub backbone: Backbone,
    pub head: LinearHead,
}

/// Writes a model so that `path` holds either the old file or the whole new one.
pub(crate) fn write(
    path: &Path,
    header: &Header,
    weights: &NamedTensors,
    head: &LinearHead,
) -> Result<(), Error> {
    let problem = |problem: ModelProblem| Error::Model { path: path.to_owned(), problem };
    let bytes = encode(header, weights, head).map_err(problem)?;
    crate::atomic_file::write_file(path, &bytes)
}

/// Reads and checks a model; nothing is compiled before everything is known to fit.
pub(crate) fn read(path: &Path) -> Result<ModelFile, Error> {
    let bytes = read_bounded(path)?;
    decode(&bytes).map_err(|problem| match problem {
        // The instruction set is chosen by whoever runs the program; the model is not to blame.
        ModelProblem::Engine(error @ EngineError::Kernel(_)) => Error::Engine(error),
        problem => Error::Model { path: path.to_owned(), problem },
    })
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |error| Error::data(path, &format!("cannot be read: {error}"));
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Error::data(path, "not a regular file, expected a model file"));
    }
    if metadata.len() > MAX_FILE_BYTES {
        let problem = format!("has {} bytes, expected a model of at most {MAX_FILE_BYTES}", metadata.len());
        return Err(Error::data(path, &problem));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn encode(header: &Header, weights: &NamedTensors, head: &LinearHead) -> Result<Vec<u8>, ModelProblem> {
    let mut tensors = head_tensors(head)?;
    for (name, tensor) in weights.iter() {
        tensors.insert(format!("{BACKBONE}{name}"), tensor.clone())?;
    }
    let json = serde_json::to_string(header).map_err(|error| ModelProblem::Header(error.to_string()))?;
    let digest = content_digest(&json, &tensors).to_string();
    let metadata = BTreeMap::from([(HEADER_KEY.to_owned(), json), (DIGEST_KEY.to_owned(), digest)]);
    Ok(safetensors::to_bytes(&tensors, &metadata)?)
}

fn decode(bytes: &[u8]) -> Result<ModelFile, ModelProblem> {
    let file = safetensors::from_bytes(bytes)?;
    let entry = |key: &'static str| file.metadata.get(key).ok_or(ModelProblem::NotAModel(key));
    let (json, expected) = (entry(HEADER_KEY)?, entry(DIGEST_KEY)?);
    check_version(json)?;
    let found = content_digest(json, &file.tensors).to_string();
    if found != *expected {
        return Err(ModelProblem::Digest { found, expected: expected.clone() });
    }
    let header: Header =
        serde_json::from_str(json).map_err(|error| ModelProblem::Header(error.to_string()))?;
    let (head, weights) = split(file.tensors)?;
    check(&header, &head)?;
    header.graph.check_weights(&weights)?;
    check_all_used(&header.graph, &weights)?;
    let backbone = Backbone::compile(header.backbone.clone(), header.graph.clone(), weights)?;
    let worker_bytes = backbone.plan.worker_bytes();
    if worker_bytes > MAX_WORKER_BYTES {
        let problem = format!(
            "its network needs {worker_bytes} bytes a thread, at most {MAX_WORKER_BYTES} are allowed"
        );
        return Err(ModelProblem::Header(problem));
    }
    Ok(ModelFile { header, backbone, head })
}

/// The version is read first, since another version's header may have other fields.
fn check_version(json: &str) -> Result<(), ModelProblem> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let version: Version =
        serde_json::from_str(json).map_err(|error| ModelProblem::Header(error.to_string()))?;
    if version.format != FORMAT {
        return Err(ModelProblem::Version { found: version.format, expected: FORMAT });
    }
    Ok(())
}

fn check(header: &Header, head: &LinearHead) -> Result<(), ModelProblem> {
    let side = header.backbone.input_size;
    let input = header.graph.nodes().first().map(|node| node.shape);
    if side > MAX_INPUT_SIDE_PX || input != Some(Shape::map(side, side, 3)) {
        return Err(ModelProblem::Header(format!("input size {side} does not fit the network")));
    }
    let mut names = HashSet::new();
    if let Some(twin) = header.classes.iter().find(|class| !names.insert(*class)) {
        return Err(ModelProblem::Header(format!("class `{twin}` is named twice")));
    }
    let features = header.backbone.features;
    if header.graph.output_shape() != Shape::vector(features) || head.dim() != features {
        return Err(ModelProblem::Head(format!(
            "it takes {} features, the backbone gives {features}",
            head.dim()
        )));
    }
    if header.classes.len() > MAX_CLASSES {
        let found = header.classes.len();
        return Err(ModelProblem::Header(format!(
            "it has {found} classes, at most {MAX_CLASSES} are allowed"
        )));
    }
    if head.classes() != header.classes.len() {
        let (found, expected) = (head.classes(), header.classes.len());
        return Err(ModelProblem::Head(format!("it tells {found} classes apart, {expected} are named")));
    }
    if header.training.scores().any(|score| !score.fits(header.classes.len())) {
        let problem = format!("a score is not about its {} classes", header.classes.len());
        return Err(ModelProblem::Header(problem));
    }
    Ok(())
}

fn check_all_used(graph: &Graph, weights: &NamedTensors) -> Result<(), ModelProblem> {
    let used: HashSet<String> = graph.weights().into_iter().map(|spec| spec.name).collect();
    match weights.iter().find(|(name, _)| !used.contains(*name)) {
        Some((name, _)) => Err(ModelProblem::Header(format!("unknown tensor `{BACKBONE}{name}`"))),
        None => Ok(()),
    }
}

fn head_tensors(head: &LinearHead) -> Result<NamedTensors, ModelProblem> {
    let mut tensors = NamedTensors::new();
    let mut add = |role: &str, shape: Vec<usize>, values: &[f32]| {
        tensors.insert(format!("{HEAD}{role}"), Tensor::from_f32(shape, values.to_vec())?)
    };
    add("mean", vec![head.dim()], head.mean())?;
    add("scale", vec![head.dim()], head.scale())?;
    add("weight", vec![head.dim(), head.classes()], head.weight())?;
    add("bias", vec![head.classes()], head.bias())?;
    Ok(tensors)
}

fn split(tensors: NamedTensors) -> Result<(LinearHead, NamedTensors), ModelProblem> {
    let mut weights = NamedTensors::new();
    let mut head = BTreeMap::new();
    for (name, tensor) in tensors {
        if let Some(name) = name.strip_prefix(BACKBONE) {
            weights.insert(name, tensor)?;
        } else if let Some(role) = name.strip_prefix(HEAD) {
            head.insert(role.to_owned(), tensor.to_f32().into_owned());
        } else {
            return Err(ModelProblem::Header(format!("unknown tensor `{name}`")));
        }
    }
    let mut take =
        |role: &str| head.remove(role).ok_or_else(|| ModelProblem::Head(format!("no tensor `{role}`")));
    let (mean, scale, weight, bias) = (take("mean")?, take("scale")?, take("weight")?, take("bias")?);
    if let Some(role) = head.keys().next() {
        return Err(ModelProblem::Header(format!("unknown tensor `{HEAD}{role}`")));
    }
    let head =
        LinearHead::new(mean, scale, weight, bias).map_err(|error| ModelProblem::Head(error.to_string()))?;
    Ok((head, weights))
}

/// Identifies a model's whole content: the header and every tensor.
fn content_digest(json: &str, tensors: &NamedTensors) -> Digest {
    Digest::of_parts(&[&Digest::of(json.as_bytes()).0, &tensors_digest(tensors).0])
}

#[cfg(test)]
mod tests {
    use engraft_graph::{GraphBuilder, Padding};
    use engraft_train::ClassScore;

    use super::*;
    use crate::{
        Preprocessing,
        manifest::{DataParts, PartRecord},
    };

    /// A model that is small enough to be damaged everywhere.
    fn tiny() -> (Header, NamedTensors, LinearHead) {
        let mut net = GraphBuilder::new();
        let image = net.input("image", [4, 4, 3]).unwrap();
        let x = net.conv2d("conv", image, 2, 1, 1, Padding::Same).unwrap();
        let output = net.global_average_pool2d("pool", x).unwrap();
        let graph = net.finish(output).unwrap();
        let mut weights = NamedTensors::new();
        for spec in graph.weights() {
            let values = (0..spec.shape.iter().product()).map(|index| index as f32 / 8.0).collect();
            weights.insert(spec.name, Tensor::from_f32(spec.shape, values).unwrap()).unwrap();
        }
        let head =
            LinearHead::new(vec![0.5, 1.0], vec![1.0, 2.0], vec![1.0, -1.0, 0.5, 0.0], vec![0.0, 0.25]);
        (header(graph), weights, head.unwrap())
    }

    fn header(graph: Graph) -> Header {
        let text = |text: &str| text.to_owned();
        let train = PartRecord { images: 4, sha256: text("0") };
        let training = Manifest {
            engraft: text("0.1.0"),
            instruction_set: text("portable"),
            decoder: text("decoder 1"),
            engine: text("engine 1"),
            seed: 0,
            l2: 0.1,
            data: DataParts { train, val: None, test: None },
            cv: None,
            val: None,
            test: None,
        };
        Header {
            format: FORMAT,
            classes: vec![text("cat"), text("dog")],
            preprocessing: Preprocessing { fit: text("crop"), filter: text("bicubic") },
            backbone: BackboneInfo {
                name: text("tiny"),
                weights_sha256: text("0"),
                input_size: 4,
                features: 2,
            },
            training,
            graph,
        }
    }

    fn problem(bytes: &[u8]) -> String {
        match decode(bytes) {
            Ok(_) => panic!("the model was accepted"),
            Err(problem) => problem.to_string(),
        }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let (header, weights, head) = tiny();
        let bytes = encode(&header, &weights, &head).unwrap();
        let ModelFile { header: read_header, backbone, head: read_head } = decode(&bytes).unwrap();
        assert_eq!((&read_head, &backbone.weights), (&head, &weights));
        assert_eq!(read_header.classes, header.classes);
        let again = encode(&read_header, &backbone.weights, &read_head).unwrap();
        assert_eq!(again, bytes, "equal models have equal bytes");
    }

    #[test]
    fn every_cut_and_every_changed_bit_is_noticed() {
        let (header, weights, head) = tiny();
        let whole = encode(&header, &weights, &head).unwrap();
        for len in 0..whole.len() {
            assert!(decode(&whole[..len]).is_err(), "cut after {len} bytes");
        }
        let mut changed = whole.clone();
        for position in 0..whole.len() {
            for bit in 0..8 {
                changed[position] ^= 1 << bit;
                assert!(decode(&changed).is_err(), "bit {bit} of byte {position} changed");
                changed[position] = whole[position];
            }
        }
        assert!(decode(&[&whole[..], &[0]].concat()).is_err(), "a byte was added");
    }

    #[test]
    fn a_consistent_file_that_makes_no_sense_is_refused() {
        type Change = fn(&mut Header, &mut NamedTensors, &mut LinearHead);
        let cases: [(&str, Change); 7] = [
            ("model format 3, expected 2", |header, _, _| header.format = 3),
            ("tells 2 classes apart, 3 are named", |header, _, _| header.classes.push("cow".to_owned())),
            ("`cat` is named twice", |header, _, _| header.classes[1] = "cat".to_owned()),
            ("input size 5 does not fit", |header, _, _| header.backbone.input_size = 5),
            ("takes 2 features, the backbone gives 7", |header, _, _| header.backbone.features = 7),
            ("`conv/kernel`", |_, weights, _| *weights = NamedTensors::new()),
            ("takes 1 features, the backbone gives 2", |_, _, head| {
                *head = LinearHead::new(vec![0.0], vec![1.0], vec![0.0, 0.0], vec![0.0, 0.0]).unwrap();
            }),
        ];
        for (want, change) in cases {
            let (mut header, mut weights, mut head) = tiny();
            change(&mut header, &mut weights, &mut head);
            let found = problem(&encode(&header, &weights, &head).unwrap());
            assert!(found.contains(want), "{want}: {found}");
        }
    }

    #[test]
    fn a_model_bears_the_mark_of_our_files() {
        let (header, weights, head) = tiny();
        assert!(encode(&header, &weights, &head).unwrap()[8..].starts_with(engraft_data::OUTPUT_MARK));
    }

    #[test]
    fn the_scores_of_the_most_classes_fit_into_a_header() {
        let names: Vec<String> = (0..MAX_CLASSES).map(|class| format!("class {class}")).collect();
        let class_score = |name: &String| ClassScore {
            class: name.clone(),
            precision: 1.0 / 3.0,
            recall: 1.0 / 3.0,
            f1: 1.0 / 3.0,
            support: 3,
        };
        // Each image of a class is taken for another one.
        let wrong = |class: usize| [1, 7, 70].map(|step| [class, (class + step) % MAX_CLASSES, 1]);
        let score = StoredScore {
            accuracy: 0.0,
            ci95: [0.0, 0.1],
            macro_f1: 0.0,
            majority_baseline: 1.0 / 3.0,
            per_class: names.iter().map(class_score).collect(),
            confusion: (0..MAX_CLASSES).flat_map(wrong).collect(),
        };
        let (mut header, weights, _) = tiny();
        let wide = vec![0.0; 2 * MAX_CLASSES];
        let head = LinearHead::new(vec![0.5, 1.0], vec![1.0, 2.0], wide, vec![0.0; MAX_CLASSES]).unwrap();
        header.classes = names;
        (header.training.val, header.training.test) = (Some(score.clone()), Some(score.clone()));
        let bytes = encode(&header, &weights, &head).unwrap();
        assert!(bytes.len() < 10_000_000, "{} bytes", bytes.len());
        let read = decode(&bytes).unwrap().header;
        assert_eq!(read.training, header.training);
        header.training.test = Some(StoredScore { confusion: vec![[MAX_CLASSES, 0, 1]], ..score });
        let found = problem(&encode(&header, &weights, &head).unwrap());
        assert!(found.contains("a score is not about its 10000 classes"), "{found}");
    }

    /// A file with a right digest around any description and any further tensor.
    fn sealed(json: &str, extra: &str) -> Vec<u8> {
        let (_, weights, head) = tiny();
        let mut tensors = head_tensors(&head).unwrap();
        for (name, tensor) in weights {
            tensors.insert(format!("{BACKBONE}{name}"), tensor).unwrap();
        }
        if !extra.is_empty() {
            tensors.insert(extra, Tensor::from_f32(vec![1], vec![0.0]).unwrap()).unwrap();
        }
        let digest = content_digest(json, &tensors).to_string();
        let metadata =
            BTreeMap::from([(HEADER_KEY.to_owned(), json.to_owned()), (DIGEST_KEY.to_owned(), digest)]);
        safetensors::to_bytes(&tensors, &metadata).unwrap()
    }

    #[test]
    fn a_hostile_description_is_refused() {
        let json = serde_json::to_string(&tiny().0).unwrap();
        assert!(decode(&sealed(&json, "")).is_ok());
        for (old, new) in [
            ("\"format\":2", "\"format\":-1"),
            ("\"format\":2", "\"format\":2,\"code\":\"rm\""),
            ("\"seed\":0,", ""),
            ("\"input_size\":4", "\"input_size\":99999999999"),
            ("[\"cat\",\"dog\"]", "[]"),
        ] {
            assert!(json.contains(old), "{old}");
            let found = problem(&sealed(&json.replacen(old, new, 1), ""));
            assert!(!found.is_empty(), "{new}");
        }
        assert!(problem(&sealed(&"[".repeat(100_000), "")).starts_with("the model's description is wrong"));
        for extra in ["head/more", "backbone/more", "more"] {
            let found = problem(&sealed(&json, extra));
            assert!(found.contains(&format!("unknown tensor `{extra}`")), "{found}");
        }
    }
}
