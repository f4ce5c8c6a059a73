//! The operations that RandAugment and TrivialAugment choose from, and how strong each is.

use super::{
    Affine, Draft,
    color::{adjust_brightness, adjust_contrast, adjust_saturation},
    rotation::rotate,
    tone::{adjust_sharpness, autocontrast, equalize, posterize, solarize},
};
use crate::rng::Rng;

/// One operation with its drawn strength.
///
/// Source: `_apply_op` in `torchvision/transforms/autoaugment.py`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PolicyOp {
    /// Nothing.
    Identity,
    /// Rows slide by this many columns per row; the top left corner stays.
    ShearX(f64),
    /// Columns slide by this many rows per column; the top left corner stays.
    ShearY(f64),
    /// To the right, in whole pixels.
    TranslateX(f64),
    /// Down, in whole pixels.
    TranslateY(f64),
    /// Counter-clockwise, in degrees.
    Rotate(f64),
    /// Factor, 1 changes nothing.
    Brightness(f32),
    /// Factor of saturation, 1 changes nothing.
    Color(f32),
    /// Factor, 1 changes nothing.
    Contrast(f32),
    /// Factor, 1 changes nothing.
    Sharpness(f32),
    /// Bits that are kept.
    Posterize(u32),
    /// Threshold in 0..=255.
    Solarize(f32),
    /// Every channel from 0 to 255.
    AutoContrast,
    /// Every tone as frequent.
    Equalize,
}

/// How strong each kind of operation is at the highest magnitude; at the lowest it changes nothing.
pub(super) struct Strengths {
    pub shear: f64,
    /// `[height, width]` in pixels.
    pub translate_px: [f64; 2],
    pub rotate_deg: f64,
    /// Distance of the factors of colour, contrast and the like from 1.
    pub factor: f64,
    /// Bits that posterizing takes away.
    pub posterize_bits: f64,
}

impl Strengths {
    fn kept_bits(&self, magnitude: f64) -> u32 {
        8 - (magnitude * self.posterize_bits).round() as u32
    }
}

impl PolicyOp {
    /// How many operations there are.
    const COUNT: usize = 14;

    /// Does it.
    pub fn apply(self, draft: &mut Draft) {
        match self {
            PolicyOp::Identity => {}
            PolicyOp::ShearX(slope) => draft.transform(shear_x(slope, draft.size().0)),
            PolicyOp::ShearY(slope) => draft.transform(shear_y(slope, draft.size().1)),
            PolicyOp::TranslateX(distance_px) => draft.transform(Affine::shift(0.0, -distance_px)),
            PolicyOp::TranslateY(distance_px) => draft.transform(Affine::shift(-distance_px, 0.0)),
            PolicyOp::Rotate(angle_deg) => draft.transform(rotate(angle_deg)),
            PolicyOp::Brightness(factor) => adjust_brightness(draft.image(), factor),
            PolicyOp::Color(factor) => adjust_saturation(draft.image(), factor),
            PolicyOp::Contrast(factor) => adjust_contrast(draft.image(), factor),
            PolicyOp::Sharpness(factor) => adjust_sharpness(draft.image(), factor),
            PolicyOp::Posterize(bits) => posterize(draft.image(), bits),
            PolicyOp::Solarize(threshold) => solarize(draft.image(), threshold),
            PolicyOp::AutoContrast => autocontrast(draft.image()),
            PolicyOp::Equalize => equalize(draft.image()),
        }
    }

    /// Any operation as likely; `magnitude` in 0..=1 is its share of `strengths`, either way where there are two.
    pub(super) fn draw(magnitude: f64, strengths: &Strengths, rng: &mut Rng) -> PolicyOp {
        let kind = rng.below(PolicyOp::COUNT);
        let sign = if rng.chance(0.5) { 1.0 } else { -1.0 };
        let signed = |most: f64| sign * magnitude * most;
        let factor = (1.0 + signed(strengths.factor)) as f32;
        match kind {
            0 => PolicyOp::Identity,
            1 => PolicyOp::ShearX(signed(strengths.shear)),
            2 => PolicyOp::ShearY(signed(strengths.shear)),
            3 => PolicyOp::TranslateX(signed(strengths.translate_px[1]).trunc()),
            4 => PolicyOp::TranslateY(signed(strengths.translate_px[0]).trunc()),
            5 => PolicyOp::Rotate(signed(strengths.rotate_deg)),
            6 => PolicyOp::Brightness(factor),
            7 => PolicyOp::Color(factor),
            8 => PolicyOp::Contrast(factor),
            9 => PolicyOp::Sharpness(factor),
            10 => PolicyOp::Posterize(strengths.kept_bits(magnitude)),
            11 => PolicyOp::Solarize((255.0 * (1.0 - magnitude)) as f32),
            12 => PolicyOp::AutoContrast,
            _ => PolicyOp::Equalize,
        }
    }
}

/// The top left corner of an image of `height` rows lies half of them above its centre.
fn shear_x(slope: f64, height: usize) -> Affine {
    Affine { matrix: [[1.0, 0.0], [slope, 1.0]], shift: [0.0, slope * height as f64 / 2.0] }
}

fn shear_y(slope: f64, width: usize) -> Affine {
    Affine { matrix: [[1.0, slope], [0.0, 1.0]], shift: [slope * width as f64 / 2.0, 0.0] }
}

#[cfg(test)]
pub(super) mod tests {
    use engraft_testing::Golden;

    use super::*;

    /// Compares with the table that torchvision has for an image of 100 x 331 pixels, at each of its 31 magnitudes.
    pub fn assert_equals_torchvision(policy: &str, strengths: &Strengths) {
        let golden = Golden::open("data/augment_torchvision");
        let [height_px, width_px] = strengths.translate_px;
        for (op, most) in [
            ("ShearX", strengths.shear),
            ("ShearY", strengths.shear),
            ("TranslateX", width_px),
            ("TranslateY", height_px),
            ("Rotate", strengths.rotate_deg),
            ("Brightness", strengths.factor),
            ("Color", strengths.factor),
            ("Contrast", strengths.factor),
            ("Sharpness", strengths.factor),
        ] {
            let table = golden.f64(&format!("strengths/{policy}/{op}"));
            assert_eq!(table.len(), 31, "{op}");
            for (index, want) in table.into_iter().enumerate() {
                let got = most * index as f64 / 30.0;
                assert!((got - want).abs() <= 1e-6 * most, "{op} {index}: got {got}, want {want}");
            }
        }
        for (index, want) in golden.f64(&format!("strengths/{policy}/Posterize")).into_iter().enumerate() {
            assert_eq!(f64::from(strengths.kept_bits(index as f64 / 30.0)), want, "posterize {index}");
        }
    }
}
