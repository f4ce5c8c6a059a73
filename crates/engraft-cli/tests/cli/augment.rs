//! `engraft augment`: what it writes, what it refuses, what it leaves behind.

use std::{collections::BTreeMap, fs, path::Path};

use crate::fixture::Fixture;

/// Every file below `folder` by its relative path.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for class in fs::read_dir(folder).unwrap() {
        let class = class.unwrap().path();
        for file in fs::read_dir(&class).unwrap() {
            let file = file.unwrap().path();
            files.insert(file.strip_prefix(folder).unwrap().display().to_string(), fs::read(&file).unwrap());
        }
    }
    files
}

#[test]
fn copies_and_sheet_are_written_and_a_seed_decides_every_byte() {
    let fixture = Fixture::new();
    fixture.draw("data", 2, 0);
    let augment = |out: &str, rest: &[&str]| {
        let fixed = [
            "augment",
            "data",
            "--augment",
            "strong,noise=5",
            "--copies",
            "3",
            "--image-size",
            "32",
            "--out",
            out,
        ];
        fixture.json(&[&fixed[..], rest].concat())
    };
    let report = augment("one", &["--sheet", "sheet.png", "--threads", "1"]);
    assert_eq!(report["images"], 4);
    assert_eq!(report["written"], 12);
    assert_eq!(report["classes"][0], serde_json::json!({ "class": "discs", "images": 2, "written": 6 }));
    assert_eq!(report["augmentation"]["rotation"], 15.0);
    assert_eq!(report["augmentation"]["fill"], "reflect");
    let first = files(&fixture.path("one"));
    assert_eq!(first.len(), 12);
    assert!(first.contains_key("discs/0.png.2.png"), "{:?}", first.keys());
    for (name, bytes) in &first {
        let image = image::load_from_memory(bytes).unwrap();
        assert_eq!((image.width(), image.height()), (32, 32), "{name}");
    }
    assert!(image::open(fixture.path("sheet.png")).unwrap().width() >= 360);
    augment("two", &["--threads", "2"]);
    assert_eq!(first, files(&fixture.path("two")));
    augment("three", &["--seed", "1"]);
    assert_ne!(first, files(&fixture.path("three")));
}

#[test]
fn a_data_set_with_parts_gives_copies_of_its_training_part() {
    let fixture = Fixture::new();
    fixture.draw("parts/train", 1, 0);
    fixture.draw("parts/test", 1, 5);
    fixture.write("parts/train/discs/broken.png", "x");
    let report = fixture.json(&["augment", "parts", "--augment", "light", "--copies", "1", "--out", "out"]);
    let names: Vec<String> = files(&fixture.path("out")).into_keys().collect();
    assert_eq!(names, ["discs/0.png.0.png", "stripes/0.png.0.png"]);
    assert_eq!(report["skipped"][0]["path"], "parts/train/discs/broken.png");
}

#[test]
fn where_copies_and_sheet_are_is_told() {
    let fixture = Fixture::new();
    fixture.draw("data", 1, 0);
    let text = fixture.ok(&["augment", "data", "--augment", "light", "--out", "out", "--sheet", "sheet.png"]);
    assert!(text.ends_with("copies written to out\nsheet written to sheet.png\n"), "{text}");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    let fixture = Fixture::new();
    fixture.draw("data", 1, 0);
    fixture.write("full/file", "");
    fixture.write("far.toml", "rotation = 1e9");
    let refused = |settings: &str, out: &str, rest: &[&str], code: i32, want: &str| {
        let fixed = ["augment", "data", "--augment", settings, "--out", out];
        let error = fixture.fails(&[&fixed[..], rest].concat(), code);
        assert!(error.contains(want), "{settings} {out} {rest:?}: {error}");
    };
    refused("rotaton=5", "out", &[], 2, "augmentation `rotaton` is unknown, the nearest is `rotation`");
    refused("rotation=nan", "out", &[], 2, "`rotation` is nan, expected degrees from 0 to 180");
    refused("zoom=0", "out", &[], 2, "`zoom` is 0, expected");
    refused("zoom=0.1,zoom=0.2", "out", &[], 2, "`zoom` is given twice");
    refused("far.toml", "out", &[], 3, "far.toml: augmentation `rotation` is 1000000000.0");
    refused(
        "mixup=0.2",
        "out",
        &[],
        2,
        "--augment is mixup, expected settings that make one image out of another",
    );
    refused("light", "out", &["--copies", "0"], 2, "--copies is 0, expected a number from 1 to 1000");
    refused("light", "out", &["--copies", "99999999"], 2, "--copies is 99999999, expected");
    refused("light", "out", &["--image-size", "0"], 2, "--image-size is 0, expected");
    refused("light", "data", &[], 2, "--out is data, expected a folder that is empty");
    refused("light", "data/new", &[], 2, "--out is data/new, expected a folder outside of DATA");
    refused("light", "full", &[], 2, "--out is full, expected a folder that is empty");
    refused("light", "..", &[], 2, "expected the name of a folder");
    refused("light", "absent/out", &[], 1, "absent: No such file");
    refused("light", "out", &["--sheet", "absent/sheet.png"], 1, "there is no folder absent");
    refused(
        "light",
        "out",
        &["--sheet", "sheet.jpg"],
        2,
        "--sheet is sheet.jpg, expected a name that ends in .png",
    );
    let mut names: Vec<_> =
        fs::read_dir(fixture.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["data", "far.toml", "full"]);
    assert_eq!(fs::read_dir(fixture.path("data")).unwrap().count(), 2);
}

#[cfg(unix)]
#[test]
fn a_copy_that_cannot_be_written_is_named_by_its_place_and_nothing_is_left() {
    let fixture = Fixture::new();
    fixture.draw("data", 1, 0);
    let long_name = "x".repeat(255);
    fs::rename(fixture.path("data/discs/0.png"), fixture.path("data/discs").join(&long_name)).unwrap();
    let error = fixture.fails(&["augment", "data", "--augment", "light", "--out", "out"], 1);
    assert!(error.contains(&format!("out/discs/{long_name}.0.png: File name too long")), "{error}");
    let names: Vec<_> =
        fs::read_dir(fixture.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["data"]);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_leaves_nothing() {
    let fixture = Fixture::new();
    fixture.draw("data", 2, 0);
    let arguments = ["augment", "data", "--augment", "strong", "--copies", "1000", "--out", "out"];
    let mut command = fixture.command(&arguments);
    let mut child =
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let has_begun = || {
        let names = fs::read_dir(fixture.path(".")).unwrap().map(|entry| entry.unwrap().path());
        names
            .filter(|path| path.display().to_string().contains(".engraft-"))
            .any(|path| path.join("discs").exists())
    };
    while !has_begun() {
        std::thread::yield_now();
    }
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let names: Vec<_> =
        fs::read_dir(fixture.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["data"]);
}
