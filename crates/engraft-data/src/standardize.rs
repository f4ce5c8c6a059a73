//! Bringing values to mean 0 and spread 1, per image or over a data set, and whitening: Keras' `standardize`.

mod eigen;
mod whitening;

use serde::{Deserialize, Serialize};

use crate::augment::{AugmentSettings, FloatImage, Positive, Switch};
use whitening::Whitening;

/// What is done to the values of an image before a network sees them, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standardization {
    /// Every value is multiplied by this.
    pub rescale: f64,
    /// The mean of the image is taken away.
    pub samplewise_center: bool,
    /// The image is divided by its standard deviation.
    pub samplewise_std_normalization: bool,
    /// The mean of the data, per channel, is taken away.
    pub featurewise_center: bool,
    /// Each channel is divided by its standard deviation over the data.
    pub featurewise_std_normalization: bool,
    /// Values are decorrelated over the data.
    pub zca_whitening: bool,
    /// Added to the singular values of the data before whitening divides by them.
    pub zca_epsilon: f64,
}

/// Why a standardisation cannot be learnt from data, or not be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StandardizeError {
    /// There are no images.
    #[error("there are no images to learn a standardisation from, expected at least one")]
    NoImages,
    /// An image has another size than those that were learnt from.
    #[error("an image is {found:?}, expected {expected:?} (height, width) as the others")]
    Size {
        /// Its `(height, width)`.
        found: (usize, usize),
        /// That of the others.
        expected: (usize, usize),
    },
    /// Whitening would take too long or too much memory.
    #[error("whitening of {images} images of {values} values is too large, expected at most {limit}")]
    TooLarge {
        /// Number of images.
        images: usize,
        /// Values of each.
        values: usize,
        /// What is possible, in words.
        limit: &'static str,
    },
    /// The caller asked to stop.
    #[error("interrupted")]
    Cancelled,
}

/// A standardisation with everything that it learnt from data.
///
/// The directions of whitening are not serialised with the rest, but read with [`Standardizer::directions`] and set with
/// [`Standardizer::with_directions`]: they are as many as the values of up to 1024 images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standardizer {
    settings: Standardization,
    /// Per channel, on the scale after `rescale`.
    mean: [f64; 3],
    deviation: [f64; 3],
    whitening: Option<Whitening>,
}

/// Keras adds this to every standard deviation.
const EPSILON: f64 = 1e-6;

impl Default for Standardization {
    /// Nothing is done.
    fn default() -> Standardization {
        Standardization {
            rescale: 1.0,
            samplewise_center: false,
            samplewise_std_normalization: false,
            featurewise_center: false,
            featurewise_std_normalization: false,
            zca_whitening: false,
            zca_epsilon: 1e-6,
        }
    }
}

impl From<&AugmentSettings> for Standardization {
    fn from(settings: &AugmentSettings) -> Standardization {
        let on = |switch: Option<Switch>| switch.is_some_and(|Switch(on)| on);
        let number = |value: Option<Positive>, default| value.map_or(default, |Positive(value)| value);
        let default = Standardization::default();
        Standardization {
            rescale: number(settings.rescale, default.rescale),
            samplewise_center: on(settings.samplewise_center),
            samplewise_std_normalization: on(settings.samplewise_std_normalization),
            featurewise_center: on(settings.featurewise_center),
            featurewise_std_normalization: on(settings.featurewise_std_normalization),
            zca_whitening: on(settings.zca_whitening),
            zca_epsilon: number(settings.zca_epsilon, default.zca_epsilon),
        }
    }
}

