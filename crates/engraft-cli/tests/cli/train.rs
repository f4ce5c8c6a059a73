//! `train`: the report, the streams, the model's bytes, the parts of a data set.

use std::fs;

use serde_json::{Value, json};

use crate::fixture::{Fixture, discs, stderr, stripes};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_report_has_every_documented_key() {
    let fixture = Fixture::with_data();
    let report = fixture.json(&["train", "data", "--seed", "7"]);
    for key in
        ["model", "classes", "images", "backbone", "fit", "cv", "val", "test", "seconds", "seed", "threads"]
    {
        assert!(keys(&report).contains(&key), "{key} is missing");
    }
    assert_eq!(report["classes"], json!(["discs", "stripes"]));
    assert_eq!(
        report["images"],
        json!({"train": 12, "val": null, "test": null, "skipped": [], "ignored": 0})
    );
    assert_eq!(report["backbone"]["name"], "efficientnet_lite0");
    assert_eq!(
        keys(&report["backbone"]),
        ["features", "input_size", "name", "parts", "precision", "weights_sha256"]
    );
    assert_eq!(keys(&report["seconds"]), ["decode", "embed", "fit", "scan", "total"]);
    let score = ["accuracy", "ci95", "confusion", "macro_f1", "majority_baseline", "per_class"];
    for key in score.iter().chain(&["folds", "l2"]) {
        assert!(keys(&report["cv"]).contains(key), "cv.{key} is missing");
    }
    assert_eq!(keys(&report["cv"]["per_class"][0]), ["class", "f1", "precision", "recall", "support"]);
    assert_eq!((&report["val"], &report["test"], &report["seed"]), (&Value::Null, &Value::Null, &json!(7)));
    assert!(fixture.path("data.safetensors").is_file(), "the model is named after the data");
}

#[test]
fn equal_training_gives_equal_bytes_and_embeds_nothing_twice() {
    let fixture = Fixture::with_data();
    fixture.ok(&["train", "data", "--out", "one", "--threads", "1", "--quiet"]);
    let second = fixture.json(&["train", "data", "--out", "two", "--threads", "3"]);
    assert_eq!(fs::read(fixture.path("one")).unwrap(), fs::read(fixture.path("two")).unwrap());
    assert_eq!(second["seconds"]["embed"], 0.0);
    fixture.ok(&["cache", "clear"]);
    fixture.ok(&["train", "data", "--out", "three", "--quiet"]);
    assert_eq!(fs::read(fixture.path("one")).unwrap(), fs::read(fixture.path("three")).unwrap());
}

#[test]
fn parts_are_matched_by_name_and_never_trained_on() {
    let fixture = Fixture::new();
    fixture.draw("data/train", 6, 0);
    fixture.draw("data/valid", 2, 20);
    fixture.save("data/test/stripes/a.png", &stripes(40));
    fixture.save("data/test/apples/b.png", &discs(41));
    let report = fixture.json(&["train", "data", "--fit", "stretch"]);
    assert_eq!([&report["images"]["train"], &report["images"]["val"], &report["images"]["test"]], [12, 4, 1]);
    assert_eq!(
        report["test"]["per_class"][1],
        json!({
            "class": "stripes", "precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1,
        })
    );
    let skipped = &report["images"]["skipped"][0];
    assert!(skipped["path"].as_str().unwrap().ends_with("b.png"), "{skipped}");
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("no folder for discs") && warnings.contains("apples"), "{warnings}");
}

#[test]
fn a_test_image_that_was_trained_on_is_reported() {
    let fixture = Fixture::with_data();
    fixture.draw("other", 2, 5);
    let report = fixture.json(&["train", "data", "--test", "other", "--fit", "stretch"]);
    let pairs: Vec<_> =
        report["leaks"].as_array().unwrap().iter().map(|leak| (&leak["judged"], &leak["train"])).collect();
    assert_eq!(
        pairs,
        [(&json!("discs/0.png"), &json!("discs/5.png")), (&json!("stripes/0.png"), &json!("stripes/5.png"))]
    );
}

