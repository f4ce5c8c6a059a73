//! The backbones there are.

use std::path::PathBuf;

use engraft_zoo::{BackboneSpec, Ending};
use serde::Serialize;

use crate::{WeightsStatus, weights::places_from_environment, weights_status::weights_status};

/// What a person chooses a backbone by.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackboneListing {
    /// Its name.
    pub name: &'static str,
    /// The function of `keras.applications` that builds it, if there is one.
    pub keras_name: Option<&'static str>,
    /// Side of its square input, in pixels.
    pub input_size: usize,
    /// Length of its feature vector.
    pub features: usize,
    /// Values in its weights, without a classifier.
    pub parameters: usize,
    /// Share of ImageNet's validation images that it labels rightly at the first guess, in percent, as published.
    pub imagenet_top1_percent: Option<f32>,
    /// SPDX identifier of the licence of its weights.
    pub licence: &'static str,
    /// `embedded`, or what a file of its weights is called.
    pub weights: String,
    /// Where its weights are.
    pub status: WeightsStatus,
    /// The file that holds them, if one does.
    pub path: Option<PathBuf>,
    /// Where the weights come from and who made them.
    pub credit: &'static str,
}

/// All backbones, family by family.
pub fn backbones() -> Vec<BackboneListing> {
    let places = places_from_environment();
    let listing = |spec: &'static BackboneSpec| {
        let (status, path) = weights_status(spec, &places);
        BackboneListing {
            name: spec.name,
            keras_name: spec.keras_name,
            input_size: spec.preprocessing.input_side_px,
            features: spec.feature_len,
            parameters: spec.graph(Ending::Features).parameter_count(),
            imagenet_top1_percent: spec.imagenet_top1_percent,
            licence: spec.licence,
            weights: match spec.is_embedded() {
                true => "embedded".to_owned(),
                false => format!("{}.safetensors", spec.name),
            },
            status,
            path,
            credit: spec.credit,
        }
    };
    engraft_zoo::backbones().map(listing).collect()
}

/// The names of the backbones whose weights are on this computer, family by family.
pub fn available_backbones() -> Vec<String> {
    let places = places_from_environment();
    let available = |spec: &&BackboneSpec| weights_status(spec, &places).0.is_available();
    engraft_zoo::backbones().filter(available).map(|spec| spec.name.to_owned()).collect()
}
