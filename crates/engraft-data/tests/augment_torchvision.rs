//! Colour, tone, blur and batch augmentations against goldens made by torchvision (`reference/augment_torchvision.py`).

// Helpers of tests fail like tests; clippy knows that of test functions only.
#![allow(clippy::unwrap_used)]

use engraft_data::augment::{
    CropBox, Draft, Fill, FillMode, FloatImage, PolicyOp, SoftBatch, adjust_brightness, adjust_contrast,
    adjust_hue, adjust_saturation, adjust_sharpness, cutmix, erase, gaussian_blur, mixup, resized_crop,
    to_greyscale,
};
use engraft_testing::Golden;

/// On the scale 0..=255: torchvision computes in f32 on 0..=1.
const COLOR: f32 = 1e-3;

/// torchvision computes sampling coordinates in f32 on a scale of -1..=1: about 1e-6 of 22 pixels, times a step of 255.
const GEOMETRIC: f32 = 2e-2;

fn source(golden: &Golden) -> FloatImage {
    let shape = golden.shape("source");
    let values = golden.u8("source").into_iter().map(f32::from).collect();
    FloatImage::new(shape[0], shape[1], values).unwrap()
}

/// The largest difference where the golden is a number, and the share of those.
fn difference(got: &[f32], want: &[f32]) -> (f32, f32) {
    assert_eq!(got.len(), want.len());
    let seen: Vec<f32> = got
        .iter()
        .zip(want)
        .filter(|(_, want)| !want.is_nan())
        .map(|(got, want)| (got - want).abs())
        .collect();
    (seen.iter().copied().fold(0.0, f32::max), seen.len() as f32 / got.len() as f32)
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(',').map(|number| number.parse().unwrap()).collect()
}

fn crop_box(text: &str) -> CropBox {
    let [top, left, height, width] = numbers(text)[..] else { panic!("{text} is no box") };
    CropBox { top: top as usize, left: left as usize, height: height as usize, width: width as usize }
}

/// What we make of `OPERATION/STRENGTH`, and its tolerance; `None` for names that are something else.
fn ours(name: &str, image: &FloatImage) -> Option<(Vec<f32>, f32)> {
    let (operation, strength) = name.rsplit_once('/')?;
    let changed = |change: &dyn Fn(&mut FloatImage)| {
        let mut image = image.clone();
        change(&mut image);
        Some((image.values, COLOR))
    };
    let factor = strength.parse::<f32>().unwrap_or(f32::NAN);
    match operation {
        "adjust_brightness" => changed(&|image| adjust_brightness(image, factor)),
        "adjust_contrast" => changed(&|image| adjust_contrast(image, factor)),
        "adjust_saturation" => changed(&|image| adjust_saturation(image, factor)),
        "adjust_hue" => changed(&|image| adjust_hue(image, factor)),
        "adjust_sharpness" => changed(&|image| adjust_sharpness(image, factor)),
        "rgb_to_grayscale" => changed(&to_greyscale),
        "gaussian_blur" => changed(&|image| gaussian_blur(image, strength.parse().unwrap())),
        "erase" => changed(&|image| erase(image, crop_box(strength), 0.0)),
        _ => operation.strip_prefix("policy/").map(|operation| policy(operation, f64::from(factor), image)),
    }
}

fn policy(operation: &str, magnitude: f64, image: &FloatImage) -> (Vec<f32>, f32) {
    let factor = 1.0 + magnitude as f32;
    let (op, tolerance) = match operation {
        "ShearX" => (PolicyOp::ShearX(magnitude), GEOMETRIC),
        "ShearY" => (PolicyOp::ShearY(magnitude), GEOMETRIC),
        "TranslateX" => (PolicyOp::TranslateX(magnitude), GEOMETRIC),
        "TranslateY" => (PolicyOp::TranslateY(magnitude), GEOMETRIC),
        "Rotate" => (PolicyOp::Rotate(magnitude), GEOMETRIC),
        "Brightness" => (PolicyOp::Brightness(factor), COLOR),
        "Color" => (PolicyOp::Color(factor), COLOR),
        "Contrast" => (PolicyOp::Contrast(factor), COLOR),
        "Sharpness" => (PolicyOp::Sharpness(factor), COLOR),
        "AutoContrast" => (PolicyOp::AutoContrast, COLOR),
        "Solarize" => (PolicyOp::Solarize(255.0 * magnitude as f32), COLOR),
        "Posterize" => (PolicyOp::Posterize(magnitude as u32), 0.0),
        "Equalize" => (PolicyOp::Equalize, 0.0),
        other => panic!("{other} is no operation"),
    };
    let mut draft = Draft::new(image.clone(), Fill { mode: FillMode::Nearest, value: 0.0 });
    op.apply(&mut draft);
    (draft.finish().values, tolerance)
}

