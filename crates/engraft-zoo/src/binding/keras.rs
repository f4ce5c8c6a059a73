//! Weights out of the files of Keras, which name layers by counters of the session that wrote them.
//!
//! The old layout lists layers in the order of `model.layers`, so weights are taken in turn. Keras 3 numbers the layers of
//! each class in that order, so a weight's path follows from the network: `layers/conv2d_3/vars/0`.
//!
//! Source: `keras/src/legacy/saving/legacy_h5_format.py` and `_save_container_state` in `keras/src/saving/saving_lib.py`.

use std::collections::HashMap;

use engraft_formats::KerasLayers;
use engraft_graph::{Graph, Op, Tensor, WeightSpec};

use crate::{Ending, ZooError, binding::Target, keras_order::keras_layers, layers::LayerNames};

/// Takes the weights of the target's network out of `file`.
pub(super) fn bind(target: &Target, file: KerasLayers) -> Result<HashMap<String, Tensor>, ZooError> {
    if file.layers.iter().all(|layer| layer.place.is_some()) {
        by_path(target, file)
    } else {
        in_turn(target, file)
    }
}

/// A tensor of the file, with the name it has there.
type Found = (String, Tensor);

fn in_turn(target: &Target, file: KerasLayers) -> Result<HashMap<String, Tensor>, ZooError> {
    let mut found = Vec::new();
    for layer in file.layers {
        let weights = layer.weights.into_iter();
        found.extend(weights.map(|(name, tensor)| (format!("{}/{name}", layer.name), tensor)));
    }
    let wanted: Vec<_> = keras_layers(target.graph).into_iter().flat_map(|layer| layer.weights).collect();
    let with_surplus = found.len() > wanted.len() && found.len() == count_with_classifier(target);
    if found.len() != wanted.len() && !with_surplus {
        return Err(wrong_count(target, &wanted, &found));
    }
    let mut bound = HashMap::new();
    for (spec, (alias, tensor)) in wanted.into_iter().zip(found) {
        let tensor = fitted(target, &spec, &alias, tensor)?;
        bound.insert(spec.name, tensor);
    }
    Ok(bound)
}

/// The weights of a classifier stand last, and a network without one does without them.
fn count_with_classifier(target: &Target) -> usize {
    target.spec.graph(Ending::Logits).weights().len()
}

/// Names the first weight that has no match: what stands before it is all there.
fn wrong_count(target: &Target, wanted: &[WeightSpec], found: &[Found]) -> ZooError {
    let fits = |(spec, (_, tensor)): &(&WeightSpec, &Found)| same_values(&spec.shape, tensor.shape());
    let fitting = wanted.iter().zip(found).take_while(fits).count();
    let in_file = |(alias, tensor): &Found| format!("`{alias}` of shape {:?}", tensor.shape());
    let in_network = |spec: &WeightSpec| format!("`{}` of shape {:?}", spec.name, spec.shape);
    ZooError::WeightCount {
        origin: target.origin.to_owned(),
        found: found.len(),
        expected: wanted.len(),
        first_found: found.get(fitting).map_or("no more".to_owned(), in_file),
        first_expected: wanted.get(fitting).map_or("no more".to_owned(), in_network),
    }
}

fn by_path(target: &Target, file: KerasLayers) -> Result<HashMap<String, Tensor>, ZooError> {
    let mut found = HashMap::new();
    for layer in file.layers {
        let path = layer.place.map(|place| place.path).unwrap_or_default();
        for (index, (_, tensor)) in layer.weights.into_iter().enumerate() {
            found.insert(format!("{path}/vars/{index}"), tensor);
        }
    }
    // ConvNeXt's depthwise convolutions are grouped ones of the plain class.
    let grouped = !found.keys().any(|path| path.contains("/depthwise_conv2d"));
    let wanted = paths(target.graph, if grouped { "conv2d" } else { "depthwise_conv2d" });
    let surplus = found.len().saturating_sub(wanted.len());
    let classifier = count_with_classifier(target) - wanted.len();
    let mut bound = HashMap::new();
    for (spec, path) in wanted {
        let Some(tensor) = found.remove(&path) else {
            let (origin, weight, expected) = (target.origin.to_owned(), spec.name, spec.shape);
            return Err(ZooError::MissingWeight { origin, weight, alias: Some(path), expected });
        };
        let tensor = fitted(target, &spec, &path, tensor)?;
        bound.insert(spec.name, tensor);
    }
    if surplus != 0 && surplus != classifier {
        let weight = found.into_keys().min().unwrap_or_default();
        return Err(ZooError::UnknownWeight { origin: target.origin.to_owned(), weight });
    }
    Ok(bound)
}

