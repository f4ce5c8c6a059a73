//! Manufactured samples: every augmentation is a setting, a random draw, and a plain function that applies what was drawn.
//!
//! A new one is a file in `augment/` and a line in the list below. An image goes through the list from top to bottom;
//! neighbouring geometric ones are multiplied into one affine map and resampled once.

mod display;
mod error;
mod parse;
mod presets;
mod setting; // start here

mod affine;
mod draft;
mod float_image;
mod resample;
mod soft_batch;
mod switch;

mod beta;
mod color;
mod draws;
mod policy;
mod shift;
mod tone;

use serde::{Deserialize, Serialize};

use crate::rng::Rng;

pub use affine::Affine;
pub use color::{adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation};
pub use draft::Draft;
pub use draws::{Chance, copy_rng};
pub use error::AugmentError;
pub use float_image::FloatImage;
pub use policy::PolicyOp;
pub use presets::{PRESETS, Preset};
pub use resample::{Fill, FillMode, FillValue, resample};
pub use setting::{Augment, Setting};
pub use shift::ShiftRange;
pub use soft_batch::{BatchError, SoftBatch};
pub use switch::{Positive, Switch};
pub use tone::{adjust_sharpness, autocontrast, equalize, posterize, solarize};

pub use blur::{Blur, gaussian_blur};
pub use brightness::{Brightness, scale_bytes};
pub use channel_shift::{ChannelShift, shift_channels};
pub use color_jitter::ColorJitter;
pub use crop::{Crop, CropBox, resized_crop};
pub use cutmix::{Cutmix, box_around, cutmix};
pub use erasing::{Erasing, erase};
pub use greyscale::{Greyscale, to_greyscale};
pub use height_shift::{HeightShift, shift_rows};
pub use horizontal_flip::{HorizontalFlip, flip_columns};
pub use mixup::{Mixup, mixup};
pub use noise::{Noise, add_noise};
pub use rand_augment::RandAugment;
pub use rotation::{Rotation, rotate};
pub use shear::{Shear, shear};
pub use trivial_augment::TrivialAugment;
pub use vertical_flip::{VerticalFlip, flip_rows};
pub use width_shift::{WidthShift, shift_columns};
pub use zoom::{Zoom, zoom};

/// Declares the modules, the settings as one struct, and what is done with each of them, all from one list.
macro_rules! augmentations {
    (
        images { $($image:ident: $Image:ident,)* }
        batches { $($batch:ident: $Batch:ident,)* }
        standardization { $($standard:ident: $Standard:ident,)* }
        fill { $($fill:ident: $Fill:ident,)* }
    ) => {
        $(mod $image;)*
        $(mod $batch;)*

        /// Every setting as a person gave it; what is absent is off.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub struct AugmentSettings {
            $(
                #[doc = concat!("See [`", stringify!($Image), "`].")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $image: Option<$Image>,
            )*
            $(
                #[doc = concat!("See [`", stringify!($Batch), "`].")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $batch: Option<$Batch>,
            )*
            $(
                #[doc = concat!("See [`crate::Standardization`]`::", stringify!($standard), "`.")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $standard: Option<$Standard>,
            )*
            $(
                #[doc = concat!("See [`", stringify!($Fill), "`].")]
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $fill: Option<$Fill>,
            )*
        }

        impl AugmentSettings {
            /// The names of all settings, with `_` for the `-` that a person writes.
            const NAMES: &[&str] = &[
                $(stringify!($image),)* $(stringify!($batch),)* $(stringify!($standard),)* $(stringify!($fill),)*
            ];

            /// Sets one of [`AugmentSettings::NAMES`].
            fn set(&mut self, name: &str, value: toml::Value) -> Result<(), AugmentError> {
                match name {
                    $(stringify!($image) => self.$image = Some(parse::setting(name, value)?),)*
                    $(stringify!($batch) => self.$batch = Some(parse::setting(name, value)?),)*
                    $(stringify!($standard) => self.$standard = Some(parse::setting(name, value)?),)*
                    $(stringify!($fill) => self.$fill = Some(parse::setting(name, value)?),)*
                    _ => return Err(AugmentError::unknown_key(name)),
                }
                Ok(())
            }

            fn check_each(&self) -> Result<(), AugmentError> {
                $(parse::check(stringify!($image), self.$image.as_ref())?;)*
                $(parse::check(stringify!($batch), self.$batch.as_ref())?;)*
                $(parse::check(stringify!($standard), self.$standard.as_ref())?;)*
                $(parse::check(stringify!($fill), self.$fill.as_ref())?;)*
                Ok(())
            }

            /// The changes of single images, in order.
            fn changes(&self) -> Vec<&dyn Augment> {
                let changes = [$(self.$image.as_ref().map(|change| change as &dyn Augment),)*];
                changes.into_iter().flatten().collect()
            }

            /// The settings that make one image out of another.
            fn of_images(&self) -> AugmentSettings {
                AugmentSettings { $($batch: None,)* $($standard: None,)* ..self.clone() }
            }

            /// The first setting that does more than to make one image out of another, as a person writes it.
            fn beyond_images(&self) -> Option<String> {
                $(if self.$batch.is_some() { return Some(parse::key(stringify!($batch))); })*
                $(if self.$standard.is_some() { return Some(parse::key(stringify!($standard))); })*
                None
            }
        }
    };
}