#[test]
fn warnings_go_to_stderr_and_small_classes_are_kept() {
    let fixture = Fixture::with_data();
    fixture.save("data/single/only.png", &discs(99));
    fs::create_dir(fixture.path("data/empty")).unwrap();
    let output = fixture.run(&["train", "data", "--fit", "stretch", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["classes"], json!(["discs", "empty", "single", "stripes"]));
    let support: Vec<_> =
        report["cv"]["per_class"].as_array().unwrap().iter().map(|row| &row["support"]).collect();
    assert_eq!(support, [6, 0, 0, 6]);
    let warnings = stderr(&output);
    assert!(warnings.contains("warning: classes without images: empty"), "{warnings}");
    assert!(warnings.contains("in no cross-validation score: single\n"), "{warnings}");
}

#[test]
fn what_is_not_used_is_listed_and_strict_refuses_it() {
    let fixture = Fixture::with_data();
    fixture.write("data/discs/notes.txt", "not an image");
    fixture.write("data/discs/.DS_Store", "junk");
    let report = fixture.json(&["train", "data", "--fit", "stretch"]);
    assert_eq!((&report["images"]["train"], &report["images"]["ignored"]), (&json!(12), &json!(1)));
    assert_eq!(report["images"]["skipped"].as_array().unwrap().len(), 1);
    let error =
        fixture.fails(&["train", "data", "--fit", "stretch", "--strict", "--out", "strict", "--quiet"], 3);
    assert!(error.contains("\n  data/discs/notes.txt: not an image"), "{error}");
    assert!(!fixture.path("strict").exists());
}

#[test]
fn strict_refuses_as_soon_as_it_can() {
    let entries = |fixture: &Fixture| fixture.json(&["cache", "info"])["entries"].as_u64().unwrap();
    let refused = |fixture: &Fixture| {
        let error = fixture.fails(&["train", "data", "--strict", "--out", "model", "--quiet"], 3);
        assert!(
            error.starts_with("error: data: 1 files were skipped, expected none under --strict\n"),
            "{error}"
        );
    };
    let fixture = Fixture::with_data();
    fixture.write("data/notes.txt", "seen without opening any image");
    refused(&fixture);
    assert_eq!(entries(&fixture), 0);
    let fixture = Fixture::new();
    fixture.draw("data/train", 2, 0);
    fixture.draw("data/test", 1, 9);
    fixture.write("data/test/discs/broken.png", "");
    refused(&fixture);
    // Four training images under three fits, and the two that are judged on under one: nothing was chosen yet.
    assert_eq!(entries(&fixture), 14);
    fs::remove_file(fixture.path("data/test/discs/broken.png")).unwrap();
    fixture.ok(&["train", "data", "--strict", "--out", "model", "--quiet"]);
}

#[test]
fn a_model_written_into_its_own_data_changes_nothing() {
    let fixture = Fixture::with_data();
    let train = || {
        let mut command = fixture.command(&["train", ".", "--fit", "stretch", "--strict", "--json"]);
        let output = command.current_dir(fixture.path("data")).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["model"], "data.safetensors");
        (fs::read(fixture.path("data/data.safetensors")).unwrap(), report["images"]["ignored"].clone())
    };
    let (first, ignored) = train();
    assert_eq!(ignored, 0);
    fs::copy(fixture.path("data/data.safetensors"), fixture.path("data/discs/renamed.png")).unwrap();
    let (second, ignored) = train();
    assert_eq!(ignored, 2);
    assert!(first == second);
}

#[test]
fn many_small_classes_are_one_warning() {
    let fixture = Fixture::new();
    for class in 10..40 {
        fixture.save(&format!("data/{class}/only.png"), &discs(class));
    }
    let output = fixture.run(&["train", "data", "--fit", "stretch", "--quiet"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let [small, none] = &stderr(&output).lines().map(str::to_owned).collect::<Vec<_>>()[..] else {
        panic!("{}", stderr(&output));
    };
    assert!(small.ends_with("score: 10, 11, 12, 13, 14, 15, 16, 17, 18, 19 and 20 more"), "{small}");
    assert!(none.ends_with("nothing was cross-validated"), "{none}");
}

#[test]
fn a_missed_gate_is_exit_5_and_the_model_is_written() {
    let fixture = Fixture::with_data();
    // The same picture under both labels cannot be told apart.
    fixture.save("data/discs/odd.png", &stripes(3));
    let output = fixture.run(&["train", "data", "--fit", "stretch", "--min-accuracy", "1", "--out", "model"]);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(fixture.path("model").is_file());
    let output =
        fixture.run(&["train", "data", "--fit", "stretch", "--min-accuracy", "0.1", "--out", "model"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}