#[test]
fn every_operation_equals_torchvision() {
    let golden = Golden::open("data/augment_torchvision");
    let image = source(&golden);
    let mut compared = 0;
    for name in golden.names() {
        let Some((got, tolerance)) = ours(&name, &image) else { continue };
        let (apart, share) = difference(&got, &golden.f32(&name));
        println!("{name}: {apart} apart, {:.0} % compared", 100.0 * share);
        assert!(apart <= tolerance, "{name}: {apart} apart");
        assert!(share > 0.4, "{name}: only {share} of the pixels can be compared");
        compared += 1;
    }
    assert_eq!(compared, 3 + 3 + 3 + 4 + 3 + 1 + 3 + 1 + 20 + 4 + 1);
}

#[test]
fn a_resized_crop_equals_torchvision_away_from_its_border() {
    let golden = Golden::open("data/augment_torchvision");
    let image = source(&golden);
    let (height, width) = (image.height, image.width);
    let names = golden.names().into_iter().filter(|name| name.starts_with("resized_crop/"));
    let mut compared = 0;
    for name in names {
        let part = crop_box(name.rsplit_once('/').unwrap().1);
        let mut draft = Draft::new(image.clone(), Fill { mode: FillMode::Nearest, value: 0.0 });
        draft.transform(resized_crop(part, (height, width)));
        let (got, mut want) = (draft.finish(), golden.f32(&name));
        // Half a source pixel along the border sees beyond the part.
        let (rows, columns) = (height.div_ceil(2 * part.height), width.div_ceil(2 * part.width));
        for (index, pixel) in want.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let (row, column) = (index / width, index % width);
            let inside = (rows..height - rows).contains(&row) && (columns..width - columns).contains(&column);
            if !inside {
                *pixel = [f32::NAN; 3];
            }
        }
        let (apart, share) = difference(&got.values, &want);
        assert!(apart <= COLOR && share > 0.4, "{name}: {apart} apart, {share} compared");
        compared += 1;
    }
    assert_eq!(compared, 3);
}

#[test]
fn mixed_batches_equal_torchvision() {
    let golden = Golden::open("data/augment_torchvision");
    let shape = golden.shape("batch");
    let image = |values: &[f32]| FloatImage::new(shape[1], shape[2], values.to_vec()).unwrap();
    let images = golden.f32("batch").chunks(shape[1] * shape[2] * 3).map(image).collect();
    let labels = golden.f32("labels").chunks(3).map(<[f32]>::to_vec).collect();
    let batch = SoftBatch::new(images, labels).unwrap();
    for number in 0..4 {
        for kind in ["mixup", "cutmix"] {
            let name = format!("{kind}/{number}");
            let drawn = golden.f64(&format!("{name}/drawn"));
            let mut got = batch.clone();
            if kind == "mixup" {
                mixup(&mut got, drawn[0] as f32);
            } else {
                let [left, top, right, bottom] = [0, 1, 2, 3].map(|i| drawn[i] as usize);
                cutmix(&mut got, CropBox { top, left, height: bottom - top, width: right - left });
            }
            let pixels: Vec<f32> = got.images().iter().flat_map(|image| image.values.clone()).collect();
            let (apart, _) = difference(&pixels, &golden.f32(&format!("{name}/images")));
            assert!(apart <= COLOR, "{name}: images {apart} apart");
            let (apart, _) = difference(&got.labels().concat(), &golden.f32(&format!("{name}/labels")));
            assert!(apart <= 1e-6, "{name}: labels {apart} apart");
        }
    }
}
