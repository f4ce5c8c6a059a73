//! What can be wrong with the augmentation that a person asks for.

use super::{AugmentSettings, PRESETS, parse::key};

/// Why a text is no augmentation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AugmentError {
    /// It names something that does not exist.
    #[error("augmentation `{found}` is unknown, {}", suggestion(nearest.as_deref(), known))]
    UnknownKey {
        /// The name.
        found: String,
        /// The most similar one, where there is one.
        nearest: Option<String>,
        /// All settings and presets.
        known: Vec<String>,
    },
    /// It sets something twice.
    #[error("augmentation `{key}` is given twice, expected once")]
    DuplicateKey {
        /// The setting.
        key: String,
    },
    /// A preset stands behind a setting, which it would overwrite.
    #[error("preset `{preset}` stands behind other settings, expected it to be the first")]
    PresetNotFirst {
        /// The preset.
        preset: String,
    },
    /// A value is of the wrong kind or out of its range.
    #[error("augmentation `{key}` is {found}, expected {expected}")]
    Value {
        /// The setting.
        key: String,
        /// Its value.
        found: String,
        /// What is accepted, in words.
        expected: &'static str,
    },
    /// It sets nothing.
    #[error("no augmentation is given, expected a preset or KEY=VALUE, separated by commas")]
    Empty,
    /// It is not TOML.
    #[error("not a TOML file: {problem}")]
    Toml {
        /// What the parser found.
        problem: String,
    },
}

impl AugmentError {
    pub(super) fn unknown_key(name: &str) -> AugmentError {
        let found = key(name);
        let presets = PRESETS.iter().map(|preset| preset.name.to_owned());
        let known: Vec<String> = presets.chain(AugmentSettings::NAMES.iter().map(|name| key(name))).collect();
        AugmentError::UnknownKey { nearest: nearest(&found, &known), found, known }
    }
}

/// Below this share of equal letters a name is not worth suggesting.
const SIMILAR: f64 = 0.6;

fn nearest(found: &str, known: &[String]) -> Option<String> {
    let found = found.to_lowercase();
    // Keras' names differ from ours in their last word only.
    let found = found.trim_end_matches("-range").trim_end_matches("-mode");
    let rated = known.iter().map(|known| (strsim::normalized_damerau_levenshtein(found, known), known));
    let (similarity, best) = rated.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (similarity >= SIMILAR).then(|| best.clone())
}

fn suggestion(nearest: Option<&str>, known: &[String]) -> String {
    match nearest {
        Some(nearest) => format!("the nearest is `{nearest}`"),
        None => format!("expected one of {}", known.join(", ")),
    }
}
