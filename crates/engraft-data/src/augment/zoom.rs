//! Zoom by random factors: Keras' `zoom_range`.

use serde::{Deserialize, Serialize};

use super::{
    Affine, Augment, Draft, Setting,
    draws::{between, is_range},
};
use crate::rng::Rng;

/// Shows a part of the image, or more than it, of another height and width: each side is multiplied by a factor drawn by
/// itself. Below 1 things grow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "ZoomWord", into = "[f64; 2]")]
pub struct Zoom {
    /// Smallest factor.
    pub low: f64,
    /// Largest factor.
    pub high: f64,
}

/// `z` stands for `1 - z..1 + z`.
#[derive(Deserialize)]
#[serde(untagged)]
enum ZoomWord {
    AroundOne(f64),
    Between([f64; 2]),
}

impl From<ZoomWord> for Zoom {
    fn from(word: ZoomWord) -> Zoom {
        match word {
            ZoomWord::AroundOne(reach) => Zoom { low: 1.0 - reach, high: 1.0 + reach },
            ZoomWord::Between([low, high]) => Zoom { low, high },
        }
    }
}

impl From<Zoom> for [f64; 2] {
    fn from(zoom: Zoom) -> [f64; 2] {
        [zoom.low, zoom.high]
    }
}

impl Setting for Zoom {
    const EXPECTED: &str = "a number above 0 and below 1, or two factors LOW:HIGH from 0.01 to 100";

    fn is_valid(&self) -> bool {
        let range = [self.low, self.high];
        is_range(range, 0.01) && self.high <= 100.0 && range != [1.0, 1.0]
    }
}

impl Augment for Zoom {
    fn apply(&self, draft: &mut Draft, rng: &mut Rng) {
        let (rows, columns) = (between(rng, self.low, self.high), between(rng, self.low, self.high));
        draft.transform(zoom(rows, columns));
    }
}

/// Each output pixel comes from `rows` and `columns` times as far from the centre.
///
/// Source: `zx` and `zy` of Keras' `apply_affine_transform`, where `x` runs along the columns.
pub fn zoom(rows: f64, columns: f64) -> Affine {
    Affine::linear([[rows, 0.0], [0.0, columns]])
}
