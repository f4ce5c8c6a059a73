//! Settings as people type them: `NAME` or `NAME,key=value,key=value`.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} is `{found}`: {problem}")]
pub struct SettingError {
    /// What is set, for example `momentum`.
    pub setting: &'static str,
    /// The value found.
    pub found: String,
    /// What is wrong with it and what is expected.
    pub problem: String,
}

/// Nothing if `fits`, else that `setting` should be what `expected` says.
pub(crate) fn require(
    fits: bool,
    setting: &'static str,
    found: impl ToString,
    expected: &str,
) -> Result<(), SettingError> {
    let error =
        || SettingError { setting, found: found.to_string(), problem: format!("expected {expected}") };
    fits.then_some(()).ok_or_else(error)
}

/// Reads `text` as a value that is serialised with its name in a field `name` beside its settings.
pub(crate) fn parse<T: DeserializeOwned>(
    setting: &'static str,
    names: &[&str],
    text: &str,
) -> Result<T, SettingError> {
    let error = |problem| SettingError { setting, found: text.to_owned(), problem };
    let mut parts = text.split(',');
    let name = parts.next().unwrap_or_default();
    if !names.contains(&name) {
        return Err(error(format!("there is no `{name}`, expected one of {}", names.join(", "))));
    }
    let mut fields = Map::from_iter([("name".to_owned(), Value::from(name))]);
    for part in parts {
        let pair = part.split_once('=').and_then(|(key, value)| Some((key, scalar(value)?)));
        let expected = || error(format!("`{part}`, expected KEY=VALUE with a number, true or false"));
        let (key, value) = pair.ok_or_else(expected)?;
        if fields.insert(key.to_owned(), value).is_some() {
            return Err(error(format!("`{key}` is set twice, expected once")));
        }
    }
    serde_json::from_value(Value::Object(fields)).map_err(|problem| error(in_words(&problem.to_string())))
}

/// The message of a parser with the names of Rust's types as a person says them.
pub fn in_words(problem: &str) -> String {
    problem
        .replace("expected usize", "expected a whole number of at least 0")
        .replace("expected f64", "expected a number")
}

fn scalar(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().filter(|value: &Value| value.is_number() || value.is_boolean())
}
