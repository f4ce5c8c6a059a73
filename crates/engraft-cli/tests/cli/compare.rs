//! `compare`: the table, the document, the picture, and what cannot be compared.

use std::fs;

use serde_json::{Value, json};

use crate::{combine, fixture::Fixture, weights::SMALL};

fn row<'a>(comparison: &'a Value, name: &str) -> &'a Value {
    let rows = comparison["backbones"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {comparison}"))
}

#[test]
fn backbones_are_compared_and_one_without_weights_does_not_stop_the_others() {
    let fixture = combine::fixture();
    fixture.draw("test", 2, 40);
    fixture.write("data/discs/notes.txt", "not an image");
    let names = "vgg16,mobilenet_025,mobilenet_025+efficientnet_lite0";
    let arguments = ["compare", "data", "--backbones", names, "--test", "test", "--out", "picture.svg"];
    let comparison = combine::json(&fixture, &arguments);
    let rows = comparison["backbones"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[2]["name"]), (3, &json!("vgg16")), "without accuracy, at the end");
    assert!(rows[0]["cv"]["accuracy"].as_f64().unwrap() >= rows[1]["cv"]["accuracy"].as_f64().unwrap());
    let vgg16 = row(&comparison, "vgg16");
    assert_eq!((&vgg16["cv"], &vgg16["licence"]), (&Value::Null, &json!("CC-BY-4.0")));
    assert!(vgg16["error"].as_str().unwrap().contains("vgg16_weights"), "{vgg16}");
    let both = row(&comparison, "mobilenet_025+efficientnet_lite0");
    let mut keys: Vec<&String> = both.as_object().unwrap().keys().collect();
    keys.sort();
    let want = [
        "cv",
        "error",
        "features",
        "fit",
        "images_per_second",
        "input_size",
        "licence",
        "name",
        "parameters",
        "seconds",
        "test",
        "tie",
        "weights_bytes",
    ];
    assert_eq!(keys, want);
    assert_eq!(
        (&both["features"], &both["fit"], &both["error"]),
        (&json!(1536), &json!("stretch"), &Value::Null)
    );
    assert_eq!(both["test"]["ci95"].as_array().unwrap().len(), 2);
    assert_eq!(comparison["skipped"].as_array().unwrap().len(), 1);
    let rate = |name| row(&comparison, name)["images_per_second"].as_f64().unwrap();
    assert!(rate(SMALL) > rate("mobilenet_025+efficientnet_lite0"), "{comparison}");
    let svg = fs::read_to_string(fixture.path("picture.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains(">mobilenet_025</text>") && !svg.contains("vgg16"));
    assert_eq!(fixture.json(&["cache", "info"])["entries"], 2 * 16, "features are shared");
}

#[test]
fn by_default_all_that_can_be_had_are_compared() {
    let fixture = Fixture::with_data();
    for arguments in [&["compare", "data"][..], &["compare", "data", "--all-available"]] {
        let comparison = fixture.json(arguments);
        let rows = comparison["backbones"].as_array().unwrap();
        assert_eq!((rows.len(), &rows[0]["name"]), (1, &json!("efficientnet_lite0")));
    }
    let text = fixture.ok(&["compare", "data"]);
    assert!(text.contains("cv accuracy") && text.contains("Apache-2.0"), "{text}");
}

#[test]
fn a_used_up_budget_begins_no_further_backbone() {
    let fixture = Fixture::with_data();
    let names = "efficientnet_lite0,vgg16";
    let comparison = fixture.json(&["compare", "data", "--backbones", names, "--budget", "0"]);
    assert!(row(&comparison, "efficientnet_lite0")["cv"]["accuracy"].is_number());
    assert_eq!(row(&comparison, "vgg16")["error"], "not begun: the budget of 0 s was used up");
}

#[test]
fn what_cannot_be_compared_at_all_is_an_error() {
    let fixture = Fixture::with_data();
    for (arguments, code, want) in [
        (&["compare", "data", "--backbones", "vgg16,vgg17"][..], 2, "`vgg17` is unknown"),
        (&["compare", "data", "--backbones", "vgg16,vgg19"], 4, "the file vgg16_weights"),
        (&["compare", "data", "--backbones", "vgg16", "--all-available"], 2, "cannot be used with"),
        (&["compare", "data", "--budget", "soon"], 2, "expected a number of seconds"),
        (&["compare", "data", "--folds", "1"], 2, "--folds is 1"),
        (&["compare", "data", "--out", "picture.png"], 2, "ends in .svg"),
        (&["compare", "absent"], 3, "absent"),
    ] {
        let error = fixture.fails(arguments, code);
        assert!(error.contains(want), "{arguments:?}: {error}");
    }
}

#[test]
fn models_says_where_weights_are() {
    let fixture = combine::fixture();
    let models = combine::json(&fixture, &["models"]);
    let status = |name: &str| {
        let all = models.as_array().unwrap();
        let found = all.iter().find(|model| model["name"] == name).unwrap();
        (found["status"].clone(), found["path"].is_string(), found["imagenet_top1_percent"].is_number())
    };
    assert_eq!(status("efficientnet_lite0"), (json!("embedded"), false, true));
    assert_eq!(status(SMALL), (json!("at_hand"), true, true));
    assert_eq!(status("vgg16"), (json!("to_fetch"), false, true));
    assert_eq!(status("efficientnet_lite1"), (json!("missing"), false, true));
}
