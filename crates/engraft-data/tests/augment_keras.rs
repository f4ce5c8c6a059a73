//! Augmentation, standardisation and the split against goldens made by Keras (`reference/augment.py`).

// Helpers of tests fail like tests; clippy knows that of test functions only.
#![allow(clippy::unwrap_used)]

use engraft_data::{
    Standardization,
    augment::{
        Affine, Draft, Fill, FillMode, FloatImage, flip_columns, flip_rows, rotate, scale_bytes, shear,
        shift_channels, shift_columns, shift_rows, zoom,
    },
    validation_split,
};
use engraft_testing::{Golden, Tolerance, assert_close};

/// Interpolated pixels on the scale 0..=255: Keras blends in f64, we in f32.
const INTERPOLATED: Tolerance = Tolerance::abs(1e-3);

/// The parameters of one case by their order in the golden; `None` where Keras was not given one.
struct Parameters([Option<f64>; 10]);

impl Parameters {
    fn new(values: &[f64]) -> Parameters {
        Parameters(std::array::from_fn(|i| Some(values[i]).filter(|value| !value.is_nan())))
    }

    fn is_exact(&self) -> bool {
        let [theta, tx, ty, shear, zx, zy, ..] = self.0;
        let is_whole = |shift: Option<f64>| shift.is_none_or(|shift| shift.fract() == 0.0);
        [theta, shear, zx, zy].iter().all(Option::is_none) && is_whole(tx) && is_whole(ty)
    }

    fn apply(&self, image: FloatImage, fill: Fill) -> FloatImage {
        let [theta, tx, ty, shear_deg, zx, zy, flip_horizontal, flip_vertical, channel_shift, brightness] =
            self.0;
        let map = rotate(theta.unwrap_or(0.0))
            * shift_rows(ty.unwrap_or(0.0))
            * shift_columns(tx.unwrap_or(0.0))
            * shear(shear_deg.unwrap_or(0.0))
            * zoom(zy.unwrap_or(1.0), zx.unwrap_or(1.0));
        let map = about_keras_centre(map, image.height as f64, image.width as f64);
        let mut draft = Draft::new(image, fill);
        draft.transform(map);
        if flip_horizontal.is_some() {
            draft.transform(flip_columns());
        }
        if flip_vertical.is_some() {
            draft.transform(flip_rows());
        }
        if let Some(intensity) = channel_shift {
            shift_channels(draft.image(), intensity as f32);
        }
        if let Some(factor) = brightness {
            scale_bytes(draft.image(), factor as f32);
        }
        draft.finish()
    }
}

/// Keras takes the height for the width when it looks for the centre, which matters where they differ.
fn about_keras_centre(map: Affine, height: f64, width: f64) -> Affine {
    let offset = [(width - height) / 2.0, (height - width) / 2.0];
    let moved = |i: usize| map.matrix[i][0] * offset[0] + map.matrix[i][1] * offset[1];
    Affine { shift: [0, 1].map(|i| map.shift[i] + (offset[i] - moved(i))), ..map }
}

fn source(golden: &Golden, height: usize, width: usize) -> FloatImage {
    let bytes = golden.u8(&format!("source/{height}x{width}"));
    FloatImage::new(height, width, bytes.into_iter().map(f32::from).collect()).unwrap()
}

#[test]
fn every_case_equals_keras() {
    let golden = Golden::open("data/augment_keras");
    let modes = [FillMode::Nearest, FillMode::Constant, FillMode::Reflect, FillMode::Wrap];
    let (rows, outs) = (golden.f64("cases"), golden.f32("out"));
    let mut outs = outs.as_slice();
    let (mut cases, mut exact, mut worst) = (0, 0, 0.0f32);
    for row in rows.chunks(14) {
        let [height, width, mode, cval, ref parameters @ ..] = *row else { panic!("row {cases} is short") };
        let image = source(&golden, height as usize, width as usize);
        let want = outs.split_off(..image.values.len()).unwrap();
        let parameters = Parameters::new(parameters);
        let got = parameters.apply(image, Fill { mode: modes[mode as usize], value: cval as f32 }).values;
        let apart = got.iter().zip(want).map(|(got, want)| (got - want).abs()).fold(0.0, f32::max);
        assert!(apart <= INTERPOLATED.abs, "case {cases} is {apart} apart: {row:?}");
        if parameters.is_exact() {
            assert_close(&got, want, Tolerance::EXACT);
            exact += 1;
        }
        (cases, worst) = (cases + 1, worst.max(apart));
    }
    println!("{cases} cases, {exact} of them exact, the worst pixel {worst} apart");
    assert!(outs.is_empty() && cases >= 200 && exact >= 60, "{cases} cases, {exact} exact");
}

#[test]
fn standardisation_equals_keras() {
    let golden = Golden::open("data/augment_keras");
    let shape = golden.shape("standardize/data");
    let images: Vec<FloatImage> = golden
        .f32("standardize/data")
        .chunks(shape[1] * shape[2] * 3)
        .map(|values| FloatImage::new(shape[1], shape[2], values.to_vec()).unwrap())
        .collect();
    let off = Standardization::default();
    let small = Standardization { rescale: 1.0 / 255.0, ..off };
    let whitening = Standardization { zca_whitening: true, ..small };
    for (name, settings, count) in [
        ("rescale", small, 80),
        (
            "samplewise",
            Standardization { samplewise_center: true, samplewise_std_normalization: true, ..off },
            80,
        ),
        (
            "samplewise_std",
            Standardization { rescale: 1.0 / 127.5, samplewise_std_normalization: true, ..off },
            80,
        ),
        (
            "featurewise",
            Standardization { featurewise_center: true, featurewise_std_normalization: true, ..off },
            80,
        ),
        ("featurewise_center", Standardization { featurewise_center: true, ..small }, 80),
        ("featurewise_std", Standardization { featurewise_std_normalization: true, ..off }, 80),
        ("both", Standardization { samplewise_center: true, featurewise_std_normalization: true, ..off }, 80),
        ("zca", whitening, 80),
        ("zca_epsilon", Standardization { zca_epsilon: 0.1, ..whitening }, 80),
        (
            "zca_few",
            Standardization { zca_epsilon: 0.1, featurewise_std_normalization: true, ..whitening },
            12,
        ),
    ] {
        let standardizer = settings.fit(images[..count].iter().cloned(), &|| false).unwrap();
        let got: Vec<f32> =
            images[..count].iter().flat_map(|image| standardizer.apply(image).unwrap()).collect();
        let want = golden.f32(&format!("standardize/{name}"));
        let apart = got.iter().zip(&want).map(|(got, want)| (got - want).abs()).fold(0.0, f32::max);
        println!("{name}: the worst value {apart} apart");
        // Keras computes in f32: relative to the largest value for what was only shifted, and for whitening, which divides
        // by small singular values.
        let largest = want.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        assert_eq!(got.len(), want.len(), "{name}");
        assert!(apart <= 2e-5 * largest.max(1.0), "{name}: {apart} apart, the largest is {largest}");
    }
}

#[test]
fn the_split_equals_keras() {
    let golden = Golden::open("data/augment_keras");
    for row in golden.f64("split").as_chunks::<4>().0 {
        let [count, fraction, first, last] = *row;
        let got = validation_split(count as usize, fraction);
        let (got_first, got_last) = (got.start as f64, got.end as f64 - 1.0);
        assert_eq!((got_first, got_last), (first, last), "{fraction} of {count}");
    }
}
