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
        (vec!["train", "data", "--threads", "0"], "--threads"),
        (vec!["train", "data", "--backbone", "efficientnet-lite0"], "the nearest is efficientnet_lite0"),
        (vec!["embed", "data", "--out", "features.csv"], ".npy or .safetensors"),
        (vec!["predict", "model"], "PATH"),
        (vec!["fly"], "fly"),
    ] {
        let error = fixture.fails(&arguments, 2);
        assert!(error.contains(want), "{arguments:?}: {error}");
    }
    let output = fixture.command(&["train", "data"]).env("ENGRAFT_ISA", "mmx").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("mmx"), "{}", stderr(&output));
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
        (vec!["evaluate", "model.safetensors", "broken", "--quiet"], "no usable image of a known class"),
        (vec!["embed", "absent", "--out", "f.npy"], "absent: no such file or folder"),
    ] {
        let error = fixture.fails(&arguments, 3);
        assert!(error.starts_with("error: ") && error.contains(want), "{arguments:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
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
}

#[test]
fn a_model_that_cannot_be_written_is_exit_1() {
    let fixture = Fixture::with_data();
    let error = fixture.fails(&["train", "data", "--fit", "stretch", "--out", "absent/model", "--quiet"], 1);
    assert!(error.contains("absent/model"), "{error}");
    assert_eq!(error.matches("No such file").count(), 1, "said twice: {error}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_or_killed_run_leaves_no_model_and_the_next_is_undisturbed() {
    let fixture = Fixture::new();
    fixture.draw("data", 40, 0);
    for signal in ["-INT", "-KILL"] {
        let train = ["train", "data", "--fit", "stretch", "--out", "model", "--threads", "1", "--quiet"];
        let mut child = fixture.command(&train).spawn().unwrap();
        while fixture.json(&["cache", "info"])["entries"] == 0 {
            std::thread::yield_now();
        }
        std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        let status = child.wait().unwrap();
        assert_ne!(status.code(), Some(0), "{signal} came too late");
        assert_eq!(status.code(), if signal == "-INT" { Some(130) } else { None });
        assert!(!fixture.path("model").exists());
        fixture.ok(&["cache", "clear"]);
    }
    let fit = ["--fit", "stretch", "--quiet"];
    fixture.ok(&[&["train", "data", "--out", "disturbed"][..], &fit].concat());
    fixture.ok(&["cache", "clear"]);
    fixture.ok(&[&["train", "data", "--out", "fresh"][..], &fit].concat());
    assert_eq!(fs::read(fixture.path("disturbed")).unwrap(), fs::read(fixture.path("fresh")).unwrap());
}
