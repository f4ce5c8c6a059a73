//! Proves every backbone against PyTorch with its full weight file, and the classifier on photographs.
//!
//! `cargo run --release --example prove_backbones -- WEIGHTS_FOLDER DATA_FOLDER`
//!
//! WEIGHTS_FOLDER holds `NAME.safetensors` as `reference/lite_features.py` describes them, DATA_FOLDER the photographs.
//! What is absent is said to be skipped; what does not agree ends the program with an error.

#[path = "../tests/backbones/reference.rs"]
mod reference;

use std::{env, error::Error, path::Path};

use engraft_data::{Filter, Fit, Limits, MemoryBudget, fit_image, read_and_decode};
use engraft_testing::Golden;
use engraft_zoo::{BackboneSpec, Ending, Opened, Source, backbones, open};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [weights, data] = &arguments[..] else {
        return Err("usage: prove_backbones WEIGHTS_FOLDER DATA_FOLDER".into());
    };
    for spec in backbones() {
        let file = Path::new(weights).join(format!("{}.safetensors", spec.name));
        if !file.exists() {
            println!("{}: SKIPPED, there is no {}", spec.name, file.display());
            continue;
        }
        prove_features(spec, &file)?;
        let classifier = open(spec.name, Source::File(&file), Ending::Logits)?;
        prove_labels_of_patterns(&classifier)?;
        prove_labels_of_photographs(&classifier, Path::new(data))?;
    }
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
    let paths = String::from_utf8(golden.u8("paths"))?;
    if let Some(absent) = paths.lines().map(|path| data.join(path)).find(|path| !path.exists()) {
        println!("{name}: photographs SKIPPED, there is no {}", absent.display());
        return Ok(());
    }
    let side = classifier.spec.preprocessing.input_side_px;
    let pixels: Result<Vec<_>, _> = paths.lines().map(|path| photograph(&data.join(path), side)).collect();
    let (found, want) = (labels(classifier, &pixels?), golden.usize("labels"));
    let right = found.iter().zip(&want).filter(|(found, want)| found == want).count();
    println!("{name}: {right} of {} photographs get the right label", want.len());
    if name == "efficientnet_lite0" && right < want.len() {
        return Err(format!("found {found:?}, expected {want:?}").into());
    }
    Ok(())
}

fn photograph(path: &Path, side: usize) -> Result<Vec<u8>, Box<dyn Error>> {
    let limits = Limits::default();
    let read = read_and_decode(path, &limits, &MemoryBudget::new(limits.max_decode_bytes))?;
    Ok(fit_image(&read.image, side, Fit::Crop, Filter::Bicubic).pixels)
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
