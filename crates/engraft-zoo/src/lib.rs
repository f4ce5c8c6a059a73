//! Backbones as graphs, their preprocessing, and where their weights come from.
//!
//! [`locate`] finds or downloads weights, [`open`] is the whole border between networks and their files: a name and a
//! source go in, a graph and its weights come out. A family of backbones is one file in `backbones/` and one line in the list [`backbones`].

mod architecture;
mod backbones;
mod binding;
mod branches;
mod error;
mod fetch;
mod keras_order;
mod layers;
mod mbconv;
mod noise_weights;
mod open;
mod pixel_scaling;
mod spec; // start here: what a backbone is

pub use backbones::{backbone, backbones};
pub use error::ZooError;
pub use fetch::{
    Checksum, FetchError, FetchProgress, Located, OfficialFile, WeightFile, WeightPlaces, WeightSource,
    locate, official_backbones, sha256_of, verify,
};
pub use keras_order::{KerasLayer, keras_layers};
pub use noise_weights::noise_weights;
pub use open::{Opened, Source, open};
pub use spec::{BackboneSpec, Ending, GraphSettings, PixelScaling, Preprocessing};
