//! Weights as Keras saves them: layer by layer, not by unique names.
//!
//! Keras binds weights by position. Names such as `conv2d_17` are counters of the session that saved the file, so a
//! model that is built elsewhere matches layers in order; [`LayerOrder`] says how far the order of a file reaches.

use engraft_graph::Tensor;

/// The weights of a Keras model.
#[derive(Clone, Debug, PartialEq)]
pub struct KerasLayers {
    /// What the order of `layers` means.
    pub order: LayerOrder,
    /// The layers that have weights. A nested model of the old format is one layer with all its weights; in the new
    /// formats each of its layers stands here with its own path.
    pub layers: Vec<KerasLayer>,
    /// The model's configuration, as JSON, where the file holds it.
    pub model_config: Option<String>,
}

/// What the order of [`KerasLayers::layers`] means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerOrder {
    /// That of `model.layers`.
    Model,
    /// Within one container, layers of one class stand in the order of `model.layers`, one class after the other.
    /// Nothing tells how layers of different classes follow one another.
    WithinClass,
}

/// One layer.
#[derive(Clone, Debug, PartialEq)]
pub struct KerasLayer {
    /// The layer's name, or the last part of its path where the file does not say it.
    pub name: String,
    /// Where the layer stands among its siblings, in the formats that name groups by class.
    pub place: Option<LayerPlace>,
    /// The layer's weights by the name the file gives them, in the layer's order.
    pub weights: Vec<(String, Tensor)>,
}

/// The place of a layer in a file whose groups are named by class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerPlace {
    /// Groups from the root, such as `layers/sequential/layers/conv2d_1`.
    pub path: String,
    /// The class in snake case, such as `conv2d`; or the attribute, such as `forward_layer`, that holds the layer.
    pub class: String,
    /// How many layers of this class come before it in the same container.
    pub index: usize,
}

impl LayerPlace {
    /// The place of the group at `path`: `conv2d_1` is the second `conv2d` of its container.
    pub(crate) fn of(path: &str) -> LayerPlace {
        let (_, group) = path.rsplit_once('/').unwrap_or(("", path));
        let (class, index) = split_counter(group);
        LayerPlace { path: path.to_owned(), class: class.to_owned(), index }
    }
}

/// A group's class and its counter, which the first of a class does not bear.
pub(crate) fn split_counter(group: &str) -> (&str, usize) {
    let counted = group.rsplit_once('_').and_then(|(class, counter)| Some((class, canonical(counter)?)));
    counted.unwrap_or((group, 0))
}

/// A counter as Keras writes it: no sign, no leading zero.
fn canonical(counter: &str) -> Option<usize> {
    counter.parse().ok().filter(|number: &usize| *number > 0 && number.to_string() == counter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_told_from_the_class() {
        for (group, want) in [
            ("conv2d", ("conv2d", 0)),
            ("conv2d_1", ("conv2d", 1)),
            ("conv2d_10", ("conv2d", 10)),
            ("batch_normalization", ("batch_normalization", 0)),
            ("batch_normalization_3", ("batch_normalization", 3)),
            ("block_01", ("block_01", 0)),
            ("block_0", ("block_0", 0)),
            ("_2", ("", 2)),
        ] {
            assert_eq!(split_counter(group), want, "{group}");
        }
        let place = LayerPlace::of("layers/sequential/layers/dense_2");
        assert_eq!((place.class.as_str(), place.index), ("dense", 2));
    }
}
