//! The list of all backbones. A new family is a file in `backbones/` and a line here.

mod convnext;
mod densenet;
mod efficientnet;
mod efficientnet_lite;
mod efficientnet_v2;
mod inception_resnet_v2;
mod inception_v3;
mod mobilenet;
mod mobilenet_v2;
mod mobilenet_v3;
mod nasnet;
mod resnet;
mod vgg;
mod xception;

use crate::{BackboneSpec, ZooError};

/// Each file of `backbones/` with what it registers.
static FAMILIES: [(&str, &[BackboneSpec]); 14] = [
    ("convnext", &convnext::SPECS),
    ("densenet", &densenet::SPECS),
    ("efficientnet", &efficientnet::SPECS),
    ("efficientnet_lite", &efficientnet_lite::SPECS),
    ("efficientnet_v2", &efficientnet_v2::SPECS),
    ("inception_resnet_v2", &inception_resnet_v2::SPECS),
    ("inception_v3", &inception_v3::SPECS),
    ("mobilenet", &mobilenet::SPECS),
    ("mobilenet_v2", &mobilenet_v2::SPECS),
    ("mobilenet_v3", &mobilenet_v3::SPECS),
    ("nasnet", &nasnet::SPECS),
    ("resnet", &resnet::SPECS),
    ("vgg", &vgg::SPECS),
    ("xception", &xception::SPECS),
];

/// All backbones, family by family.
pub fn backbones() -> impl Iterator<Item = &'static BackboneSpec> {
    FAMILIES.iter().flat_map(|(_, specs)| specs.iter())
}

/// The backbone of that name, or of that name in `keras.applications`, such as `ResNet50V2`.
///
/// # Errors
/// [`ZooError::UnknownBackbone`], with the known names and the nearest one.
pub fn backbone(name: &str) -> Result<&'static BackboneSpec, ZooError> {
    backbones().find(|spec| spec.name == name || spec.keras_name == Some(name)).ok_or_else(|| {
        ZooError::UnknownBackbone {
            found: name.to_owned(),
            known: backbones().map(|spec| spec.name).collect(),
            nearest: nearest(name),
        }
    })
}

/// Below this share of equal letters a name is not worth suggesting.
const SIMILAR: f64 = 0.5;

fn nearest(name: &str) -> Option<&'static str> {
    let similarity = |known: &str| strsim::normalized_damerau_levenshtein(&name.to_lowercase(), known);
    let rated = backbones().map(|spec| (similarity(spec.name), spec.name));
    let best = rated.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (best.0 >= SIMILAR).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use engraft_graph::{Op, Shape};
    use engraft_testing::Golden;

    use super::*;
    use crate::Ending;

    #[test]
    fn every_file_is_registered() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/backbones");
        let files: BTreeSet<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(files, FAMILIES.iter().map(|(family, _)| family.to_string()).collect());
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = backbones().map(|spec| spec.name).collect();
        assert_eq!(names.len(), backbones().count());
    }

    #[test]
    fn every_backbone_has_its_declared_input_and_feature_len() {
        for spec in backbones() {
            let graph = spec.graph(Ending::Features);
            let side = spec.preprocessing.input_side_px;
            assert_eq!(graph.nodes()[0].shape, Shape::map(side, side, 3), "{}", spec.name);
            assert_eq!(graph.output_shape(), Shape::vector(spec.feature_len), "{}", spec.name);
            assert_eq!(spec.graph(Ending::Logits).output_shape(), Shape::vector(1000), "{}", spec.name);
        }
    }

    #[test]
    fn every_backbone_has_as_many_values_as_the_reference() {
        for name in ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"] {
            let spec = backbone(name).unwrap();
            let counts =
                [Ending::Features, Ending::Logits].map(|ending| spec.graph(ending).parameter_count());
            assert_eq!(counts[..], Golden::open(&format!("zoo/{name}")).usize("value_counts"), "{name}");
        }
    }

    #[test]
    fn every_naming_of_pytorch_names_every_weight() {
        for spec in backbones() {
            let graph = spec.graph(Ending::Logits);
            let weighted: BTreeSet<_> = graph
                .weights()
                .iter()
                .map(|weight| weight.name.rsplit_once('/').unwrap().0.to_owned())
                .collect();
            for modules in spec.architecture.pytorch_modules() {
                assert_eq!(weighted, modules.iter().map(|(node, _)| node.clone()).collect(), "{}", spec.name);
            }
        }
    }

    #[test]
    fn scaling_is_part_of_the_graph() {
        for spec in backbones() {
            let graph = spec.graph(Ending::Features);
            let scales = |op: &Op| matches!(op, Op::Rescale { .. } | Op::Normalization);
            assert!(graph.nodes()[1..=2].iter().any(|node| scales(&node.op)), "{}", spec.name);
        }
    }

    #[test]
    fn keras_spelling_is_understood() {
        for (name, want) in [("ResNet50V2", "resnet50_v2"), ("VGG16", "vgg16"), ("MobileNet", "mobilenet")] {
            assert_eq!(backbone(name).unwrap().name, want);
        }
    }

    #[test]
    fn every_backbone_takes_its_smallest_input_and_nothing_below() {
        for spec in backbones() {
            let side = spec.preprocessing.min_side_px;
            for ending in [Ending::Features, Ending::MaxFeatures] {
                let graph = spec.graph_at([side, side + 1], ending).unwrap();
                assert_eq!(graph.output_shape(), Shape::vector(spec.feature_len), "{}", spec.name);
            }
            let map = spec.graph_at([side, side + 1], Ending::Map).unwrap().output_shape();
            assert_eq!(map.channels(), spec.feature_len, "{}", spec.name);
            let error = spec.graph_at([side - 1, side], Ending::Features).unwrap_err().to_string();
            assert!(error.contains(&format!("expected at least {side} x {side}")), "{error}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let known = backbones().map(|spec| spec.name).collect::<Vec<_>>().join(", ");
        for (name, suggestion) in
            [("EfficientNet-Lite2", "; the nearest is efficientnet_lite2"), ("qqqq", "")]
        {
            let want = format!("backbone `{name}` is unknown, expected one of {known}{suggestion}");
            assert_eq!(backbone(name).unwrap_err().to_string(), want);
        }
    }
}
