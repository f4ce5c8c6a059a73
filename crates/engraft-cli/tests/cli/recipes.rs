//! `train --recipe` and `--network`: networks from pixels to a model file, also if killed on the way.

use std::{
    fs,
    process::{Command, Output, Stdio},
};

use image::{Pixel, RgbImage};
use serde_json::{Value, json};

use crate::fixture::{Fixture, discs, stderr};

/// A small network on small images: two seconds even where tests are slow.
const CNN: [&str; 8] = ["train", "data", "--recipe", "cnn", "--image-size", "24", "--augment", "tutorial"];

fn with<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    [&CNN[..], rest].concat()
}

#[test]
fn every_recipe_makes_a_model_that_every_verb_takes() {
    for (recipe, features) in [("cnn", 512), ("pixels", 512), ("dense", 128)] {
        let fixture = Fixture::with_data();
        fixture.draw("data-test", 2, 50);
        let size: &[&str] = if recipe == "dense" { &[] } else { &["--image-size", "24"] };
        let fixed =
            ["train", "data", "--recipe", recipe, "--epochs", "4", "--test", "data-test", "--out", "m.st"];
        let report = fixture.json(&[&fixed[..], size].concat());
        assert_eq!((&report["cv"], &report["network"]["epochs"]), (&Value::Null, &4.into()), "{recipe}");
        assert_eq!(report["backbone"]["features"], features, "{recipe}");
        let history = fs::read_to_string(fixture.path("m.history.csv")).unwrap();
        assert_eq!(history.lines().count(), 1 + 4, "{recipe}: {history}");
        assert!(fs::read_to_string(fixture.path("m.history.svg")).unwrap().contains("<polyline"), "{recipe}");
        assert!(!fixture.path("m.checkpoint").exists(), "{recipe}: a checkpoint is left");
        let judged = fixture.json(&["evaluate", "m.st", "data-test"]);
        assert_eq!(judged["accuracy"], report["test"]["accuracy"], "{recipe}");
        assert!(fixture.ok(&["predict", "m.st", "data-test"]).contains("discs"), "{recipe}");
        let training = &fixture.json(&["inspect", "m.st"])["training"];
        assert_eq!((&training["network"]["recipe"], &training["l2"]), (&recipe.into(), &Value::Null));
    }
}

#[test]
fn a_killed_training_that_is_resumed_ends_with_the_same_bytes() {
    let fixture = Fixture::with_data();
    fixture.ok(&with(&["--epochs", "12", "--out", "whole", "--threads", "1", "--quiet"]));
    let run = with(&["--epochs", "12", "--out", "killed", "--quiet"]);
    let mut child = fixture.command(&run).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !fixture.path("killed.checkpoint").exists() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success() && !fixture.path("killed").exists(), "the kill came too late");
    let run: Vec<&str> = run.into_iter().filter(|&argument| argument != "--quiet").collect();
    let resumed = fixture.run(&[&run[..], &["--resume"]].concat());
    assert!(
        stderr(&resumed).contains("resuming from the checkpoint killed.checkpoint, which has "),
        "{}",
        stderr(&resumed)
    );
    assert_eq!(fs::read(fixture.path("killed")).unwrap(), fs::read(fixture.path("whole")).unwrap());
}

#[test]
fn an_interrupted_training_says_how_to_go_on() {
    let fixture = Fixture::with_data();
    fixture.draw("data-test", 20, 50);
    // The first is stopped while it trains, the second while it is judged on many views.
    for rest in [
        &["--epochs", "1000", "--stop-loss", "0"][..],
        &["--epochs", "1", "--test", "data-test", "--tta", "1000"],
    ] {
        let run = [&with(&["--out", "stopped", "--quiet"]), rest].concat();
        let _ = fs::remove_file(fixture.path("stopped.checkpoint"));
        let child = fixture.command(&run).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        while !fixture.path("stopped.checkpoint").exists() {
            std::thread::yield_now();
        }
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(130), "{rest:?}: {message}");
        let want = "no model was written; --resume goes on from stopped.checkpoint";
        assert!(message.contains(want), "{rest:?}: {message}");
    }
    let anew = fixture.run(&with(&["--out", "stopped", "--quiet", "--epochs", "1"]));
    let want = "found the checkpoint stopped.checkpoint of an earlier training, which is replaced";
    assert_eq!(anew.status.code(), Some(0), "{}", stderr(&anew));
    assert!(stderr(&anew).contains(want), "{}", stderr(&anew));
}

