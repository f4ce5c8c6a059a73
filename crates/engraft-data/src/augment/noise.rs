//! Gaussian noise.

use serde::{Deserialize, Serialize};

use super::{Augment, Draft, FloatImage, Setting};
use crate::rng::Rng;

/// Adds normal noise of this standard deviation, on the scale 0..=255, to every value by itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noise(pub f64);

impl Setting for Noise {
    const EXPECTED: &str = "a standard deviation from 0 to 255";

    fn is_valid(&self) -> bool {
        (0.0..=255.0).contains(&self.0)
    }
}

impl Augment for Noise {
    fn apply(&self, draft: &mut Draft, rng: &mut Rng) {
        let image = draft.image();
        let noise: Vec<f32> = (0..image.values.len()).map(|_| (self.0 * rng.normal()) as f32).collect();
        add_noise(image, &noise);
    }
}

/// Adds one number to each value and clips to 0..=255.
///
/// Source: `torchvision.transforms.v2.GaussianNoise` with `clip=True`, on the scale 0..=255.
///
/// # Panics
/// If there are not as many numbers as values.
pub fn add_noise(image: &mut FloatImage, noise: &[f32]) {
    assert_eq!(image.values.len(), noise.len(), "one number for each value");
    for (value, noise) in image.values.iter_mut().zip(noise) {
        *value = (*value + noise).clamp(0.0, 255.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::{Fill, FillMode};

    #[test]
    fn noise_has_its_strength_and_stays_in_range() {
        let image = FloatImage::new(100, 100, vec![127.0; 30_000]).unwrap();
        let fill = Fill { mode: FillMode::Nearest, value: 0.0 };
        for (sigma, want) in [(10.0, 10.0), (0.0, 0.0)] {
            let mut draft = Draft::new(image.clone(), fill);
            Noise(sigma).apply(&mut draft, &mut Rng::new(6));
            let values = draft.finish().values;
            let mean = values.iter().sum::<f32>() / 3e4;
            let deviation = (values.iter().map(|v| (v - 127.0).powi(2)).sum::<f32>() / 3e4).sqrt();
            assert!((mean - 127.0).abs() < 0.3 && (deviation - want).abs() < 0.2, "{mean}, {deviation}");
        }
        let mut draft = Draft::new(image, fill);
        Noise(255.0).apply(&mut draft, &mut Rng::new(7));
        assert_eq!(draft.finish().range(), (0.0, 255.0));
    }
}
