//! The order of a model's layers, out of its configuration.

use std::collections::HashMap;

use serde::{Deserialize, de::IgnoredAny};

use crate::{FormatError, keras_h5::ConfigLayer};

/// The layers of a model that lists them, with the groups that Keras saves their variables in; nothing for a model of
/// a class of its own.
pub(super) fn layers(text: &str) -> Result<Option<Vec<ConfigLayer>>, FormatError> {
    let model: Object = serde_json::from_str(text).map_err(|error| broken(&error))?;
    Ok(model.layers())
}

pub(super) fn broken(reason: &impl ToString) -> FormatError {
    let object = "entry `config.json`".to_owned();
    FormatError::Content { format: "zip", object, reason: reason.to_string() }
}

/// An object of Keras as it is serialised.
#[derive(Deserialize)]
struct Object {
    class_name: String,
    #[serde(default)]
    module: Option<String>,
    #[serde(default)]
    config: Option<Config>,
}

/// What an object is made of; of other classes than models it can be anything.
#[derive(Deserialize)]
#[serde(untagged)]
enum Config {
    Model {
        #[serde(default)]
        name: String,
        layers: Vec<Object>,
    },
    Layer {
        name: String,
    },
    Other(IgnoredAny),
}

impl Object {
    fn layers(&self) -> Option<Vec<ConfigLayer>> {
        let Some(Config::Model { layers, .. }) = &self.config else { return None };
        let mut counts = HashMap::new();
        let layers = layers.iter().filter(|object| object.is_layer());
        Some(layers.map(|object| object.as_layer(&mut counts)).collect())
    }

    fn as_layer(&self, counts: &mut HashMap<String, usize>) -> ConfigLayer {
        let class = snake_case(&self.class_name);
        let count = counts.entry(class.clone()).or_default();
        let group = if *count == 0 { class } else { format!("{class}_{count}") };
        *count += 1;
        let name = match &self.config {
            Some(Config::Model { name, .. } | Config::Layer { name }) => name.clone(),
            Some(Config::Other(_)) | None => group.clone(),
        };
        ConfigLayer { group, name, layers: self.layers() }
    }

    /// A model lists plain operations among its layers, but saves and counts layers alone.
    fn is_layer(&self) -> bool {
        !self.module.as_deref().is_some_and(|module| module.contains(".ops"))
    }
}

/// The name of a class as Keras turns it into that of a group: `Conv2D` becomes `conv2d`, `ReLU` becomes `re_lu`.
fn snake_case(class: &str) -> String {
    let letters: Vec<char> =
        class.chars().filter(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    let words = split_before_words(&letters);
    split_after_lower(&words).to_lowercase()
}

/// Sets an underscore before a capital with small letters behind it, unless it comes first.
fn split_before_words(letters: &[char]) -> Vec<char> {
    let mut words = Vec::with_capacity(letters.len() + 4);
    let mut free = 0;
    for (place, &letter) in letters.iter().enumerate() {
        let word =
            letter.is_ascii_uppercase() && letters.get(place + 1).is_some_and(char::is_ascii_lowercase);
        if word && place > free {
            words.push('_');
            free =
                place + 1 + letters[place + 1..].iter().take_while(|next| next.is_ascii_lowercase()).count();
        }
        words.push(letter);
    }
    words
}

/// Sets an underscore between a small letter and a capital.
fn split_after_lower(letters: &[char]) -> String {
    let mut text = String::with_capacity(letters.len() + 4);
    let mut before = ' ';
    for &letter in letters {
        if before.is_ascii_lowercase() && letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter);
        before = letter;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_become_groups_as_in_keras() {
        for (class, want) in [
            ("Dense", "dense"),
            ("Conv2D", "conv2d"),
            ("SeparableConv2D", "separable_conv2d"),
            ("DepthwiseConv2D", "depthwise_conv2d"),
            ("BatchNormalization", "batch_normalization"),
            ("GlobalAveragePooling2D", "global_average_pooling2d"),
            ("ReLU", "re_lu"),
            ("PReLU", "p_re_lu"),
            ("LayerScale", "layer_scale"),
            ("LSTM", "lstm"),
            ("GRUCell", "gru_cell"),
            ("InputLayer", "input_layer"),
            ("my>Custom", "my_custom"),
            ("ABCd", "ab_cd"),
        ] {
            assert_eq!(snake_case(class), want, "{class}");
        }
    }

    #[test]
    fn layers_are_counted_by_class_and_operations_are_not() {
        let text = r#"{"class_name": "Functional", "config": {"name": "m", "layers": [
            {"module": "keras.layers", "class_name": "Conv2D", "config": {"name": "stem"}},
            {"module": "keras.src.ops.numpy", "class_name": "Add", "config": {"name": "plus"}},
            {"module": "keras.layers", "class_name": "Add", "config": {"name": "add"}},
            {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": [
                {"module": "keras.layers", "class_name": "Conv2D", "config": {"name": "inner"}}]}},
            {"module": "keras.layers", "class_name": "Conv2D", "config": {"name": "last"}}]}}"#;
        let layers = layers(text).unwrap().unwrap();
        let listed: Vec<_> = layers.iter().map(|layer| (layer.group.as_str(), layer.name.as_str())).collect();
        assert_eq!(listed, [("conv2d", "stem"), ("add", "add"), ("sequential", "s"), ("conv2d_1", "last")]);
        let inner = layers[2].layers.as_ref().unwrap();
        assert_eq!((inner.len(), inner[0].name.as_str()), (1, "inner"));
    }

    #[test]
    fn a_model_of_its_own_class_lists_nothing_and_no_json_is_an_error() {
        assert_eq!(layers(r#"{"class_name": "Mine", "config": {"units": 3}}"#).unwrap(), None);
        assert_eq!(layers(r#"{"class_name": "Mine", "config": null}"#).unwrap(), None);
        for text in ["", "[]", "{}", &"[".repeat(100_000)] {
            let error = layers(text).unwrap_err().to_string();
            assert!(error.starts_with("entry `config.json` in the zip file is broken: "), "{error}");
        }
    }
}