#[test]
fn a_network_that_is_not_judged_says_so() {
    let fixture = Fixture::with_data();
    let not_judged = "Not judged on any other image";
    let train = |rest: &[&str]| fixture.run(&with(&[&["--epochs", "2", "--out", "m.st"], rest].concat()));
    let text = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();
    let alone = train(&["--tta", "3", "--min-accuracy", "0.1"]);
    assert_eq!(alone.status.code(), Some(5), "{}", stderr(&alone));
    assert!(text(&alone).contains("Trained for 2 of 2 epochs; training loss "), "{}", text(&alone));
    assert!(
        text(&alone).contains(not_judged) && !text(&alone).contains("images judged by"),
        "{}",
        text(&alone)
    );
    for want in [
        "--tta 3 judges nothing, expected a validation or test part",
        "found no accuracy, expected one on the test part",
    ] {
        assert!(stderr(&alone).contains(want), "{}", stderr(&alone));
    }
    let inspected = fixture.ok(&["inspect", "m.st"]);
    for want in [
        "network        cnn, 2 of 2 epochs",
        "optimizer      adam, learning rate 0.001, schedule constant, batch size 20",
        "width-shift=0.2",
    ] {
        assert!(inspected.contains(want), "{inspected}");
    }
    let validated = train(&["--val-split", "0.34", "--min-accuracy", "0"]);
    assert_eq!(validated.status.code(), Some(0), "{}", stderr(&validated));
    let diverging = train(&["--val-split", "0.34", "--min-accuracy", "0.9", "--learning-rate", "1e3"]);
    assert_eq!(diverging.status.code(), Some(5), "{}", stderr(&diverging));
    assert!(!text(&validated).contains(not_judged), "{}", text(&validated));
}

#[test]
fn flattened_features_are_every_value_of_the_last_map() {
    let fixture = Fixture::with_data();
    let fixed = ["train", "data", "--recipe", "dense", "--epochs", "2", "--out", "m.st"];
    fixture.json(&[&fixed[..], &["--flatten"]].concat());
    let flattened = fixture.json(&["inspect", "m.st"]);
    fixture.json(&fixed);
    let pooled = fixture.json(&["inspect", "m.st"]);
    let parameters = |model: &Value| model["backbone_parameters"].as_u64().unwrap();
    // The last map of EfficientNet-Lite0 is 7 x 7 pixels of 1280 values; the first dense layer has 128 units.
    assert_eq!(parameters(&flattened) - parameters(&pooled), (7 * 7 - 1) * 1280 * 128);
    assert!(fixture.ok(&["predict", "m.st", "data"]).contains("discs"));
}

#[test]
fn a_dense_head_learns_from_views_of_training_images_alone() {
    let fixture = Fixture::with_data();
    let fixed = ["train", "data", "--recipe", "dense", "--epochs", "3", "--val-split", "0.34", "--quiet"];
    let views = ["--views", "3", "--augment", "zoom=0.2", "--seed", "4"];
    let train = |out: &str, rest: &[&str]| fixture.json(&[&fixed[..], rest, &["--out", out]].concat());
    let report = train("one", &[&views[..], &["--threads", "1"]].concat());
    assert_eq!((&report["images"]["train"], &report["images"]["val"]), (&8.into(), &4.into()));
    assert_eq!((&report["views"]["count"], &report["network"]["augment"]), (&3.into(), &Value::Null));
    // Images that are set aside for validation have no copies, but are embedded again by each network that was trained.
    let entries = || fixture.json(&["cache", "info"])["entries"].as_u64().unwrap();
    assert_eq!(entries(), 8 * 3 + 4 + 4);
    assert_eq!(fixture.json(&["inspect", "one"])["training"]["views"], report["views"]);
    train("two", &views);
    train("untouched", &["--seed", "4"]);
    let bytes = |name: &str| fs::read(fixture.path(name)).unwrap();
    assert!(bytes("one") == bytes("two"), "neither the threads nor the store change the model");
    assert!(bytes("one") != bytes("untouched"), "the copies change the model");
    let before = entries();
    let flattened = train("flattened", &["--views", "2", "--flatten"]);
    assert_eq!(flattened["views"]["augment"]["rotation"], 5.0, "nothing else was asked for");
    assert_eq!(entries() - before, 8 * 2 + 4 + 4, "maps are stored apart from their means");
}

