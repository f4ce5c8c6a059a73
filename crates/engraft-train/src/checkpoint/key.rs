//! Which training a checkpoint belongs to.

use std::collections::BTreeMap;

use engraft_data::Digest;
use engraft_engine::ENGINE_REVISION;
use engraft_graph::{Graph, NamedTensors};
use engraft_kernels::InstructionSet;
use serde::Serialize;

use super::CheckpointProblem;
use crate::fit::{FitData, FitOptions};

/// Everything that decides what a training computes, by name. Trainings with equal keys compute the same bytes.
///
/// The number of epochs is left out where it only says how long training goes on, so that a training can be prolonged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CheckpointKey(pub(super) BTreeMap<String, String>);

impl CheckpointKey {
    pub fn new(
        graph: &Graph,
        initial: &NamedTensors,
        data: FitData,
        options: &FitOptions,
        isa: InstructionSet,
    ) -> CheckpointKey {
        let validation = data.validation.map_or("none".to_owned(), |samples| samples.digest().to_string());
        let mut settings = BTreeMap::from([
            ("network".to_owned(), digest_of(graph)),
            ("initial parameters".to_owned(), digest_of_tensors(initial)),
            ("training images".to_owned(), data.training.digest().to_string()),
            ("validation images".to_owned(), validation),
            ("instruction set".to_owned(), isa.name().to_owned()),
            ("engine".to_owned(), ENGINE_REVISION.to_owned()),
        ]);
        // Options are plain data, of which JSON can say everything.
        if let Ok(serde_json::Value::Object(options)) = serde_json::to_value(options) {
            settings.extend(options.into_iter().map(|(name, value)| (name, value.to_string())));
        }
        if !options.schedule.depends_on_epochs() {
            settings.remove("epochs");
        }
        CheckpointKey(settings)
    }

    /// Checks that a checkpoint with the settings `found` is one of this training.
    pub(super) fn check(&self, found: &BTreeMap<String, String>) -> Result<(), CheckpointProblem> {
        let names = self.0.keys().chain(found.keys());
        let different = names.filter(|&name| self.0.get(name) != found.get(name));
        let rank = |name: &String| DERIVED.iter().position(|(derived, _)| derived == name);
        let first = different.map(|name| (rank(name), name)).min();
        match first.map(|(rank, name)| (name, rank.and_then(|rank| DERIVED[rank].1))) {
            None => Ok(()),
            Some((_, Some(content))) => Err(CheckpointProblem::OtherContent(content)),
            Some((name, None)) => {
                let value = |settings: &BTreeMap<String, String>| {
                    settings.get(name).map_or("not set".to_owned(), |value| shortened(value))
                };
                let (found, expected) = (value(found), value(&self.0));
                Err(CheckpointProblem::Foreign { setting: shortened(name), found, expected })
            }
        }
    }
}

/// What differs as well where a setting does, and is told only where nothing else differs: a person knows the optimizer or the
/// seed, but not the learning rate that is usual for the one or the digest of the weights that the other decides. Digests are told in
/// words.
const DERIVED: [(&str, Option<&str>); 6] = [
    ("epochs", None),
    ("learning_rate", None),
    ("network", Some("other layers, another size of images or another number of classes")),
    ("training images", Some("other training images, or the same read, split or augmented in another way")),
    ("validation images", Some("other validation images")),
    ("initial parameters", Some("other initial parameters")),
];

/// A hostile file may hold names and values of any length.
fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

fn digest_of(value: &impl Serialize) -> String {
    // A graph is plain data, of which JSON can say everything.
    Digest::of(&serde_json::to_vec(value).unwrap_or_default()).to_string()
}

fn digest_of_tensors(tensors: &NamedTensors) -> String {
    let parts: Vec<Vec<u8>> = tensors
        .iter()
        .flat_map(|(name, tensor)| {
            let values = tensor.to_f32().iter().flat_map(|value| value.to_le_bytes()).collect();
            [format!("{name:?}{:?}", tensor.shape()).into_bytes(), values]
        })
        .collect();
    Digest::of_parts(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>()).to_string()
}
