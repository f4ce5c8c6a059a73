//! Several views of each image: `--views` of training, `--tta` of whatever judges.

use std::fs;

use serde_json::{Value, json};

use crate::fixture::Fixture;

#[test]
fn views_are_trained_on_stored_and_remembered() {
    let fixture = Fixture::with_data();
    let train = |out: &str, rest: &[&str]| {
        fixture.json(&[&["train", "data", "--fit", "stretch", "--quiet", "--out", out], rest].concat())
    };
    let views = ["--views", "3", "--augment", "zoom=0.2", "--seed", "4"];
    let plain = train("plain", &["--seed", "4"]);
    assert_eq!((&plain["views"], &plain["tta"]), (&Value::Null, &Value::Null));
    let report = train("one", &[&views[..], &["--threads", "1"]].concat());
    let augment = json!({ "zoom": [0.8, 1.2], "fill": "nearest", "cval": 0.0 });
    assert_eq!(report["views"], json!({ "count": 3, "seed": 4, "augment": augment }));
    assert_eq!(report["images"]["train"], 12);
    let held_out: u64 = report["cv"]["per_class"]
        .as_array()
        .unwrap()
        .iter()
        .map(|class| class["support"].as_u64().unwrap())
        .sum();
    assert_eq!(held_out, 12, "every image is held out once, whatever its views");
    // The untouched image is stored under the key that it has without views.
    assert_eq!(fixture.json(&["cache", "info"])["entries"], 12 * 3);
    let remembered = fixture.json(&["inspect", "one"])["training"]["views"].clone();
    assert_eq!(remembered, report["views"]);
    assert!(
        fixture
            .ok(&["inspect", "one"])
            .contains("3 views of each image by cval=0.0,fill=nearest,zoom=0.8:1.2")
    );
    train("two", &[&views[..], &["--threads", "2"]].concat());
    let bytes = |name: &str| fs::read(fixture.path(name)).unwrap();
    assert!(bytes("one") == bytes("two"), "neither the threads nor the store change the model");
    assert!(bytes("one") != bytes("plain"));
    let default = train("light", &["--views", "2"]);
    assert_eq!(default["views"]["augment"]["rotation"], 5.0, "nothing else was asked for");
}

#[test]
fn tta_is_the_mean_over_the_image_and_its_copies() {
    let fixture = Fixture::with_model();
    let settings = "zoom=0.3,channel-shift=60";
    fixture.ok(&["augment", "data", "--augment", settings, "--copies", "2", "--out", "copies"]);
    let probability = |path: &str, rest: &[&str]| -> f64 {
        let line = fixture.json(&[&["predict", "model.safetensors", path, "--top", "2"], rest].concat());
        let top = line["top"].as_array().unwrap();
        let discs = top.iter().find(|guess| guess["class"] == "discs").unwrap();
        let views = rest.contains(&"3").then_some(3);
        assert_eq!(line.get("tta").and_then(Value::as_u64), views, "{line}");
        discs["probability"].as_f64().unwrap()
    };
    let image = "data/discs/0.png";
    let views =
        [image, "copies/discs/0.png.0.png", "copies/discs/0.png.1.png"].map(|path| probability(path, &[]));
    assert!(views[1] != views[0] && views[2] != views[1], "the views differ: {views:?}");
    let mean = views.iter().sum::<f64>() / 3.0;
    let found = probability(image, &["--tta", "3", "--augment", settings]);
    assert!((found - mean).abs() < 1e-6, "found {found}, the mean of {views:?} is {mean}");
    assert_eq!(found, probability(image, &["--tta", "3", "--augment", settings, "--threads", "1"]));
    assert_eq!(probability(image, &["--tta", "1"]), views[0]);
}

#[test]
fn judgements_say_how_many_views_they_are_the_mean_of() {
    let fixture = Fixture::new();
    fixture.draw("data/train", 4, 0);
    fixture.draw("data/test", 3, 20);
    let fixed =
        ["train", "data", "--fit", "stretch", "--out", "model", "--tta", "2", "--augment", "zoom=0.1"];
    let report = fixture.json(&fixed);
    assert_eq!((&report["tta"]["count"], &report["views"]), (&json!(2), &Value::Null));
    let inspected = fixture.json(&["inspect", "model"]);
    assert_eq!(inspected["training"]["tta"], report["tta"]);
    let evaluate = |rest: &[&str]| fixture.json(&[&["evaluate", "model", "data"], rest].concat());
    assert_eq!(evaluate(&[])["tta"], Value::Null);
    let judged = evaluate(&["--tta", "2"]);
    assert_eq!(judged["tta"], report["tta"], "made as for the report of the training");
    assert_eq!(judged["confusion"], report["test"]["confusion"]);
    let other = evaluate(&["--tta", "4", "--augment", "rotation=9"]);
    assert_eq!((&other["tta"]["count"], &other["tta"]["augment"]["rotation"]), (&json!(4), &json!(9.0)));
    let text = fixture.ok(&["evaluate", "model", "data", "--tta", "4"]);
    assert!(text.contains("judged by the mean of 4 views of each image by cval=0.0"), "{text}");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let fixture = Fixture::with_data();
    for (rest, want) in [
        (&["--augment", "zoom=0.1"][..], "expected --views N beside it"),
        (&["--views", "0"], "--views is 0, expected a number from 1 to 1000"),
        (&["--views", "1001"], "--views is 1001, expected"),
        (&["--tta", "0"], "--tta is 0, expected a number from 1 to 1000"),
        (
            &["--views", "2", "--augment", "mixup=0.2"],
            "--augment is mixup, expected settings that make one image",
        ),
        (&["--views", "2", "--augment", "zoom=7"], "`zoom` is 7, expected"),
    ] {
        let error = fixture.fails(&[&["train", "data", "--out", "model"], rest].concat(), 2);
        assert!(error.contains(want), "{rest:?}: {error}");
        assert!(!fixture.path("model").exists(), "{rest:?}");
    }
    let model = Fixture::with_model();
    let error = model.fails(&["evaluate", "model.safetensors", "data", "--augment", "light"], 2);
    assert!(error.contains("--tta <N>"), "{error}");
    let error = model.fails(&["predict", "model.safetensors", "data", "--tta", "0"], 2);
    assert!(error.contains("--tta is 0, expected"), "{error}");
}