impl Standardization {
    /// Learns what it needs of `images`, which are all of one size; images are taken before any per-image step. They are gone
    /// through several times, so that they need not all be in memory as floats. Whitening many images takes minutes;
    /// `is_cancelled` is asked often enough to stop at once, and must stay true once it was.
    ///
    /// Source: Keras' `ImageDataGenerator.fit`.
    ///
    /// # Errors
    /// See [`StandardizeError`].
    pub fn fit(
        self,
        images: impl Iterator<Item = FloatImage> + Clone,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Standardizer, StandardizeError> {
        // All sums end early then, and are thrown away below.
        let images = images.take_while(|_| !is_cancelled());
        let fitted = self.fit_all(images, is_cancelled);
        if is_cancelled() { Err(StandardizeError::Cancelled) } else { fitted }
    }

    fn fit_all(
        self,
        images: impl Iterator<Item = FloatImage> + Clone,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Standardizer, StandardizeError> {
        let first = images.clone().next().ok_or(StandardizeError::NoImages)?;
        let expected = (first.height, first.width);
        let mut sizes = images.clone().map(|image| (image.height, image.width));
        if let Some(found) = sizes.find(|size| *size != expected) {
            return Err(StandardizeError::Size { found, expected });
        }
        let (mean, deviation) = channel_statistics(images.clone(), self.rescale);
        let mut standardizer = Standardizer { settings: self.effective(), mean, deviation, whitening: None };
        if self.zca_whitening {
            Whitening::check_size(images.clone().count(), first.values.len())?;
            let rows: Vec<Vec<f64>> = images.map(|image| standardizer.centred(&image)).collect();
            standardizer.whitening = Whitening::fit(&rows, self.zca_epsilon, is_cancelled);
        }
        Ok(standardizer)
    }

    /// Whether values stay as they are.
    pub fn is_identity(self) -> bool {
        let off = Standardization::default();
        Standardization { zca_epsilon: off.zca_epsilon, ..self } == off
    }

    /// What is done in effect: whitening and division by a deviation take the mean away before, and whitening replaces the
    /// division.
    ///
    /// Source: the constructor of Keras' `ImageDataGenerator`.
    pub fn effective(self) -> Standardization {
        let featurewise_std_normalization = self.featurewise_std_normalization && !self.zca_whitening;
        Standardization {
            samplewise_center: self.samplewise_center || self.samplewise_std_normalization,
            featurewise_center: self.featurewise_center
                || self.featurewise_std_normalization
                || self.zca_whitening,
            featurewise_std_normalization,
            ..self
        }
    }
}

impl Standardizer {
    /// The standardised values of an image, `[height, width, 3]`.
    ///
    /// Source: Keras' `ImageDataGenerator.standardize`.
    ///
    /// # Errors
    /// [`StandardizeError::Size`] if whitening was learnt from images of another size.
    pub fn apply(&self, image: &FloatImage) -> Result<Vec<f32>, StandardizeError> {
        let mut values: Vec<f64> = scaled(image, self.settings.rescale).collect();
        self.standardize_sample(&mut values);
        self.standardize_channels(&mut values);
        if let Some(whitening) = &self.whitening {
            whitening.apply(&mut values, (image.height, image.width))?;
        }
        Ok(values.into_iter().map(|value| value as f32).collect())
    }

    /// Whether values are decorrelated.
    pub fn whitens(&self) -> bool {
        self.whitening.is_some()
    }

    /// The directions of whitening, `[directions, values]`, where it whitens.
    pub fn directions(&self) -> Option<&[f32]> {
        self.whitening.as_ref().map(|whitening| &whitening.directions[..])
    }

    /// The same with these directions of whitening, if it whitens.
    pub fn with_directions(mut self, directions: Vec<f32>) -> Standardizer {
        if let Some(whitening) = &mut self.whitening {
            whitening.directions = directions;
        }
        self
    }

    /// Whether it can be applied to images of `values` values, and gives numbers that are finite.
    pub fn is_usable(&self, values: usize) -> bool {
        let Standardizer { settings, mean, deviation, whitening } = self;
        let finite =
            settings.rescale.is_finite() && mean.iter().chain(deviation).all(|value| value.is_finite());
        let divides = deviation.iter().all(|&deviation| deviation >= 0.0);
        let whitens = settings.zca_whitening == whitening.is_some();
        finite && divides && whitens && whitening.iter().all(|whitening| whitening.is_complete(values))
    }

    /// The values that whitening is learnt from.
    fn centred(&self, image: &FloatImage) -> Vec<f64> {
        let mut values: Vec<f64> = scaled(image, self.settings.rescale).collect();
        self.standardize_channels(&mut values);
        values
    }

    fn standardize_sample(&self, values: &mut [f64]) {
        let (mean, _) = statistics(values.iter().copied());
        if self.settings.samplewise_center {
            values.iter_mut().for_each(|value| *value -= mean);
        }
        if self.settings.samplewise_std_normalization {
            let (_, deviation) = statistics(values.iter().copied());
            values.iter_mut().for_each(|value| *value /= deviation + EPSILON);
        }
    }

    fn standardize_channels(&self, values: &mut [f64]) {
        for pixel in values.as_chunks_mut::<3>().0 {
            for (channel, value) in pixel.iter_mut().enumerate() {
                if self.settings.featurewise_center {
                    *value -= self.mean[channel];
                }
                if self.settings.featurewise_std_normalization {
                    *value /= self.deviation[channel] + EPSILON;
                }
            }
        }
    }
}

fn scaled(image: &FloatImage, rescale: f64) -> impl Iterator<Item = f64> + Clone {
    image.values.iter().map(move |&value| f64::from(value) * rescale)
}

/// Mean and standard deviation of each channel over all images, in two passes because one loses digits.
fn channel_statistics(
    images: impl Iterator<Item = FloatImage> + Clone,
    rescale: f64,
) -> ([f64; 3], [f64; 3]) {
    let mean_of = |term: &dyn Fn(usize, f64) -> f64| {
        let (mut sums, mut pixels) = ([0.0; 3], 0);
        for image in images.clone() {
            pixels += image.pixels().len();
            for pixel in image.pixels() {
                for channel in 0..3 {
                    sums[channel] += term(channel, f64::from(pixel[channel]) * rescale);
                }
            }
        }
        sums.map(|sum| sum / pixels as f64)
    };
    let mean = mean_of(&|_, value| value);
    let variance = mean_of(&|channel, value| (value - mean[channel]).powi(2));
    (mean, variance.map(f64::sqrt))
}

/// Mean and standard deviation, in two passes because one loses digits.
fn statistics(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let (count, sum) = values.clone().fold((0usize, 0.0), |(count, sum), value| (count + 1, sum + value));
    let mean = sum / count as f64;
    let squares: f64 = values.map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / count as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use engraft_testing::noise_u8;

    use super::*;
    use crate::Image;

    #[test]
    fn what_cannot_be_learnt_is_named() {
        let image = |width| FloatImage::new(1, width, vec![1.0; 3 * width]).unwrap();
        let whitening = Standardization { zca_whitening: true, ..Standardization::default() };
        assert_eq!(whitening.fit([].into_iter(), &|| false), Err(StandardizeError::NoImages));
        let error = whitening.fit([image(1), image(2)].into_iter(), &|| false).unwrap_err();
        assert_eq!(error.to_string(), "an image is (1, 2), expected (1, 1) (height, width) as the others");
        let large = std::iter::repeat_n(image(1000), 2000);
        let error = whitening.fit(large, &|| false).unwrap_err().to_string();
        assert!(error.contains("2000 images of 3000 values is too large"), "{error}");
        let learnt = whitening.fit([image(2)].into_iter(), &|| false).unwrap();
        assert_eq!(learnt.apply(&image(2)).unwrap().len(), 6);
        assert!(learnt.apply(&image(3)).is_err());
    }

    #[test]
    fn whitening_stops_wherever_it_is_asked_to() {
        let settings = Standardization { zca_whitening: true, ..Standardization::default() };
        for (width, what) in [(2, "products of columns"), (9, "products of rows")] {
            let image =
                |seed| FloatImage::from(&Image { width, height: 1, pixels: noise_u8(seed, 3 * width) });
            let fit = |questions: usize| {
                let asked = Cell::new(0);
                let is_cancelled = || {
                    asked.set(asked.get() + 1);
                    asked.get() > questions
                };
                let learnt = settings.fit((0..8).map(image), &is_cancelled);
                (learnt, asked.get())
            };
            let (learnt, asked) = fit(usize::MAX);
            learnt.unwrap();
            assert!(asked > 50, "{what}: asked {asked} times");
            for questions in 0..asked {
                let (stopped, more) = fit(questions);
                assert_eq!(stopped, Err(StandardizeError::Cancelled), "{what}: {questions}");
                assert!(more < questions + 10, "{what}: it went on for {more} after {questions} questions");
            }
        }
    }

    #[test]
    fn what_was_learnt_is_the_same_from_a_file() {
        let image = |seed| FloatImage::from(&Image { width: 2, height: 2, pixels: noise_u8(seed, 12) });
        let settings =
            Standardization { zca_whitening: true, samplewise_center: true, ..Standardization::default() };
        let learnt = settings.fit((0..5).map(image), &|| false).unwrap();
        let json = serde_json::to_string(&learnt).unwrap();
        let read: Standardizer = serde_json::from_str(&json).unwrap();
        assert!(!read.is_usable(12), "the directions are missing");
        let read = read.with_directions(learnt.directions().unwrap().to_vec());
        assert_eq!(read, learnt);
        assert!(read.is_usable(12) && !read.is_usable(27));
        let broken = Standardizer { deviation: [1.0, f64::NAN, 1.0], ..learnt };
        assert!(!broken.is_usable(12));
    }
}
