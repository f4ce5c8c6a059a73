//! The settings of standardisation, which are Keras' and are computed in `standardize`.

use serde::{Deserialize, Serialize};

use super::Setting;

/// On or off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch(pub bool);

impl Setting for Switch {
    const EXPECTED: &str = "true or false";

    fn is_valid(&self) -> bool {
        true
    }
}

/// A number that values are multiplied by, or a small one that keeps a divisor from 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Positive(pub f64);

impl Setting for Positive {
    const EXPECTED: &str = "a number above 0 and up to 1000000";

    fn is_valid(&self) -> bool {
        self.0 > 0.0 && self.0 <= 1e6
    }
}
