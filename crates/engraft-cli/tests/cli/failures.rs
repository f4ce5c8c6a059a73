//! Wrong arguments, wrong data, no room: one sentence and the right exit code.

use std::fs;

use crate::fixture::{Fixture, stderr};

#[test]
fn wrong_usage_is_exit_2() {
    let fixture = Fixture::with_data();
    for (arguments, want) in [
        (vec!["train"], "DATA"),
        (vec!["train", "data", "--fit", "squeeze"], "stretch, crop, pad, auto"),
        (vec!["train", "data", "--filter", "box"], "nearest, bilinear, bicubic, lanczos"),
        (vec!["train", "data", "--folds", "1"], "--folds is 1, expected at least 2"),
        (vec!["train", "data", "--min-accuracy", "95"], "expected a number from 0 to 1"),
        (vec!["train", "data", "--threads", "0"], "0 is not in 1..=1024"),
        (vec!["models", "--threads", "99999"], "99999 is not in"),
        (vec!["train", "data", "--seed", "-1"], "invalid value '-1' for '--seed <N>'"),
        (vec!["predict", "model", "data", "--top", "0"], "0 is not in 1.."),
        (vec!["train", "data", "--out", ""], "a value is required for '--out <FILE>'"),
        (vec!["train", "data", "--backbone", "efficientnet-lite0"], "the nearest is efficientnet_lite0"),
        (vec!["embed", "data", "--out", "features.csv"], ".npy or .safetensors"),
        (vec!["predict", "model"], "PATH"),
        (vec!["fly"], "fly"),
    ] {
        let error = fixture.fails(&arguments, 2);
        assert!(error.contains(want), "{arguments:?}: {error}");
    }
}

#[test]
fn an_unknown_instruction_set_is_a_usage_error_of_every_verb_that_runs_the_network() {
    let fixture = Fixture::with_model();
    for arguments in [
        &["train", "data"][..],
        &["embed", "data", "--out", "f.npy"],
        &["predict", "model.safetensors", "data"],
        &["evaluate", "model.safetensors", "data"],
        &["inspect", "model.safetensors"],
    ] {
        let output = fixture.command(arguments).env("ENGRAFT_ISA", "mmx").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).starts_with("error: instruction set `mmx` is unknown, expected one of "));
    }
}

#[test]
fn wrong_data_is_exit_3() {
    let fixture = Fixture::with_model();
    fs::create_dir_all(fixture.path("nothing")).unwrap();
    fixture.draw("one", 3, 0);
    fs::remove_dir_all(fixture.path("one/discs")).unwrap();
    fixture.write("broken/a/1.png", "x");
    fixture.write("broken/b/1.png", "x");
    for (arguments, want) in [
        (vec!["train", "absent"], "absent"),
        (vec!["train", "nothing"], "no class folders"),
        (vec!["train", "one", "--quiet"], "images of 1 classes, expected at least 2"),
        (vec!["train", "broken", "--quiet"], "images of 0 classes, expected at least 2"),
        (vec!["train", "model.safetensors", "--out", "x"], "not a folder"),
        (vec!["evaluate", "model.safetensors", "broken", "--quiet"], "no usable image among 2 files"),
        (vec!["evaluate", "model.safetensors", "absent", "--quiet"], "absent: cannot be read: "),
        (vec!["train", "data", "--test", "absent", "--quiet"], "absent: cannot be read: "),
        (vec!["embed", "absent", "--out", "f.npy"], "absent: no such file or folder"),
        (vec!["embed", "nothing", "--out", "f.npy"], "nothing: found no usable image, expected at least one"),
        (vec!["embed", "broken/a/1.png", "--out", "f.npy"], "broken/a/1.png: not an image"),
        (vec!["embed", "broken", "--out", "f.npy"], "broken: found no usable image among 2 files"),
        (vec!["predict", "absent", "data"], "absent: cannot be read: "),
        (vec!["inspect", "data"], "data: not a regular file, expected a model file"),
        (vec!["inspect", "data/discs/0.png"], "data/discs/0.png: not a model: "),
    ] {
        let error = fixture.fails(&arguments, 3);
        assert!(error.starts_with("error: ") && error.contains(want), "{arguments:?}: {error}");
        let (listed, told): (Vec<&str>, Vec<&str>) = error.lines().partition(|line| line.starts_with("  "));
        assert_eq!(told.len(), 1, "{error}");
        assert_eq!(listed.len(), if arguments.contains(&"broken") { 2 } else { 0 }, "{error}");
        assert!(error.matches("os error").count() <= 1, "the cause is told twice: {error}");
    }
    assert!(!fixture.path("f.npy").exists());
}