// Keras' order is affine, channel shift, flips, brightness. The flips stand before the channel shift here, which gives the
// same values and saves resampling twice.
augmentations! {
    images {
        crop: Crop,
        rotation: Rotation,
        height_shift: HeightShift,
        width_shift: WidthShift,
        shear: Shear,
        zoom: Zoom,
        horizontal_flip: HorizontalFlip,
        vertical_flip: VerticalFlip,
        rand_augment: RandAugment,
        trivial_augment: TrivialAugment,
        channel_shift: ChannelShift,
        brightness: Brightness,
        color_jitter: ColorJitter,
        greyscale: Greyscale,
        blur: Blur,
        noise: Noise,
        erasing: Erasing,
    }
    batches {
        mixup: Mixup,
        cutmix: Cutmix,
    }
    standardization {
        rescale: Positive,
        samplewise_center: Switch,
        samplewise_std_normalization: Switch,
        featurewise_center: Switch,
        featurewise_std_normalization: Switch,
        zca_whitening: Switch,
        zca_epsilon: Positive,
    }
    fill {
        fill: FillMode,
        cval: FillValue,
    }
}

/// Checked settings, with defaults filled in: only [`AugmentSettings::check`] makes one, so nothing can fail later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "AugmentSettings", into = "AugmentSettings")]
pub struct Augmentation(AugmentSettings);

impl AugmentSettings {
    /// Checks every value and fills in how images go on beyond their edges.
    ///
    /// # Errors
    /// [`AugmentError::Value`] for the first value that is out of its range.
    pub fn check(mut self) -> Result<Augmentation, AugmentError> {
        self.check_each()?;
        self.fill.get_or_insert(FillMode::Nearest);
        self.cval.get_or_insert(FillValue(0.0));
        Ok(Augmentation(self))
    }
}

impl Augmentation {
    /// The settings, defaults included: what a model remembers.
    pub fn settings(&self) -> &AugmentSettings {
        &self.0
    }

    /// A manufactured copy of `image`, of the same size.
    pub fn apply(&self, image: FloatImage, rng: &mut Rng) -> FloatImage {
        let mut draft = Draft::new(image, self.fill());
        for change in self.0.changes() {
            change.apply(&mut draft, rng);
        }
        draft.finish()
    }

    /// Whether [`Augmentation::mix`] does anything.
    pub fn mixes(&self) -> bool {
        self.0.mixup.is_some() || self.0.cutmix.is_some()
    }

    /// Mixes images and labels of a batch: by MixUp or CutMix, each as often where both are set.
    pub fn mix(&self, batch: &mut SoftBatch, rng: &mut Rng) {
        let AugmentSettings { mixup, cutmix, .. } = &self.0;
        let cuts = cutmix.is_some() && (mixup.is_none() || rng.chance(0.5));
        match (mixup, cutmix) {
            (_, Some(cutmix)) if cuts => cutmix.apply(batch, rng),
            (Some(mixup), _) => mixup.apply(batch, rng),
            _ => {}
        }
    }

    /// The same without what [`Augmentation::apply`] leaves to training.
    pub fn of_images(&self) -> Augmentation {
        Augmentation(self.0.of_images())
    }

    /// The first setting that [`Augmentation::apply`] leaves to training: one for whole batches, or a standardisation.
    pub fn beyond_images(&self) -> Option<String> {
        self.0.beyond_images()
    }

    fn fill(&self) -> Fill {
        let mode = self.0.fill.unwrap_or(FillMode::Nearest);
        Fill { mode, value: self.0.cval.map_or(0.0, |FillValue(value)| value) }
    }
}

impl TryFrom<AugmentSettings> for Augmentation {
    type Error = AugmentError;

    fn try_from(settings: AugmentSettings) -> Result<Augmentation, AugmentError> {
        settings.check()
    }
}

impl From<Augmentation> for AugmentSettings {
    fn from(augmentation: Augmentation) -> AugmentSettings {
        augmentation.0
    }
}
