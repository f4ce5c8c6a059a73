//! The model file, `inspect`, `models` and `cache`.

use std::fs;

use serde_json::json;

use crate::fixture::Fixture;

#[test]
fn inspect_prints_what_is_in_a_model() {
    let fixture = Fixture::with_model();
    let description = fixture.json(&["inspect", "model.safetensors"]);
    assert_eq!(description["classes"], json!(["discs", "stripes"]));
    assert_eq!(description["preprocessing"], json!({"fit": "stretch", "filter": "bicubic"}));
    assert_eq!(description["training"]["data"]["train"]["images"], 12);
    let text = fixture.ok(&["inspect", "model.safetensors"]);
    assert!(text.contains("discs, stripes") && text.contains("efficientnet_lite0"), "{text}");
}

#[test]
fn a_truncated_or_changed_model_is_refused() {
    let fixture = Fixture::with_model();
    let whole = fs::read(fixture.path("model.safetensors")).unwrap();
    for len in [0, 4, 8, 1000, whole.len() / 2, whole.len() - 1] {
        fixture.write("bad", &whole[..len]);
        let error = fixture.fails(&["predict", "bad", "data"], 3);
        assert!(error.starts_with("error: bad: "), "{len}: {error}");
    }
    for position in [9, 500, 5_000, 100_000, whole.len() / 2, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[position] ^= 1;
        fixture.write("bad", &changed);
        let error = fixture.fails(&["inspect", "bad"], 3);
        assert!(error.starts_with("error: bad: "), "{position}: {error}");
    }
    fixture.write("bad", "not a model at all");
    fixture.fails(&["inspect", "bad"], 3);
}

#[test]
fn models_lists_the_embedded_backbone() {
    let fixture = Fixture::new();
    let backbones = fixture.json(&["models"]);
    let all = backbones.as_array().unwrap();
    let embedded = all.iter().find(|backbone| backbone["weights"] == "embedded").unwrap();
    assert_eq!(embedded["name"], "efficientnet_lite0");
    assert_eq!([&embedded["input_size"], &embedded["features"]], [224, 1280]);
    assert!(fixture.ok(&["models"]).contains("Apache-2.0"));
}

#[test]
fn the_cache_is_described_and_emptied() {
    let fixture = Fixture::with_model();
    let info = fixture.json(&["cache", "info"]);
    assert_eq!((&info["entries"], &info["limit_bytes"]), (&json!(12), &json!(4_000_000_000_u64)));
    assert_eq!(fixture.json(&["cache", "clear"])["entries"], 12);
    assert_eq!(fixture.json(&["cache", "info"])["bytes"], 0);
}

#[test]
fn the_cache_stays_within_its_limit() {
    let fixture = Fixture::with_data();
    let train = ["train", "data", "--fit", "stretch", "--quiet"];
    let output = fixture.command(&train).env("ENGRAFT_CACHE_LIMIT", "30k").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let bytes = fixture.json(&["cache", "info"])["bytes"].as_u64().unwrap();
    assert!((1..=30_000).contains(&bytes), "{bytes} bytes");
}
