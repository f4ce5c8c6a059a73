//! The one file a classifier is kept in.
//!
//! A safetensors file with two entries of metadata: `engraft`, a JSON [`Header`], and `sha256`, a digest of the header and
//! of every tensor. Tensors are `head/…`, and `backbone/0/…`, `backbone/1/…` for each network of the backbone, in the type
//! they were loaded in, `whitening/0` and so on where pixels are whitened before, and `calibration/0` and so on, the least and the
//! greatest input of each convolution and the means of its channels, where they were measured. The file holds no time,
//! duration, thread count or path, so that equal training gives equal bytes.
//! Reading runs no code and trusts no length.

mod header;
mod tensors;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::Path,
};

use engraft_engine::{EngineError, Precision};
use engraft_formats::{FormatError, safetensors};
use engraft_graph::NamedTensors;
use engraft_train::LinearHead;
use serde::Deserialize;

use crate::{Error, backbone::Backbone, error::ModelProblem};
pub use header::Preprocessing;
pub(crate) use header::{Header, StoredPart};
use tensors::{Split, content_digest, joined, split};

/// The layout described above. A file with another number is refused.
pub(crate) const FORMAT: u32 = 3;

/// Larger files are no models of this program.
const MAX_FILE_BYTES: u64 = 4 << 30;

/// Most memory that one thread may need to run the stored networks, in bytes; bounds what a hostile file can ask for.
const MAX_WORKER_BYTES: usize = 1 << 30;

const HEADER_KEY: &str = "engraft";
const DIGEST_KEY: &str = "sha256";

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
    backbone: &Backbone,
    head: &LinearHead,
) -> Result<(), Error> {
    let problem = |problem: ModelProblem| Error::Model { path: path.to_owned(), problem };
    let weights: Vec<&NamedTensors> = backbone.parts().iter().map(|part| &part.weights).collect();
    let bytes = encode(header, &weights, head).map_err(problem)?;
    crate::atomic_file::write_file(path, &bytes)
}

/// Reads and checks a model; nothing is compiled before everything is known to fit.
pub(crate) fn read(path: &Path) -> Result<ModelFile, Error> {
    let unreadable = |error| Error::data(path, &format!("cannot be read: {error}"));
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Error::data(path, "not a regular file, expected a model file"));
    }
    if metadata.len() > MAX_FILE_BYTES {
        let problem = format!("has {} bytes, expected a model of at most {MAX_FILE_BYTES}", metadata.len());
        return Err(Error::data(path, &problem));
    }
    let file = File::open(path).map_err(unreadable)?;
    read_from(file, metadata.len()).map_err(|problem| match problem {
        ModelProblem::Format(FormatError::Io(error)) => unreadable(error),
        // The instruction set is chosen by whoever runs the program; the model is not to blame.
        ModelProblem::Engine(error @ EngineError::Kernel(_)) => Error::Engine(error),
        problem => Error::Model { path: path.to_owned(), problem },
    })
}

fn encode(header: &Header, weights: &[&NamedTensors], head: &LinearHead) -> Result<Vec<u8>, ModelProblem> {
    let tensors = joined(head, weights, &header.parts)?;
    let json = serde_json::to_string(header).map_err(|error| ModelProblem::Header(error.to_string()))?;
    let digest = content_digest(&json, &tensors).to_string();
    let metadata = BTreeMap::from([(HEADER_KEY.to_owned(), json), (DIGEST_KEY.to_owned(), digest)]);
    Ok(safetensors::to_bytes(&tensors, &metadata)?)
}

