//! What every augmentation is: a setting that a person writes, and most often a change of one image.

use serde::{Serialize, de::DeserializeOwned};

use super::draft::Draft;
use crate::rng::Rng;

/// A value that a person gives, as a flag or in a TOML file.
pub trait Setting: Serialize + DeserializeOwned {
    /// What is accepted, in words.
    const EXPECTED: &str;

    /// Whether the value is in its range; one that cannot be read as this type never comes here.
    fn is_valid(&self) -> bool;
}

/// A random change of one image: it draws its parameters and hands them to a plain function.
pub trait Augment {
    /// Changes `draft`; what is drawn depends on `rng` and on the size of the image alone.
    fn apply(&self, draft: &mut Draft, rng: &mut Rng);
}
