//! What counts as a data set: parts, nesting, links, junk, broken files.

use std::fs;

use serde_json::{Value, json};

use crate::fixture::{Fixture, discs, stderr, stripes};

const STRETCH: [&str; 2] = ["--fit", "stretch"];

fn train(fixture: &Fixture, data: &str) -> Value {
    fixture.json(&[&["train", data, "--out", "model"][..], &STRETCH].concat())
}

#[test]
fn every_name_of_a_validation_part_is_judged_and_not_trained_on() {
    for name in ["val", "valid", "validation"] {
        let fixture = Fixture::new();
        fixture.draw("data/train", 3, 0);
        fixture.draw(&format!("data/{name}"), 2, 20);
        let report = train(&fixture, "data");
        assert_eq!((&report["images"]["train"], &report["images"]["val"]), (&json!(6), &json!(4)), "{name}");
        assert!(report["val"]["accuracy"].is_number(), "{name}");
        assert_eq!(report["test"], Value::Null, "{name}");
    }
}

#[test]
fn part_names_with_capitals_are_parts() {
    let fixture = Fixture::new();
    fixture.draw("data/Train", 3, 0);
    fixture.draw("data/TEST", 2, 20);
    let images = &train(&fixture, "data")["images"];
    assert_eq!((&images["train"], &images["test"]), (&json!(6), &json!(4)));
    if fixture.path("data/train").exists() {
        return; // Here the file system does not tell the two names apart.
    }
    fixture.draw("data/train", 3, 0);
    let error = fixture.fails(&["train", "data"], 3);
    assert!(error.contains("found both `Train` and `train`, expected one of them"), "{error}");
}

#[test]
fn the_model_does_not_depend_on_where_the_images_lie_or_who_judges() {
    let fixture = Fixture::with_data();
    fixture.draw("elsewhere/other", 6, 0);
    train(&fixture, "data");
    let first = fs::read(fixture.path("model")).unwrap();
    train(&fixture, "elsewhere/other");
    assert!(first == fs::read(fixture.path("model")).unwrap());
}

#[test]
fn a_training_class_without_a_usable_image_is_kept_and_named() {
    let fixture = Fixture::with_data();
    fixture.write("data/broken/1.png", "x");
    let output = fixture.run(&[&["train", "data", "--json", "--out", "model"][..], &STRETCH].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["classes"], json!(["broken", "discs", "stripes"]));
    assert!(stderr(&output).contains("warning: classes without a usable image: broken"));
}

#[test]
fn a_test_part_that_cannot_be_judged_misses_every_gate() {
    let fixture = Fixture::new();
    fixture.draw("data/train", 3, 0);
    fixture.save("data/test/apples/0.png", &discs(9));
    let arguments = ["train", "data", "--out", "model", "--min-accuracy", "0.1", "--json"];
    let output = fixture.run(&[&arguments[..], &STRETCH].concat());
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("warning: the test part has no usable image"), "{}", stderr(&output));
    let missed = "--min-accuracy 0.1 is missed: found no accuracy, expected one on the test part";
    assert!(stderr(&output).contains(missed), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["test"], &report["images"]["test"]), (&Value::Null, &json!(0)));
    assert!(fixture.path("model").is_file());
}

#[test]
fn one_image_a_class_trains_without_a_score() {
    let fixture = Fixture::new();
    fixture.draw("data", 1, 0);
    let report = train(&fixture, "data");
    assert_eq!((&report["cv"], &report["images"]["train"]), (&Value::Null, &json!(2)));
    assert!(report["warnings"].to_string().contains("nothing was cross-validated"));
    let text = fixture.ok(&["predict", "model", "data/discs/0.png", "--top", "1"]);
    assert!(text.starts_with("data/discs/0.png: discs "), "{text}");
}

#[test]
fn small_classes_lower_the_number_of_folds() {
    let fixture = Fixture::with_data();
    for index in 2..6 {
        fs::remove_file(fixture.path(format!("data/discs/{index}.png"))).unwrap();
    }
    assert_eq!(train(&fixture, "data")["cv"]["folds"], 2);
    assert_eq!(fixture.json(&["train", "data", "--folds", "999999999999"])["cv"]["folds"], 2);
}

#[test]
fn the_content_of_a_file_decides_and_not_its_name() {
    let fixture = Fixture::with_data();
    fixture.save("nested.gif", &discs(50));
    fs::create_dir_all(fixture.path("data/discs/2026/photo.png")).unwrap();
    fs::rename(fixture.path("nested.gif"), fixture.path("data/discs/2026/photo.png/a gif.jpeg")).unwrap();
    fixture.save("whole.png", &stripes(51));
    let whole = fs::read(fixture.path("whole.png")).unwrap();
    fixture.write("data/stripes/cut.png", &whole[..whole.len() / 2]);
    for junk in ["Thumbs.db", "desktop.ini", "._0.png", ".gitignore"] {
        fixture.write(format!("data/discs/{junk}"), "junk");
    }
    let images = &train(&fixture, "data")["images"];
    assert_eq!((&images["train"], &images["ignored"]), (&json!(13), &json!(4)));
    assert_eq!(images["skipped"].as_array().unwrap().len(), 1, "{images}");
    assert_eq!(images["skipped"][0]["path"], "data/stripes/cut.png");
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_and_those_that_lead_nowhere_are_listed() {
    use std::os::unix::fs::symlink;

    let fixture = Fixture::with_data();
    fixture.draw("more", 2, 30);
    symlink(fixture.path("more/discs"), fixture.path("data/discs/linked")).unwrap();
    symlink("..", fixture.path("data/discs/loop")).unwrap();
    symlink("nothing", fixture.path("data/discs/dangling.png")).unwrap();
    let images = &train(&fixture, "data")["images"];
    assert_eq!(images["train"], 14);
    let skipped: Vec<_> = images["skipped"].as_array().unwrap().iter().map(|file| &file["path"]).collect();
    assert_eq!(skipped, ["data/discs/dangling.png", "data/discs/loop"]);
}

#[test]
fn the_store_keeps_to_its_limit() {
    let fixture = Fixture::with_data();
    let mut command = fixture.command(&["train", "data", "--out", "model", "--quiet"]);
    let output = command.env("ENGRAFT_CACHE_LIMIT", "30k").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let info = fixture.json(&["cache", "info"]);
    let bytes = info["bytes"].as_u64().unwrap();
    assert!((1..=30_000).contains(&bytes), "{info}");
    let mut command = fixture.command(&["cache", "info"]);
    let output = command.env("ENGRAFT_CACHE_LIMIT", "much").output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("ENGRAFT_CACHE_LIMIT is `much`"), "{}", stderr(&output));
}
