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
    assert!(lines[0]["error"]["message"].is_string());
    assert_eq!(lines[0]["error"]["kind"], "not_found");
    assert_eq!(lines[1]["error"]["kind"], "not_an_image");
    assert_eq!(lines[2]["class"], "discs");
}

#[cfg(unix)]
#[test]
fn every_kind_of_bad_path_has_its_own_name() {
    let fixture = Fixture::with_model();
    std::os::unix::fs::symlink("nowhere", fixture.path("link.png")).unwrap();
    std::os::unix::fs::symlink("loop.png", fixture.path("loop.png")).unwrap();
    std::fs::create_dir(fixture.path("empty")).unwrap();
    std::process::Command::new("mkfifo").arg(fixture.path("pipe.png")).status().unwrap();
    fixture.write("zero.png", "");
    for (path, kind) in [
        ("absent.png", "not_found"),
        ("link.png", "dangling_link"),
        ("loop.png", "io"),
        ("zero.png/below", "io"),
        ("empty", "empty_folder"),
        ("pipe.png", "not_a_file"),
        ("zero.png", "empty"),
        ("model.safetensors", "not_an_image"),
    ] {
        let output = fixture.run(&["predict", "model.safetensors", path, "--json"]);
        assert_eq!(output.status.code(), Some(3), "{path}: {}", stderr(&output));
        let lines = json_lines(std::str::from_utf8(&output.stdout).unwrap());
        assert_eq!((lines.len(), &lines[0]["error"]["kind"]), (1, &json!(kind)), "{path}");
    }
}

#[cfg(unix)]
#[test]
fn a_name_with_a_line_break_stays_on_its_line() {
    let fixture = Fixture::with_data();
    fixture.save("odd/a\nb/c\nd.png", &discs(1));
    fixture.save("odd/\u{1b}[31m/e.png", &stripes(1));
    fixture.ok(&["train", "odd", "--fit", "stretch", "--out", "m\nn", "--quiet"]);
    let predict = ["predict", "m\nn", "odd/a\nb", "--top", "2"];
    let text = fixture.ok(&predict);
    assert!(text.starts_with("odd/a\\nb/c\\nd.png: a\\nb 0."), "{text}");
    assert!(text.contains(", \\u{1b}[31m 0.") && text.lines().count() == 1, "{text}");
    let prediction = &json_lines(&fixture.ok(&[&predict[..], &["--json"]].concat()))[0];
    assert_eq!([&prediction["path"], &prediction["class"]], ["odd/a\nb/c\nd.png", "a\nb"]);
    let text = fixture.ok(&["inspect", "m\nn"]);
    assert!(text.contains("2: \\u{1b}[31m, a\\nb\n"), "{text}");
    let error = fixture.fails(&["inspect", "x\ny"], 3);
    assert!(error.starts_with("error: x\\ny: ") && error.lines().count() == 1, "{error}");
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
    assert!(
        error.contains("\n  test/apples/0.png: its folder is not one of the training classes"),
        "{error}"
    );
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