#[test]
fn mixed_and_standardised_pixels_are_judged_as_they_were_trained_on() {
    let fixture = Fixture::with_data();
    fixture.draw("data-test", 2, 50);
    let settings = "zoom=0.1,mixup=0.3,cutmix=1,samplewise-center,samplewise-std-normalization,zca-whitening,zca-epsilon=0.1";
    let fixed =
        ["train", "data", "--recipe", "cnn", "--image-size", "24", "--epochs", "4", "--test", "data-test"];
    let train = |out: &str, augment: &str, rest: &[&str]| {
        fixture.json(&[&fixed[..], &["--augment", augment, "--out", out], rest].concat())
    };
    let report = train("one", settings, &["--threads", "1", "--tta", "2"]);
    let remembered = &report["network"]["augment"];
    assert_eq!((&remembered["cutmix"], &remembered["zca-whitening"]), (&1.0.into(), &true.into()));
    assert_eq!(report["tta"]["augment"]["mixup"], Value::Null, "copies of what is judged are not mixed");
    let judged = fixture.json(&["evaluate", "one", "data-test", "--tta", "2"]);
    assert_eq!(judged["confusion"], report["test"]["confusion"]);
    train("two", settings, &["--threads", "2", "--tta", "2"]);
    let bytes = |name: &str| fs::read(fixture.path(name)).unwrap();
    assert!(bytes("one") == bytes("two"), "the threads change the model");
    train("unmixed", &settings.replace("mixup=0.3,cutmix=1,", ""), &["--tta", "2"]);
    assert!(bytes("one") != bytes("unmixed"), "mixing changes the model");
}

#[test]
fn an_image_of_other_brightness_is_the_same_to_a_network_that_standardises_it() {
    let fixture = Fixture::with_data();
    let darker =
        |image: RgbImage| RgbImage::from_fn(60, 48, |x, y| image.get_pixel(x, y).map(|level| level / 2 + 40));
    fixture.save("bright.png", &discs(7));
    fixture.save("dark.png", &darker(discs(7)));
    let probability = |path: &str| {
        let line = fixture.json(&["predict", "m.st", path]);
        line["probability"].as_f64().unwrap()
    };
    for (augment, alike) in [("samplewise-std-normalization", true), ("rescale=0.01", false)] {
        let fixed =
            ["train", "data", "--recipe", "cnn", "--image-size", "24", "--epochs", "3", "--out", "m.st"];
        fixture.ok(&[&fixed[..], &["--augment", augment, "--quiet"]].concat());
        let apart = (probability("bright.png") - probability("dark.png")).abs();
        assert_eq!(apart < 0.01, alike, "{augment}: {apart} apart");
    }
}

