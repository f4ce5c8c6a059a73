//! What goes to stdout, what to stderr, and what happens when nobody reads them.

use std::{
    fs,
    process::{Output, Stdio},
};

use serde_json::Value;

use crate::fixture::{Fixture, stderr};

const TRAIN: [&str; 6] = ["train", "data", "--fit", "stretch", "--out", "model"];

/// A data set whose training has something to warn about.
fn with_warning() -> Fixture {
    let fixture = Fixture::with_data();
    fs::create_dir(fixture.path("data/empty")).unwrap();
    fixture
}

#[test]
fn json_is_one_document_on_stdout_and_warnings_stay_on_stderr() {
    let fixture = with_warning();
    let output = fixture.run(&[&TRAIN[..], &["--json", "--quiet"]].concat());
    let documents: Vec<Value> =
        serde_json::Deserializer::from_slice(&output.stdout).into_iter().map(Result::unwrap).collect();
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0]["model"], "model");
    assert_eq!(stderr(&output).lines().count(), 1);
    assert!(stderr(&output).starts_with("warning: "), "{}", stderr(&output));
}

#[test]
fn the_text_report_has_every_part() {
    let fixture = Fixture::with_data();
    fixture.draw("other", 3, 30);
    let text = fixture.ok(&[&TRAIN[..], &["--test", "other", "--quiet"]].concat());
    for part in [
        "2 classes, 12 training images, 6 test; 0 files skipped, 0 ignored",
        "efficientnet_lite0 at 224 x 224",
        "Cross-validation, 5 folds",
        "Test\n",
        "majority baseline",
        "95 % interval",
        "one image = 16.67 points",
        "macro-F1",
        "precision    recall  f1-score   support",
        "weighted avg",
        "confusion",
        "model written to model",
    ] {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
}

#[test]
fn a_run_with_nothing_to_say_leaves_stderr_empty() {
    let fixture = Fixture::with_model();
    for arguments in [
        &["predict", "model.safetensors", "data"][..],
        &["evaluate", "model.safetensors", "data"],
        &["embed", "data", "--out", "f.npy"],
        &["inspect", "model.safetensors"],
        &["models"],
        &["cache", "info"],
    ] {
        let output = fixture.run(&[arguments, &["--quiet"]].concat());
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{arguments:?}");
        assert!(!output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_failure() {
    let fixture = with_warning();
    for arguments in [&TRAIN[..], &["predict", "model", "data", "data", "data"], &["models", "--json"]] {
        for closed in ["stdout", "stderr"] {
            let output = run_with_closed(&fixture, arguments, closed);
            assert_eq!(output.status.code(), Some(0), "{arguments:?}, {closed} closed: {}", stderr(&output));
            assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
        }
    }
    assert!(fixture.path("model").is_file());
}

/// Runs the program while the other end of one of its pipes is gone.
fn run_with_closed(fixture: &Fixture, arguments: &[&str], closed: &str) -> Output {
    let mut command = fixture.command(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    match closed {
        "stdout" => drop(child.stdout.take()),
        _ => drop(child.stderr.take()),
    }
    child.wait_with_output().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_stdout_is_exit_1() {
    let fixture = Fixture::new();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = fixture.command(&["models"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("error: "), "{}", stderr(&output));
}

#[cfg(target_os = "linux")]
#[test]
fn paths_that_are_no_utf_8_are_shown_with_replacements() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    let fixture = Fixture::with_data();
    let odd = OsStr::from_bytes(b"odd\xff");
    let mut command = fixture.command(&["train", "data", "--fit", "stretch", "--json", "--out"]);
    let output = command.arg(odd).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["model"], "odd\u{fffd}");
    assert!(fixture.path(odd).is_file());
    let mut command = fixture.command(&["cache", "info", "--json"]);
    let output = command.env("ENGRAFT_CACHE", fixture.path(odd).with_extension("cache")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}