/// Every weight with its path in a file of Keras 3.
fn paths(graph: &Graph, depthwise_class: &'static str) -> Vec<(WeightSpec, String)> {
    let ops: HashMap<&str, &Op> = graph.nodes().iter().map(|node| (node.name.as_str(), &node.op)).collect();
    let class = |weight: &WeightSpec| class_of(ops[node_of(weight)], depthwise_class);
    let mut counters = LayerNames::default();
    let mut paths = Vec::new();
    for layer in keras_layers(graph) {
        match layer_class(&layer.weights[0]) {
            LayerClass::Plain => {
                let path = format!("layers/{}", counters.next(class(&layer.weights[0])));
                paths.extend(numbered(&path, &layer.weights));
            }
            LayerClass::Separable => {
                let path = format!("layers/{}", counters.next("separable_conv2d"));
                paths.extend(numbered(&path, &layer.weights));
            }
            LayerClass::Sequential => {
                let path = format!("layers/{}", counters.next("sequential"));
                let mut parts = LayerNames::default();
                for weights in layer.weights.chunk_by(|a, b| node_of(a) == node_of(b)) {
                    let part = format!("{path}/layers/{}", parts.next(class(&weights[0])));
                    paths.extend(numbered(&part, weights));
                }
            }
        }
    }
    paths
}

fn numbered(path: &str, weights: &[WeightSpec]) -> Vec<(WeightSpec, String)> {
    weights
        .iter()
        .enumerate()
        .map(|(index, weight)| (weight.clone(), format!("{path}/vars/{index}")))
        .collect()
}

/// What a layer is whose first weight is known.
enum LayerClass {
    /// A single operation with weights.
    Plain,
    /// A depthwise convolution and a pointwise one in a single layer.
    Separable,
    /// A model within the model.
    Sequential,
}

fn layer_class(first: &WeightSpec) -> LayerClass {
    match node_of(first).split_once('/') {
        None => LayerClass::Plain,
        Some((_, "depthwise")) => LayerClass::Separable,
        Some(_) => LayerClass::Sequential,
    }
}

fn node_of(weight: &WeightSpec) -> &str {
    weight.name.rsplit_once('/').map_or(&weight.name, |(node, _)| node)
}