#[test]
fn an_error_lists_the_files_that_led_to_it() {
    let fixture = Fixture::new();
    fixture.draw("data", 1, 0);
    for index in 10..40 {
        fixture.write(&format!("data/discs/{index}.png"), "x");
    }
    fs::remove_dir_all(fixture.path("data/stripes")).unwrap();
    fixture.write("data/stripes/1.png", "");
    let error = fixture.fails(&["train", "data", "--quiet"], 3);
    assert!(error.starts_with("error: data: found usable images of 1 classes"), "{error}");
    assert!(error.contains("\n  data/discs/10.png: not an image: it looks like text\n"), "{error}");
    assert!(error.ends_with("\n  and 11 more, which --json lists\n"), "{error}");
    let error = fixture.fails(&["train", "data", "--quiet", "--json"], 3);
    assert_eq!(error.lines().count(), 32, "{error}");
    assert!(error.ends_with("\n  data/stripes/1.png: the file is empty\n"), "{error}");
}

#[test]
fn missing_weights_say_where_to_put_them() {
    let fixture = Fixture::with_data();
    let error = fixture.fails(&["train", "data", "--backbone", "efficientnet_lite1"], 4);
    assert!(error.contains("put efficientnet_lite1.safetensors into a folder"), "{error}");
    let error = fixture.fails(&["train", "data", "--weights", "absent.safetensors"], 4);
    assert!(error.contains("absent.safetensors"), "{error}");
}

#[test]
fn a_cache_that_cannot_be_used_stops_only_the_cache_verb() {
    let fixture = Fixture::with_data();
    fixture.write("cache", "a file where the folder should be");
    let error = fixture.fails(&["cache", "info"], 4);
    assert!(error.contains("cannot use the cache"), "{error}");
    let output = fixture.run(&["train", "data", "--fit", "stretch", "--out", "model"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("warning: features are not kept"), "{}", stderr(&output));
    assert_eq!(stderr(&output).matches("os error").count(), 1, "{}", stderr(&output));
}

#[test]
fn an_output_that_cannot_be_written_is_exit_1_before_anything_is_embedded() {
    let fixture = Fixture::with_data();
    fixture.write("file", "");
    for (arguments, want) in [
        (
            ["train", "data", "--out", "absent/m"],
            "absent/m: there is no folder absent, expected one that exists",
        ),
        (["train", "data", "--out", "file/m"], "file/m: there is no folder file, expected one that exists"),
        (["train", "data", "--out", "models/"], "models/: is a folder, expected the name of a file"),
        (["train", "data", "--out", "data"], "data: is a folder, expected the name of a file"),
        (["embed", "data", "--out", "absent/f.npy"], "absent/f.npy: there is no folder absent"),
    ] {
        let error = fixture.fails(&arguments, 1);
        assert!(error.starts_with(&format!("error: {want}")), "{error}");
    }
    assert_eq!(fixture.json(&["cache", "info"])["entries"], 0);
}

#[test]
fn broken_and_foreign_weights_are_named() {
    let fixture = Fixture::with_model();
    fixture.write("broken.safetensors", "x");
    for (weights, want) in [
        ("broken.safetensors", "broken.safetensors: not a weight file: found \"x\", expected safetensors"),
        ("model.safetensors", "model.safetensors: weight `stem_conv/kernel`"),
    ] {
        let error = fixture.fails(&["train", "data", "--weights", weights, "--out", "m"], 4);
        assert!(error.contains(want), "{error}");
    }
}