/// Reads a model of `file_len` bytes tensor by tensor, without a copy of the whole file.
fn read_from(reader: impl Read, file_len: u64) -> Result<ModelFile, ModelProblem> {
    let file = safetensors::read(reader, file_len)?;
    let entry = |key: &'static str| file.metadata.get(key).ok_or(ModelProblem::NotAModel(key));
    let (json, expected) = (entry(HEADER_KEY)?, entry(DIGEST_KEY)?);
    check_version(json)?;
    let found = content_digest(json, &file.tensors).to_string();
    if found != *expected {
        return Err(ModelProblem::Digest { found, expected: expected.clone() });
    }
    let mut header: Header =
        serde_json::from_str(json).map_err(|error| ModelProblem::Header(error.to_string()))?;
    header.check_parts()?;
    let Split { head, weights, directions, calibrations } = split(file.tensors, &header.parts)?;
    header.set_directions(directions);
    header.set_calibrations(calibrations)?;
    header.check_head(&head)?;
    header.check_weights(&weights)?;
    let precision: Precision = header.training.precision.parse()?;
    let parts = header.parts.iter().zip(weights).map(|(part, weights)| part.compile(weights, precision));
    let parts = parts.collect::<Result<_, EngineError>>()?;
    let backbone = Backbone::of_parts(parts);
    let worker_bytes = backbone.worker_bytes();
    if worker_bytes > MAX_WORKER_BYTES {
        let problem = format!(
            "its networks need {worker_bytes} bytes a thread, at most {MAX_WORKER_BYTES} are allowed"
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

#[cfg(test)]
mod tests {
    use engraft_data::{Standardization, augment::FloatImage};
    use engraft_engine::Calibration;
    use engraft_graph::{Graph, GraphBuilder, Padding, Tensor};
    use engraft_train::ClassScore;

    use super::*;
    use crate::{
        PartInfo, Preprocessing,
        backbone::MAX_PARTS,
        classifier::MAX_CLASSES,
        manifest::{DataParts, Manifest, PartRecord},
        stored_score::StoredScore,
    };

    fn decode(bytes: &[u8]) -> Result<ModelFile, ModelProblem> {
        read_from(bytes, bytes.len() as u64)
    }

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
            precision: text("bf16"),
            decoder: text("decoder 1"),
            engine: text("engine 1"),
            seed: 0,
            views: None,
            tta: None,
            l2: Some(0.1),
            class_weights: Some(vec![1.0, 2.5]),
            network: None,
            data: DataParts { train, val: None, test: None },
            cv: None,
            val: None,
            test: None,
        };
        Header {
            format: FORMAT,
            classes: vec![text("cat"), text("dog")],
            preprocessing: Preprocessing { fit: text("crop"), filter: text("bicubic") },
            parts: vec![StoredPart {
                backbone: PartInfo {
                    name: text("tiny"),
                    weights_sha256: text("0"),
                    input_size: 4,
                    features: 2,
                },
                graph,
                standardizer: None,
                calibration: None,
            }],
            training,
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
        let bytes = encode(&header, &[&weights], &head).unwrap();
        let ModelFile { header: read_header, backbone, head: read_head } = decode(&bytes).unwrap();
        assert_eq!((&read_head, &backbone.parts()[0].weights), (&head, &weights));
        assert_eq!(read_header.classes, header.classes);
        let again = encode(&read_header, &[&backbone.parts()[0].weights], &read_head).unwrap();
        assert_eq!(again, bytes, "equal models have equal bytes");
    }

    #[test]
    fn a_calibration_is_kept_and_checked() {
        let (mut header, weights, head) = tiny();
        let graph = header.parts[0].graph.clone();
        let numbers = [-1.5, 250.0, 3.0, -1.0, 100.0];
        header.parts[0].calibration = Some(Calibration::from_numbers(&graph, &numbers).unwrap());
        header.training.precision = "int8".to_owned();
        let bytes = encode(&header, &[&weights], &head).unwrap();
        let ModelFile { header: read_header, backbone, .. } = decode(&bytes).unwrap();
        assert_eq!(backbone.precision(), Precision::Int8);
        let part = &backbone.parts()[0];
        assert_eq!(part.calibration.as_ref().unwrap().numbers(&part.graph).unwrap(), numbers);
        assert_eq!(encode(&read_header, &[&part.weights], &head).unwrap(), bytes);
        let cases: [(&str, &[f32]); 7] = [
            ("the calibration for int8 has 0 numbers, expected 5", &[]),
            ("the calibration for int8 has 2 numbers, expected 5", &[0.0, 1.0]),
            ("the inputs of node `conv` are said to be from NaN to 1", &[f32::NAN, 1.0, 0.0, 0.0, 0.0]),
            ("the inputs of node `conv` are said to be from 0 to inf", &[0.0, f32::INFINITY, 0.0, 0.0, 0.0]),
            ("the inputs of node `conv` are said to be from 2 to 3", &[2.0, 3.0, 2.0, 2.0, 2.0]),
            ("that node `conv` reads is said to be 1.5 on average", &[0.0, 1.0, 0.0, 1.5, 0.0]),
            ("that node `conv` reads is said to be NaN on average", &[0.0, 1.0, 0.0, 0.0, f32::NAN]),
        ];
        for (want, numbers) in cases {
            let json = serde_json::to_string(&header).unwrap();
            let mut tensors = NamedTensors::new();
            for (name, tensor) in joined(&head, &[&weights], &header.parts).unwrap() {
                let is_calibration = name == "calibration/0";
                let changed = Tensor::from_f32(vec![numbers.len()], numbers.to_vec()).unwrap();
                tensors.insert(name, if is_calibration { changed } else { tensor }).unwrap();
            }
            let digest = content_digest(&json, &tensors).to_string();
            let metadata = BTreeMap::from([(HEADER_KEY.to_owned(), json), (DIGEST_KEY.to_owned(), digest)]);
            let found = problem(&safetensors::to_bytes(&tensors, &metadata).unwrap());
            assert!(found.contains(want), "{want}: {found}");
        }
    }

    #[test]
    fn int8_without_a_calibration_is_refused() {
        let (mut header, _, head) = tiny();
        let mut net = GraphBuilder::new();
        let image = net.input("image", [4, 4, 3]).unwrap();
        let x = net.conv2d("conv", image, 16, 1, 1, Padding::Same).unwrap();
        let x = net.conv2d("second", x, 2, 1, 1, Padding::Same).unwrap();
        let output = net.global_average_pool2d("pool", x).unwrap();
        header.parts[0].graph = net.finish(output).unwrap();
        header.training.precision = "int8".to_owned();
        let mut weights = NamedTensors::new();
        for spec in header.parts[0].graph.weights() {
            let values = vec![0.5; spec.shape.iter().product()];
            weights.insert(spec.name, Tensor::from_f32(spec.shape, values).unwrap()).unwrap();
        }
        let found = problem(&encode(&header, &[&weights], &head).unwrap());
        assert!(found.contains("node `second` has no range of inputs for int8"), "{found}");
    }

    #[test]
    fn every_cut_and_every_changed_bit_is_noticed() {
        let (header, weights, head) = tiny();
        let whole = encode(&header, &[&weights], &head).unwrap();
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
        let cases: [(&str, Change); 9] = [
            ("precision `f8` is unknown", |header, _, _| header.training.precision = "f8".to_owned()),
            ("model format 4, expected 3", |header, _, _| header.format = 4),
            ("tells 2 classes apart, 3 are named", |header, _, _| header.classes.push("cow".to_owned())),
            ("`cat` is named twice", |header, _, _| header.classes[1] = "cat".to_owned()),
            ("input size 5 does not fit", |header, _, _| header.parts[0].backbone.input_size = 5),
            ("gives [2], expected 7 features", |header, _, _| header.parts[0].backbone.features = 7),
            ("the standardisation of network `tiny` is incomplete", |header, _, _| {
                let whitening = Standardization { zca_whitening: true, ..Standardization::default() };
                let image = FloatImage::new(5, 5, vec![0.5; 75]).unwrap();
                header.parts[0].standardizer = Some(whitening.fit([image].into_iter(), &|| false).unwrap());
            }),
            ("`conv/kernel`", |_, weights, _| *weights = NamedTensors::new()),
            ("takes 1 features, the backbone gives 2", |_, _, head| {
                *head = LinearHead::new(vec![0.0], vec![1.0], vec![0.0, 0.0], vec![0.0, 0.0]).unwrap();
            }),
        ];
        for (want, change) in cases {
            let (mut header, mut weights, mut head) = tiny();
            change(&mut header, &mut weights, &mut head);
            let found = problem(&encode(&header, &[&weights], &head).unwrap());
            assert!(found.contains(want), "{want}: {found}");
        }
    }

    /// A model of several such networks.
    fn combination(parts: usize) -> (Header, NamedTensors, LinearHead) {
        let (mut header, weights, _) = tiny();
        let part = header.parts.remove(0);
        header.parts = (0..parts).map(|_| part.clone()).collect();
        for (index, part) in header.parts.iter_mut().enumerate() {
            part.backbone.name += &index.to_string();
        }
        let dim = 2 * parts;
        let head = LinearHead::new(vec![0.5; dim], vec![1.0; dim], vec![1.0; 2 * dim], vec![0.0; 2]);
        (header, weights, head.unwrap())
    }

    #[test]
    fn every_network_of_a_combination_is_kept() {
        let (header, weights, head) = combination(2);
        let mut others = NamedTensors::new();
        for (name, tensor) in weights.iter() {
            let doubled = tensor.to_f32().iter().map(|value| value * 2.0).collect();
            others.insert(name, Tensor::from_f32(tensor.shape().to_vec(), doubled).unwrap()).unwrap();
        }
        let bytes = encode(&header, &[&others, &weights], &head).unwrap();
        let ModelFile { header: read, backbone, head: read_head } = decode(&bytes).unwrap();
        let [one, other] = backbone.parts() else { panic!("{} networks", backbone.parts().len()) };
        assert_eq!((&one.weights, &other.weights, &read_head), (&others, &weights, &head));
        assert_eq!((&*backbone.info().name, backbone.info().features), ("tiny0+tiny1", 4));
        assert_eq!(encode(&read, &[&one.weights, &other.weights], &read_head).unwrap(), bytes);
    }

    #[test]
    fn a_combination_that_makes_no_sense_is_refused() {
        type Change = fn(&mut Header);
        let cases: [(&str, Change); 5] = [
            ("it has 0 networks, expected 1 to 16", |header| header.parts.clear()),
            ("`tiny0` is named twice", |header| header.parts[1].backbone.name = "tiny0".to_owned()),
            ("input size 9 does not fit the network `tiny1`", |header| {
                header.parts[1].backbone.input_size = 9
            }),
            ("unknown tensor `backbone/1/conv/kernel`", |header| drop(header.parts.pop())),
            ("gives [2], expected 0 features", |header| header.parts[0].backbone.features = 0),
        ];
        for (want, change) in cases {
            let (mut header, weights, head) = combination(2);
            change(&mut header);
            let found = problem(&encode(&header, &[&weights, &weights], &head).unwrap());
            assert!(found.contains(want), "{want}: {found}");
        }
        let (header, weights, head) = combination(MAX_PARTS + 1);
        let found = problem(&encode(&header, &[&weights; MAX_PARTS + 1], &head).unwrap());
        assert!(found.contains("it has 17 networks, expected 1 to 16"), "{found}");
        let (header, weights, head) = combination(2);
        let found = problem(&encode(&header, &[&weights], &head).unwrap());
        assert!(found.contains("`conv/kernel`"), "{found}");
    }

    #[test]
    fn a_model_bears_the_mark_of_our_files() {
        let (header, weights, head) = tiny();
        assert!(encode(&header, &[&weights], &head).unwrap()[8..].starts_with(engraft_data::OUTPUT_MARK));
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
        let bytes = encode(&header, &[&weights], &head).unwrap();
        assert!(bytes.len() < 10_000_000, "{} bytes", bytes.len());
        let read = decode(&bytes).unwrap().header;
        assert_eq!(read.training, header.training);
        header.training.test = Some(StoredScore { confusion: vec![[MAX_CLASSES, 0, 1]], ..score });
        let found = problem(&encode(&header, &[&weights], &head).unwrap());
        assert!(found.contains("a score is not about its 10000 classes"), "{found}");
    }

    /// A file with a right digest around any description and any further tensor.
    fn sealed(json: &str, extra: &str) -> Vec<u8> {
        let (_, weights, head) = tiny();
        let mut tensors = joined(&head, &[&weights], &[]).unwrap();
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
            ("\"format\":3", "\"format\":-1"),
            ("\"format\":3", "\"format\":3,\"code\":\"rm\""),
            ("\"seed\":0,", ""),
            ("\"input_size\":4", "\"input_size\":99999999999"),
            ("[\"cat\",\"dog\"]", "[]"),
        ] {
            assert!(json.contains(old), "{old}");
            let found = problem(&sealed(&json.replacen(old, new, 1), ""));
            assert!(!found.is_empty(), "{new}");
        }
        assert!(problem(&sealed(&"[".repeat(100_000), "")).starts_with("the model's description is wrong"));
        for extra in ["head/more", "backbone/more", "backbone/0/more", "backbone/1/conv/kernel", "more"] {
            let found = problem(&sealed(&json, extra));
            assert!(found.contains(&format!("unknown tensor `{extra}`")), "{found}");
        }
    }
}