#[test]
fn what_cannot_be_trained_is_told() {
    let fixture = Fixture::with_data();
    fixture
        .write("net.toml", "input = \"pixels\"\n[[layer]]\ntype = \"conv2d\"\nfilters = 4\nkernel = 199\n");
    fixture
        .write("flat.toml", "input = \"features\"\n[[layer]]\ntype = \"conv2d\"\nfilters = 4\nkernel = 3\n");
    let layer = "[[layer]]\ntype = \"dense\"\nunits = 1048576\n";
    fixture.write("vast.toml", format!("input = \"features\"\n{layer}{layer}"));
    for file in ["junk/a/1.png", "junk/b/1.png", "lone/b/1.png"] {
        fixture.write(file, "text");
    }
    fixture.save("lone/a/1.png", &discs(1));
    fs::create_dir_all(fixture.path("kept.history.svg")).unwrap();
    fixture.write("typo.toml", "input = \"pixels\"\n[[layer]]\ntype = \"conv2d\"\nfilter = 4\n");
    for (arguments, code, want) in [
        (vec!["train", "data", "--epochs", "3"], 2, "--epochs has no meaning for the recipe linear"),
        (
            vec!["train", "data", "--recipe", "cnnn"],
            2,
            "--recipe is cnnn, expected linear, dense, cnn or pixels",
        ),
        (with(&["--epochs", "0"]), 2, "epochs"),
        (with(&["--val-split", "1"]), 2, "--val-split is 1, expected a number from 0 to below 1"),
        (
            with(&["--views", "3"]),
            2,
            "--views is 3 for the recipe cnn on pixels, expected 1, since --augment",
        ),
        (
            vec!["train", "data", "--recipe", "dense", "--augment", "light"],
            2,
            "only the untouched view is taken, expected --views N beside it",
        ),
        (
            vec!["train", "data", "--recipe", "dense", "--views", "2", "--augment", "mixup=0.2"],
            2,
            "--augment is mixup, expected settings that make one image",
        ),
        (
            with(&["--out", "m.checkpoint"]),
            2,
            "--out m.checkpoint is where the checkpoint is kept, expected another ending",
        ),
        (with(&["--out", "kept"]), 1, "kept.history.svg: is a folder, expected the name of a file"),
        (with(&["--flatten"]), 2, "--flatten is set for the recipe cnn on pixels"),
        (with(&["--backbone", "mobilenet_v2"]), 2, "--backbone mobilenet_v2 is about a frozen backbone"),
        (with(&["--weights", "w.h5"]), 2, "--weights w.h5 is about a frozen backbone"),
        (with(&["--epochs", "3", "--learning-rate", "1e30"]), 3, "the loss is NaN in epoch 2, batch 1"),
        (
            vec!["train", "data", "--recipe", "cnn", "--image-size", "9"],
            3,
            "network cnn on an input of 9 x 9 x 3 does not work: node `head_max_pool2d_1`",
        ),
        (
            vec!["train", "data", "--network", "net.toml"],
            3,
            "network net on an input of 100 x 100 x 3 does not work: node `head_conv2d`",
        ),
        (
            vec!["train", "data", "--network", "flat.toml"],
            3,
            "`head_conv2d` got an input of shape [1280], expected a map",
        ),
        (
            vec!["train", "data", "--network", "vast.toml"],
            2,
            "training network vast takes at least 30824.2 GB of memory, expected at most the",
        ),
        (vec!["train", "data", "--network", "absent.toml"], 3, "absent.toml: cannot be read: No such file"),
        (
            with(&["--class-weight", "cubes=2"]),
            2,
            "--class-weight is for `cubes`, but the classes are discs, stripes",
        ),
        (
            with(&["--class-weight", "discs=0"]),
            2,
            "--class-weight is `discs=0`, expected a weight from 1e-6 to 1e6",
        ),
        (
            vec!["train", "data", "--class-weight", "cubes=2"],
            2,
            "--class-weight is for `cubes`, but the classes are discs, stripes",
        ),
        (with(&["--folds", "3"]), 2, "--folds 3 has no meaning for cnn, expected none for a network"),
        (vec!["train", "junk", "--recipe", "cnn"], 3, "junk/a/1.png: not an image"),
        (vec!["train", "junk", "--recipe", "dense"], 3, "junk/a/1.png: not an image"),
        (
            vec!["train", "lone", "--recipe", "pixels"],
            3,
            "lone: found usable images of 1 classes, expected at least 2",
        ),
        (vec!["train", "data", "--network", "typo.toml"], 3, "unknown field `filter`"),
    ] {
        let message = fixture.fails(&arguments, code);
        assert!(message.contains(want), "{arguments:?}: {message}");
        assert!(!fixture.path("data.safetensors").exists(), "{arguments:?}");
    }
}

#[test]
fn settings_that_a_network_cannot_use_are_told() {
    let fixture = Fixture::with_data();
    for (arguments, want) in [
        (
            with(&["--val-split", "0.01"]),
            "--val-split is 0.01, which sets no image of any class aside, expected a larger share",
        ),
        (
            vec!["train", "data", "--recipe", "dense", "--image-size", "64"],
            "--image-size 64 has no meaning for dense, expected none for a network on features",
        ),
        (
            with(&["--schedule", "cosine,warmup=-1"]),
            "invalid value: integer `-1`, expected a whole number of at least 0",
        ),
    ] {
        let message = fixture.fails(&arguments, 2);
        assert!(message.contains(want), "{arguments:?}: {message}");
    }
}

