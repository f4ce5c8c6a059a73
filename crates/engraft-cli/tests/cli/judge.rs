//! `evaluate` and `predict`: they agree with each other and name every file.

use serde_json::{Value, json};

use crate::fixture::{Fixture, discs, stderr, stripes};

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn evaluate_counts_what_predict_says() {
    let fixture = Fixture::with_model();
    fixture.draw("other", 4, 30);
    let evaluation = fixture.json(&["evaluate", "model.safetensors", "other"]);
    let predictions = json_lines(&fixture.ok(&["predict", "model.safetensors", "other", "--json"]));
    assert_eq!(predictions.len(), 8);
    let right = |prediction: &&Value| {
        let class = prediction["class"].as_str().unwrap();
        prediction["path"].as_str().unwrap().contains(class)
    };
    let accuracy = predictions.iter().filter(right).count() as f64 / 8.0;
    assert_eq!(evaluation["accuracy"], accuracy);
    assert_eq!(evaluation["skipped"], json!([]));
}

#[test]
fn predictions_are_ranked_and_sum_to_one() {
    let fixture = Fixture::with_model();
    let text = fixture.ok(&["predict", "model.safetensors", "data/discs/0.png", "--json", "--top", "9"]);
    let [prediction] = &json_lines(&text)[..] else { panic!("{text}") };
    assert_eq!(prediction["path"], "data/discs/0.png");
    assert_eq!(prediction["class"], "discs");
    let top = prediction["top"].as_array().unwrap();
    assert_eq!((top.len(), &top[0]["probability"]), (2, &prediction["probability"]));
    let sum: f64 = top.iter().map(|guess| guess["probability"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    let plain = fixture.ok(&["predict", "model.safetensors", "data/discs/0.png", "--top", "1"]);
    assert!(plain.starts_with("data/discs/0.png: discs "), "{plain}");
}

#[test]
fn one_bad_path_does_not_stop_the_rest() {
    let fixture = Fixture::with_model();
    fixture.write("bad.jpg", "<html>");
    let paths = ["predict", "model.safetensors", "absent.png", "bad.jpg", "data/discs/1.png", "--json"];
    let output = fixture.run(&paths);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let lines = json_lines(std::str::from_utf8(&output.stdout).unwrap());
    assert_eq!(lines[0]["path"], "absent.png");
    assert!(lines[0]["error"]["message"].is_string() && lines[0]["error"]["kind"].is_string());
    assert_eq!(lines[1]["error"]["kind"], "not_an_image");
    assert_eq!(lines[2]["class"], "discs");
}

#[test]
fn an_empty_folder_and_a_broken_file_inside_a_folder_are_told() {
    let fixture = Fixture::with_model();
    std::fs::create_dir(fixture.path("empty")).unwrap();
    fixture.write("mixed/broken.png", "x");
    fixture.save("mixed/disc.png", &discs(70));
    fixture.write("mixed/.hidden", "junk");
    let output = fixture.run(&["predict", "model.safetensors", "empty", "mixed", "--json"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let lines = json_lines(std::str::from_utf8(&output.stdout).unwrap());
    let paths: Vec<_> = lines.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["empty", "mixed/broken.png", "mixed/disc.png"]);
    assert_eq!(lines[0]["error"]["kind"], "empty_folder");
    assert_eq!(lines[2]["class"], "discs");
}

#[test]
fn evaluate_matches_classes_by_name_and_strict_refuses_what_is_skipped() {
    let fixture = Fixture::with_model();
    for index in 0..3 {
        fixture.save(&format!("test/apples/{index}.png"), &discs(60 + index));
        fixture.save(&format!("test/stripes/{index}.png"), &stripes(60 + index));
    }
    let output = fixture.run(&["evaluate", "model.safetensors", "test", "--json"]);
    let evaluation: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(evaluation["confusion"].as_array().unwrap().len(), 2, "classes are those of the model");
    let support: Vec<_> =
        evaluation["per_class"].as_array().unwrap().iter().map(|row| &row["support"]).collect();
    assert_eq!(support, [0, 3]);
    assert_eq!(evaluation["skipped"].as_array().unwrap().len(), 3);
    let warnings = stderr(&output);
    assert!(
        warnings.contains("no folder for discs") && warnings.contains("not scored: apples"),
        "{warnings}"
    );
    let error = fixture.fails(&["evaluate", "model.safetensors", "test", "--strict", "--quiet"], 3);
    assert!(error.contains("test/apples/0.png"), "{error}");
}

#[test]
fn predictions_do_not_depend_on_threads_or_on_company() {
    let fixture = Fixture::with_model();
    let alone = fixture.ok(&["predict", "model.safetensors", "data/discs/2.png", "--json"]);
    for threads in ["1", "4"] {
        let all = fixture.ok(&["predict", "model.safetensors", "data", "--json", "--threads", threads]);
        assert!(all.contains(&alone), "{threads} threads");
    }
}

#[test]
fn evaluate_takes_the_test_part_and_its_gate_is_exit_5() {
    let fixture = Fixture::with_model();
    fixture.draw("parts/train", 3, 0);
    fixture.save("parts/test/discs/0.png", &discs(50));
    fixture.save("parts/test/stripes/0.png", &discs(51));
    let arguments = ["evaluate", "model.safetensors", "parts", "--json", "--min-accuracy", "0.9"];
    let output = fixture.run(&arguments);
    let evaluation: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &evaluation["accuracy"]), (Some(5), &json!(0.5)));
}
