//! Proves backbones with their full weight files: EfficientNet-Lite against PyTorch, its classifier on photographs, and
//! MobileNet against Keras on charts.
//!
//! `cargo run --release --example prove_backbones -- WEIGHTS_FOLDER DATA_FOLDER`
//!
//! WEIGHTS_FOLDER holds the files that `reference/lite_features.py` and `keras_charts.py` describe, DATA_FOLDER the
//! pictures.
//! What is absent is said to be skipped; what does not agree ends the program with an error.

#[path = "../tests/backbones/reference.rs"]
mod reference;

use std::{env, error::Error, path::Path};

use engraft_data::{Filter, Fit, Limits, MemoryBudget, fit_image, read_and_decode};
use engraft_testing::{Golden, Tolerance, assert_close};
use engraft_zoo::{BackboneSpec, Ending, Opened, Source, backbone, open};

/// Those of which there are goldens by PyTorch.
const LITE: [&str; 3] = ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"];

/// MobileNet's official file, a golden of which is by Keras.
const MOBILENET: (&str, &str) = ("mobilenet_075", "mobilenet_7_5_224_tf_no_top.h5");

/// Agreement asked for on charts, as a part of the largest feature.
const TOLERANCE: f32 = 1e-4;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [weights, data] = &arguments[..] else {
        return Err("usage: prove_backbones WEIGHTS_FOLDER DATA_FOLDER".into());
    };
    for name in LITE {
        let spec = backbone(name)?;
        let file = Path::new(weights).join(format!("{name}.safetensors"));
        if !file.exists() {
            println!("{name}: SKIPPED, there is no {}", file.display());
            continue;
        }
        prove_features(spec, &file)?;
        let classifier = open(spec.name, Source::File(&file), Ending::Logits)?;
        prove_labels_of_patterns(&classifier)?;
        prove_labels_of_photographs(&classifier, Path::new(data))?;
    }
    prove_mobilenet(Path::new(weights), Path::new(data))
}

fn prove_mobilenet(weights: &Path, data: &Path) -> Result<(), Box<dyn Error>> {
    let (name, file) = MOBILENET;
    let file = weights.join(file);
    if !file.exists() {
        println!("{name}: SKIPPED, there is no {}", file.display());
        return Ok(());
    }
    let opened = open(name, Source::File(&file), Ending::Features)?;
    let golden = Golden::open(&format!("zoo/{name}_charts"));
    let Some(pixels) = pictures(&opened, data, &golden, (Fit::Stretch, Filter::Nearest))? else {
        return Ok(());
    };
    let features = reference::run(&opened.graph, &opened, &pixels);
    let want = golden.f32("features");
    let largest = want.iter().fold(0.0, |largest: f32, value| largest.max(value.abs()));
    assert_close(&features, &want, Tolerance::abs(TOLERANCE * largest));
    let deviations = features.iter().zip(&want).map(|(got, want)| (got - want).abs());
    let deviation = deviations.fold(0.0, f32::max) / largest;
    println!("{name}: features of charts agree to {deviation:.1e} of the largest");
    Ok(())
}

fn prove_features(spec: &BackboneSpec, file: &Path) -> Result<(), Box<dyn Error>> {
    let opened = open(spec.name, Source::File(file), Ending::Features)?;
    let deviation = reference::assert_agrees(&opened, spec.name);
    println!("{}: features agree to {deviation:.1e} of the largest", spec.name);
    Ok(())
}

fn prove_labels_of_patterns(classifier: &Opened) -> Result<(), Box<dyn Error>> {
    let want = Golden::open(&format!("zoo/{}", classifier.spec.name)).usize("labels");
    let found = labels(classifier, &reference::patterns(classifier.spec));
    println!("{}: labels of patterns {found:?}", classifier.spec.name);
    if found == want { Ok(()) } else { Err(format!("found {found:?}, expected {want:?}").into()) }
}

/// The photographs are ones that Lite0 in PyTorch labels rightly, so only Lite0 must label all of them rightly.
fn prove_labels_of_photographs(classifier: &Opened, data: &Path) -> Result<(), Box<dyn Error>> {
    let name = classifier.spec.name;
    let golden = Golden::open("zoo/photographs");
    let Some(pixels) = pictures(classifier, data, &golden, (Fit::Crop, Filter::Bicubic))? else {
        return Ok(());
    };
    let (found, want) = (labels(classifier, &pixels), golden.usize("labels"));
    let right = found.iter().zip(&want).filter(|(found, want)| found == want).count();
    println!("{name}: {right} of {} photographs get the right label", want.len());
    if name == "efficientnet_lite0" && right < want.len() {
        return Err(format!("found {found:?}, expected {want:?}").into());
    }
    Ok(())
}

/// The pictures that a golden lists, at the network's size, unless one is absent.
fn pictures(
    network: &Opened,
    data: &Path,
    golden: &Golden,
    resizing: (Fit, Filter),
) -> Result<Option<Vec<Vec<u8>>>, Box<dyn Error>> {
    let paths = String::from_utf8(golden.u8("paths"))?;
    if let Some(absent) = paths.lines().map(|path| data.join(path)).find(|path| !path.exists()) {
        println!("{}: pictures SKIPPED, there is no {}", network.spec.name, absent.display());
        return Ok(None);
    }
    let side = network.spec.preprocessing.input_side_px;
    paths.lines().map(|path| picture(&data.join(path), side, resizing)).collect::<Result<_, _>>().map(Some)
}

fn picture(path: &Path, side: usize, (fit, filter): (Fit, Filter)) -> Result<Vec<u8>, Box<dyn Error>> {
    let limits = Limits::default();
    let read = read_and_decode(path, &limits, &MemoryBudget::new(limits.max_decode_bytes))?;
    Ok(fit_image(&read.image, side, fit, filter).pixels)
}

/// The place of the highest score of each image.
fn labels(classifier: &Opened, images: &[Vec<u8>]) -> Vec<usize> {
    let classes = classifier.graph.output_shape().len();
    let logits = reference::run(&classifier.graph, classifier, images);
    logits.chunks_exact(classes).map(label).collect()
}

fn label(scores: &[f32]) -> usize {
    (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).expect("there are classes")
}