#[test]
fn strict_refuses_what_is_judged_on_before_anything_is_trained() {
    let fixture = Fixture::with_data();
    fixture.draw("parts/train", 6, 0);
    fixture.draw("parts/test", 2, 50);
    fixture.write("parts/test/discs/9.png", "text");
    fixture.write("data/discs/00.png", "text");
    for (data, rest, want) in [
        ("parts", &[][..], "parts/test/discs/9.png: not an image"),
        ("data", &["--val-split", "0.34"], "data/discs/00.png: not an image"),
    ] {
        for recipe in [&["cnn", "--image-size", "24"][..], &["dense"]] {
            let fixed = ["train", data, "--strict", "--epochs", "1", "--out", "m.st", "--quiet", "--recipe"];
            let message = fixture.fails(&[&fixed[..], recipe, rest].concat(), 3);
            assert!(message.contains(want), "{recipe:?}: {message}");
            assert!(!fixture.path("m.checkpoint").exists() && !fixture.path("m.st").exists(), "{recipe:?}");
        }
    }
}

#[test]
fn a_network_that_has_not_learnt_is_told() {
    let fixture = Fixture::with_data();
    let output = fixture.run(&with(&["--epochs", "2", "--learning-rate", "1e3", "--out", "m.st", "--quiet"]));
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{message}");
    assert!(
        message.contains("this network has not learnt; try a smaller learning rate than 1000.0"),
        "{message}"
    );
    let output = fixture.run(&with(&["--epochs", "2", "--out", "m.st", "--quiet"]));
    assert!(!stderr(&output).contains("has not learnt"), "{}", stderr(&output));
}

#[test]
fn weights_of_classes_change_the_model_and_are_remembered() {
    let fixture = Fixture::with_data();
    let train =
        |out: &str, rest: &[&str]| fixture.json(&with(&[&["--epochs", "2", "--out", out], rest].concat()));
    train("even", &[]);
    let report = train("weighted", &["--class-weight", "stripes=4"]);
    assert_eq!(report["network"]["options"]["class_weights"], json!([1.0, 4.0]));
    let bytes = |name: &str| fs::read(fixture.path(name)).unwrap();
    assert!(bytes("even") != bytes("weighted"));
    assert!(fixture.ok(&["inspect", "weighted"]).contains("class weights  discs=1,stripes=4"));
}

#[test]
fn weights_of_classes_change_a_linear_head_and_are_remembered() {
    let fixture = Fixture::with_data();
    let train = |out: &str, rest: &[&str]| {
        let report = fixture.json(&[&["train", "data", "--fit", "stretch", "--out", out], rest].concat());
        (report["class_weights"].clone(), fs::read(fixture.path(out)).unwrap())
    };
    let (none, even) = train("even", &[]);
    let (named, weighted) = train("weighted", &["--class-weight", "stripes=4"]);
    let (balanced, _) = train("balanced", &["--balanced"]);
    assert_eq!((none, named), (json!(null), json!([1.0, 4.0])));
    assert_eq!(balanced.as_array().map(Vec::len), Some(2));
    assert!(even != weighted);
    assert!(fixture.ok(&["inspect", "weighted"]).contains("class weights  discs=1,stripes=4"));
}

#[test]
fn classes_with_hardly_an_image_are_told() {
    let fixture = Fixture::with_data();
    fixture.save("data/cubes/1.png", &discs(99));
    for recipe in ["cnn", "dense"] {
        let size: &[&str] = if recipe == "cnn" { &["--image-size", "24"] } else { &[] };
        let fixed =
            ["train", "data", "--recipe", recipe, "--epochs", "1", "--val-split", "0.34", "--out", "m.st"];
        let output = fixture.run(&[&fixed[..], size].concat());
        assert_eq!(output.status.code(), Some(0), "{recipe}: {}", stderr(&output));
        for want in
            ["classes with a single training image: cubes", "classes without a validation image: cubes"]
        {
            assert!(stderr(&output).contains(want), "{recipe}: {}", stderr(&output));
        }
    }
}

#[test]
fn a_batch_of_more_than_there_is_and_validation_images_are_told() {
    let fixture = Fixture::with_data();
    let output =
        fixture.run(&with(&["--epochs", "2", "--batch-size", "500", "--val-split", "0.34", "--json"]));
    assert!(stderr(&output).contains("a batch of 500 is more than there is"), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!([&report["images"]["train"], &report["images"]["val"]], [8, 4]);
}
