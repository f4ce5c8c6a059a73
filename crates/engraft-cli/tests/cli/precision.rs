//! `--precision`: features that are rounded, kept apart in the store, and remembered by the model.
//!
//! Int8 is calibrated by the images at hand, and the model remembers that too.

use std::fs;

use serde_json::{Value, json};

use crate::fixture::{Fixture, stderr};

/// The probability of the best class for each of the drawn images.
fn probabilities(fixture: &Fixture, arguments: &[&str]) -> Vec<f64> {
    let lines = fixture.ok(&[&["predict", "model.safetensors", "data", "--json"], arguments].concat());
    let probability = |line: &str| {
        let prediction: Value = serde_json::from_str(line).unwrap();
        prediction["top"][0]["probability"].as_f64().unwrap()
    };
    lines.lines().map(probability).collect()
}

#[test]
fn a_model_remembers_its_precision() {
    let fixture = Fixture::with_data();
    let train = ["train", "data", "--fit", "stretch", "--out", "model.safetensors"];
    let report = fixture.json(&[&train[..], &["--precision", "bf16"]].concat());
    assert_eq!(report["backbone"]["precision"], "bf16");
    let description = fixture.json(&["inspect", "model.safetensors"]);
    assert_eq!(description["training"]["precision"], "bf16");
    assert!(fixture.ok(&["inspect", "model.safetensors"]).contains("efficientnet_lite0 in bf16"));
    let evaluation = fixture.json(&["evaluate", "model.safetensors", "data"]);
    assert_eq!((&evaluation["precision"], &evaluation["accuracy"]), (&json!("bf16"), &json!(1.0)));
    let evaluation = fixture.json(&["evaluate", "model.safetensors", "data", "--precision", "f32"]);
    assert_eq!((&evaluation["precision"], &evaluation["accuracy"]), (&json!("f32"), &json!(1.0)));
    let remembered = probabilities(&fixture, &[]);
    assert_eq!(remembered, probabilities(&fixture, &["--precision", "bf16"]));
    let single = probabilities(&fixture, &["--precision", "f32"]);
    assert_ne!(remembered, single);
    let apart = remembered.iter().zip(&single).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart < 0.05, "{apart}");
}

#[test]
fn precisions_are_kept_apart_in_the_store() {
    let fixture = Fixture::with_data();
    for (precision, entries) in [("f32", 12), ("bf16", 24), ("int8", 36), ("f32", 36), ("int8", 36)] {
        let table = fixture.json(&["embed", "data", "--out", "f.npy", "--precision", precision]);
        assert_eq!(table["precision"], precision);
        assert_eq!(fixture.json(&["cache", "info"])["entries"], entries, "{precision}");
    }
}

#[test]
fn threads_and_the_store_change_no_bit() {
    let fixture = Fixture::with_data();
    for precision in ["bf16", "int8"] {
        let mut files = Vec::new();
        for threads in ["1", "3", "3"] {
            let train = [
                "train",
                "data",
                "--precision",
                precision,
                "--out",
                "model",
                "--quiet",
                "--threads",
                threads,
            ];
            fixture.ok(&train);
            files.push(fs::read(fixture.path("model")).unwrap());
            if threads == "1" {
                fixture.ok(&["cache", "clear"]);
            }
        }
        assert!(files[0] == files[1] && files[1] == files[2], "{precision}");
    }
}

#[test]
fn a_processor_without_the_instructions_is_told_of() {
    let fixture = Fixture::with_data();
    let embed = ["embed", "data/discs", "--out", "f.npy", "--precision", "bf16", "--quiet"];
    let output = fixture.command(&embed).env("ENGRAFT_ISA", "portable").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("no fast instructions for bf16"), "{}", stderr(&output));
}

#[test]
fn a_model_in_int8_keeps_its_calibration() {
    let fixture = Fixture::with_data();
    let train = ["train", "data", "--fit", "stretch", "--out", "model.safetensors", "--precision", "int8"];
    assert_eq!(fixture.json(&train)["backbone"]["precision"], "int8");
    let evaluation = fixture.json(&["evaluate", "model.safetensors", "data"]);
    assert_eq!((&evaluation["precision"], &evaluation["accuracy"]), (&json!("int8"), &json!(1.0)));
    let remembered = probabilities(&fixture, &[]);
    assert_eq!(remembered, probabilities(&fixture, &["--precision", "int8"]));
    let single = probabilities(&fixture, &["--precision", "f32"]);
    assert_ne!(remembered, single);
    let apart = remembered.iter().zip(&single).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart < 0.1, "{apart}");
}

#[test]
fn int8_needs_images_to_be_calibrated_by() {
    let fixture = Fixture::with_data();
    fixture.ok(&["train", "data", "--fit", "stretch", "--out", "model.safetensors"]);
    let error = fixture.fails(&["predict", "model.safetensors", "data", "--precision", "int8"], 2);
    let text = "--precision is int8 for efficientnet_lite0, which was not calibrated by images, expected a model that was \
                trained with --precision int8";
    assert!(error.contains(text), "{error}");
    fs::create_dir(fixture.path("broken")).unwrap();
    fs::write(fixture.path("broken/a.png"), b"\x89PNG\r\n\x1a\nand nothing else").unwrap();
    let embed = ["embed", "broken", "--out", "f.npy", "--precision"];
    let [int8, single] =
        ["int8", "f32"].map(|precision| fixture.fails(&[&embed[..], &[precision]].concat(), 3));
    assert_eq!(int8, single);
}

#[test]
fn other_images_give_other_ranges_and_so_other_features() {
    let fixture = Fixture::with_data();
    let embed = |data: &str, out: &str| {
        fixture.ok(&["embed", data, "--out", out, "--precision", "int8"]);
        fs::read(fixture.path(out)).unwrap()
    };
    let of_all = embed("data", "all.npy");
    let of_some = embed("data/discs", "discs.npy");
    let whole = of_all.windows(64).filter(|bytes| *bytes == &of_some[of_some.len() - 64..]).count();
    assert_eq!(whole, 0, "the last features of discs are the same under both calibrations");
    assert!(of_all == embed("data", "again.npy"));
}

#[test]
fn precisions_that_make_no_sense_are_usage_errors() {
    let fixture = Fixture::with_data();
    let error = fixture.fails(&["train", "data", "--precision", "f64"], 2);
    assert!(error.contains("precision `f64` is unknown, expected f32, bf16 or int8"), "{error}");
    let error = fixture.fails(&["train", "data", "--recipe", "cnn", "--precision", "bf16"], 2);
    assert!(error.contains("expected none for a network on pixels"), "{error}");
}