/// What Keras calls the class of a layer in a path.
fn class_of(op: &Op, depthwise_class: &'static str) -> &'static str {
    match op {
        Op::Conv2d(_) => "conv2d",
        Op::DepthwiseConv2d(_) => depthwise_class,
        Op::Dense(_) => "dense",
        Op::BatchNorm(_) => "batch_normalization",
        Op::LayerNorm { .. } => "layer_normalization",
        Op::LayerScale => "layer_scale",
        Op::Normalization => "normalization",
        other => unreachable!("{other:?} has no weights"),
    }
}

/// The tensor in the shape that the network wants.
fn fitted(target: &Target, spec: &WeightSpec, alias: &str, tensor: Tensor) -> Result<Tensor, ZooError> {
    if same_values(&spec.shape, tensor.shape()) {
        return Ok(tensor.reshaped(spec.shape.clone()).expect("both shapes have as many elements"));
    }
    Err(ZooError::WeightShape {
        origin: target.origin.to_owned(),
        weight: spec.name.clone(),
        alias: Some(alias.to_owned()),
        found: tensor.shape().to_vec(),
        expected: spec.shape.clone(),
    })
}

/// Whether tensors of both shapes hold the same values in the same order: a convolution in as many groups as channels has
/// the kernel of a depthwise one, `[height, width, 1, channels]`.
fn same_values(ours: &[usize], theirs: &[usize]) -> bool {
    let grouped = |height, width, channels| [height, width, 1, channels];
    ours == theirs
        || matches!(*ours, [height, width, channels, 1] if theirs == grouped(height, width, channels))
}

#[cfg(test)]
mod tests {
    use engraft_formats::{KerasLayer, LayerOrder, LayerPlace};

    use super::*;
    use crate::backbone;

    fn zeros(shape: &[usize]) -> Tensor {
        Tensor::from_f32(shape.to_vec(), vec![0.0; shape.iter().product()]).unwrap()
    }

    /// What Keras would write of a backbone in the old layout, with the counters of a session in which much went before.
    fn old_layout(name: &str, ending: Ending) -> KerasLayers {
        let graph = backbone(name).unwrap().graph(ending);
        let layers = keras_layers(&graph).into_iter().enumerate().map(|(index, layer)| KerasLayer {
            name: format!("layer_{}", index + 100),
            place: None,
            weights: layer.weights.iter().map(|spec| (role(spec), zeros(&spec.shape))).collect(),
        });
        KerasLayers { order: LayerOrder::Model, layers: layers.collect(), model_config: None }
    }

    fn role(spec: &WeightSpec) -> String {
        format!("{}:0", spec.name.rsplit_once('/').unwrap().1)
    }

    fn bound(name: &str, file: KerasLayers) -> Result<HashMap<String, Tensor>, ZooError> {
        let spec = backbone(name).unwrap();
        bind(&Target { spec, graph: &spec.graph(Ending::Features), origin: "file" }, file)
    }

    #[test]
    fn the_old_layout_binds_in_turn_with_and_without_the_classifier() {
        for name in ["mobilenet_025", "nasnet_mobile", "convnext_tiny"] {
            let wanted = backbone(name).unwrap().graph(Ending::Features).weights().len();
            for ending in [Ending::Features, Ending::Logits] {
                assert_eq!(bound(name, old_layout(name, ending)).unwrap().len(), wanted, "{name} {ending:?}");
            }
        }
    }

    #[test]
    fn grouped_kernels_become_depthwise_ones() {
        let mut file = old_layout("convnext_tiny", Ending::Features);
        let (_, kernel) = &mut file.layers[1].weights[0];
        assert_eq!(kernel.shape(), [7, 7, 96, 1]);
        *kernel = zeros(&[7, 7, 1, 96]);
        let bound = bound("convnext_tiny", file).unwrap();
        assert_eq!(bound["convnext_tiny_stage_0_block_0_depthwise_conv/kernel"].shape(), [7, 7, 96, 1]);
    }

    #[test]
    fn errors_name_tensor_found_and_expected() {
        let mut transposed = old_layout("mobilenet_025", Ending::Features);
        transposed.layers[4].weights[0].1 = zeros(&[16, 8, 1, 1]);
        let mut missing = old_layout("mobilenet_025", Ending::Features);
        missing.layers.remove(4);
        for (file, want) in [
            (
                transposed,
                "file: weight `conv_pw_1/kernel` (`layer_104/kernel:0`) has shape [16, 8, 1, 1], expected [1, 1, 8, 16]",
            ),
            (
                missing,
                "file: the file has 134 weights, expected 135; the first that does not fit is `layer_105/gamma:0` of \
                 shape [16], expected `conv_pw_1/kernel` of shape [1, 1, 8, 16]",
            ),
            (
                old_layout("mobilenet_050", Ending::Features),
                "file: weight `conv1/kernel` (`layer_100/kernel:0`) has shape [3, 3, 3, 16], expected [3, 3, 3, 8]",
            ),
        ] {
            assert_eq!(bound("mobilenet_025", file).unwrap_err().to_string(), want);
        }
    }

    #[test]
    fn paths_of_keras_3_follow_from_the_network() {
        for (name, depthwise_class, weight, want) in [
            (
                "xception",
                "depthwise_conv2d",
                "block2_sepconv1/pointwise/kernel",
                "layers/separable_conv2d/vars/1",
            ),
            (
                "xception",
                "depthwise_conv2d",
                "block1_conv2_bn/moving_variance",
                "layers/batch_normalization_1/vars/3",
            ),
            ("mobilenet", "depthwise_conv2d", "conv_dw_3/kernel", "layers/depthwise_conv2d_2/vars/0"),
            (
                "convnext_tiny",
                "conv2d",
                "convnext_tiny_downsampling_block_0/convnext_tiny_downsampling_conv_0/bias",
                "layers/sequential_1/layers/conv2d/vars/1",
            ),
            (
                "convnext_tiny",
                "conv2d",
                "convnext_tiny_stage_0_block_1_depthwise_conv/kernel",
                "layers/conv2d_1/vars/0",
            ),
        ] {
            let graph = backbone(name).unwrap().graph(Ending::Features);
            let paths = paths(&graph, depthwise_class);
            let (_, found) = paths.iter().find(|(spec, _)| spec.name == weight).unwrap();
            assert_eq!(found, want, "{name} {weight}");
        }
    }

    #[test]
    fn groups_by_class_bind_by_their_paths() {
        let graph = backbone("mobilenet_025").unwrap().graph(Ending::Features);
        let layers = || {
            paths(&graph, "depthwise_conv2d").into_iter().rev().map(|(spec, path)| {
                let path = path.rsplit_once("/vars/").unwrap().0.to_owned();
                let place = Some(LayerPlace { path: path.clone(), class: String::new(), index: 0 });
                KerasLayer { name: path, place, weights: vec![(role(&spec), zeros(&spec.shape))] }
            })
        };
        let mut merged: Vec<KerasLayer> = Vec::new();
        for layer in layers() {
            match merged.last_mut().filter(|last| last.name == layer.name) {
                Some(last) => last.weights.splice(0..0, layer.weights).for_each(drop),
                None => merged.push(layer),
            }
        }
        let file = |layers| KerasLayers { order: LayerOrder::WithinClass, layers, model_config: None };
        assert_eq!(bound("mobilenet_025", file(merged.clone())).unwrap().len(), graph.weights().len());
        let absent = merged.pop().unwrap();
        let error = bound("mobilenet_025", file(merged)).unwrap_err().to_string();
        let want = format!(
            "file: weight `conv1/kernel` (`{}/vars/0`) is missing, expected shape [3, 3, 3, 8]",
            absent.name
        );
        assert_eq!(error, want);
    }
}
