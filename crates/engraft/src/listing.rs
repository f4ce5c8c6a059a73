//! The backbones there are.

use engraft_zoo::Ending;
use serde::Serialize;

/// What a person chooses a backbone by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackboneListing {
    /// Its name.
    pub name: &'static str,
    /// Side of its square input, in pixels.
    pub input_size: usize,
    /// Length of its feature vector.
    pub features: usize,
    /// Values in its weights, without a classifier.
    pub parameters: usize,
    /// SPDX identifier of the licence of its weights.
    pub licence: &'static str,
    /// Where its weights are: `embedded`, or the name of the file to provide.
    pub weights: String,
    /// Who made the weights.
    pub credit: &'static str,
}

/// All backbones, family by family.
pub fn backbones() -> Vec<BackboneListing> {
    let listing = |spec: &'static engraft_zoo::BackboneSpec| BackboneListing {
        name: spec.name,
        input_size: spec.preprocessing.input_side_px,
        features: spec.feature_len,
        parameters: spec.graph(Ending::Features).parameter_count(),
        licence: spec.licence,
        weights: if spec.is_embedded() {
            "embedded".to_owned()
        } else {
            format!("{}.safetensors", spec.name)
        },
        credit: spec.credit,
    };
    engraft_zoo::backbones().map(listing).collect()
}
