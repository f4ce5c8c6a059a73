//! Finding images and labels in folders of every kind.

// Helpers of tests fail like tests; clippy knows that of test functions only.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use engraft_data::{Dataset, ScanError, Skipped, scan, scan_flat, scan_test};
use tempfile::TempDir;

/// A folder that holds these files; a name that ends with `/` is an empty folder.
fn folder(names: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for name in names {
        let path = root.path().join(name);
        if name.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
    }
    root
}

fn relative(dataset: &Dataset) -> Vec<(&str, usize)> {
    dataset.train.iter().map(|sample| (sample.relative.as_str(), sample.class)).collect()
}

/// `(path below root, reason)` of what was skipped.
fn skipped(root: &Path, skipped: &[Skipped]) -> Vec<(String, String)> {
    let below = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
    skipped.iter().map(|skipped| (below(&skipped.path), skipped.reason.clone())).collect()
}

#[test]
fn class_folders_are_read_recursively_and_sorted_by_bytes() {
    let root = folder(&["b/2.jpg", "b/10.jpg", "b/deep/er/x", "B/1.png", "a b/\u{6f22}.jpg", "empty/"]);
    let found = scan(root.path()).unwrap();
    assert_eq!(found.classes, ["B", "a b", "b", "empty"]);
    assert_eq!(found.empty_classes, ["empty"]);
    let want = [("B/1.png", 0), ("a b/\u{6f22}.jpg", 1), ("b/10.jpg", 2), ("b/2.jpg", 2), ("b/deep/er/x", 2)];
    assert_eq!(relative(&found), want);
    assert_eq!((found.val, found.test, found.skipped, found.ignored), (None, None, vec![], 0));
    assert!(found.train.iter().all(|sample| sample.path.is_file()));
}

#[test]
fn parts_are_matched_by_name() {
    let root = folder(&[
        "train/cat/1",
        "train/dog/1",
        "valid/dog/1",
        "test/ant/1",
        "test/dog/1",
        "test/dog/2",
        "readme.txt",
        "more/x/1",
    ]);
    let found = scan(root.path()).unwrap();
    assert_eq!(found.classes, ["cat", "dog"]);
    let (val, test) = (found.val.unwrap(), found.test.unwrap());
    assert_eq!((val.samples[0].class, val.samples[0].relative.as_str()), (1, "valid/dog/1"));
    assert_eq!(val.missing_classes, ["cat"]);
    assert_eq!(test.samples.iter().map(|sample| sample.class).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(
        (test.missing_classes, test.extra_classes),
        (vec!["cat".to_string()], vec!["ant".to_string()])
    );
    let want = [
        ("more", "a folder beside `train` that is no part of the data"),
        ("readme.txt", "lies beside the class folders, so it has no class"),
        ("test/ant/1", "its folder is not one of the training classes"),
    ];
    assert_eq!(skipped(root.path(), &found.skipped), want.map(|(path, reason)| (path.into(), reason.into())));
}

#[test]
fn part_names_may_have_capitals_but_not_a_double() {
    let root = folder(&["Train/cat/1", "Train/dog/1", "TEST/dog/1", "Valid/cat/1"]);
    let found = scan(root.path()).unwrap();
    assert_eq!(found.classes, ["cat", "dog"]);
    assert_eq!(found.val.unwrap().samples[0].relative, "Valid/cat/1");
    assert_eq!(found.test.unwrap().samples[0].relative, "TEST/dog/1");
    assert_eq!(scan_test(root.path(), &found.classes).unwrap().part.samples.len(), 1);
    for (names, want) in [
        (["Train/cat/1", "train/dog/1"], "found both `Train` and `train`, expected one of them"),
        (["test/cat/1", "Test/cat/1"], "found both `Test` and `test`, expected one of them"),
    ] {
        let root = folder(&[&names[..], &["train/cat/2"]].concat());
        let error = scan(root.path()).unwrap_err().to_string();
        assert!(error.ends_with(want), "{error}");
    }
}

#[test]
fn a_folder_of_images_called_like_a_part_is_a_class_beside_others() {
    for train in ["train", "Train"] {
        let root = folder(&["bus/1.jpg", &format!("{train}/2.jpg"), "Test/3.jpg"]);
        let found = scan(root.path()).unwrap();
        assert_eq!(found.classes.len(), 3, "{:?}", found.classes);
        assert_eq!((found.train.len(), found.test, found.skipped), (3, None, vec![]), "{train}");
    }
}

#[test]
fn what_engraft_wrote_is_ignored_wherever_it_lies() {
    let root = folder(&["a/1.jpg", "b/2.jpg"]);
    let output = [&[0; 8], engraft_data::OUTPUT_MARK, b"\":\"{}\"}}"].concat();
    for name in ["model", "b/features.jpg"] {
        fs::write(root.path().join(name), &output).unwrap();
    }
    let found = scan(root.path()).unwrap();
    assert_eq!((found.train.len(), found.skipped, found.ignored), (2, vec![], 2));
    let flat = scan_flat(&[root.path().to_owned()]);
    assert_eq!((flat.files.len(), flat.ignored), (2, 2));
    assert_eq!(
        scan_flat(&[root.path().join("model")]).files.len(),
        1,
        "named itself, it is what is asked for"
    );
}

#[test]
fn junk_is_counted_and_files_without_class_are_skipped() {
    let root = folder(&[
        "a/1.jpg",
        "a/.DS_Store",
        "a/._1.jpg",
        "b/Thumbs.db",
        "b/desktop.ini",
        "b/2.jpg",
        ".git/config",
        "__MACOSX/a/1",
        "stray.jpg",
        "b/dir.jpg/",
        "b/full.png/3.jpg",
    ]);
    let found = scan(root.path()).unwrap();
    assert_eq!(relative(&found), [("a/1.jpg", 0), ("b/2.jpg", 1), ("b/full.png/3.jpg", 1)]);
    assert_eq!(found.ignored, 6);
    let want = [
        ("b/dir.jpg", "a folder named like an image, without a file in it"),
        ("stray.jpg", "lies beside the class folders, so it has no class"),
    ];
    assert_eq!(skipped(root.path(), &found.skipped), want.map(|(path, reason)| (path.into(), reason.into())));
}

#[test]
fn a_test_set_is_the_test_part_or_the_class_folders() {
    let classes = ["cat".to_string(), "dog".to_string()];
    let cases: [(&[&str], &[&str]); 4] = [
        (&["train/cat/1", "test/cat/2", "val/cat/3"], &["test/cat/2"]),
        (&["train/cat/1", "validation/cat/3"], &["validation/cat/3"]),
        (&["cat/1", "dog/2"], &["cat/1", "dog/2"]),
        (&["test/dog/1"], &["test/dog/1"]),
    ];
    for (names, want) in cases {
        let root = folder(names);
        let found = scan_test(root.path(), &classes).unwrap();
        let got: Vec<&str> = found.part.samples.iter().map(|sample| sample.relative.as_str()).collect();
        assert_eq!(got, want);
    }
    let root = folder(&["train/cat/1"]);
    assert!(matches!(scan_test(root.path(), &classes), Err(ScanError::NoTestPart { .. })));
}

#[test]
fn a_folder_that_is_no_data_set_is_an_error() {
    let root = folder(&["file", "empty/", "only_test/test/cat/1", "flat/1.jpg"]);
    let error = |name: &str| scan(&root.path().join(name)).unwrap_err();
    assert!(matches!(error("none"), ScanError::Unreadable { .. }));
    assert!(matches!(error("file"), ScanError::NotAFolder { .. }));
    assert!(matches!(error("empty"), ScanError::NoClasses { .. }));
    assert!(matches!(error("flat"), ScanError::NoClasses { .. }));
    assert!(matches!(error("only_test"), ScanError::NoTrainPart { found, .. } if found == "test"));
}

#[test]
fn a_flat_scan_takes_folders_and_files() {
    let root = folder(&["x/b.jpg", "x/a/c.jpg", "x/.hidden", "single.png"]);
    let paths: Vec<PathBuf> = ["x", "single.png", "none.jpg"].map(|name| root.path().join(name)).into();
    let found = scan_flat(&paths);
    let names: Vec<&str> = found.files.iter().map(|file| file.relative.as_str()).collect();
    assert_eq!(names, ["a/c.jpg", "b.jpg", paths[1].to_str().unwrap()]);
    assert_eq!((found.ignored, found.skipped.len(), &found.skipped[0].path), (1, 1, &paths[2]));
    assert_eq!(found.skipped[0].kind, "not_found");
}

#[cfg(unix)]
mod unix {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn links_are_followed_once_and_broken_ones_listed() {
        let root = folder(&["a/1.jpg", "b/2.jpg"]);
        let elsewhere = folder(&["deep/3.jpg"]);
        let link = |to: &Path, name: &str| symlink(to, root.path().join(name)).unwrap();
        link(elsewhere.path(), "a/extra");
        link(elsewhere.path(), "b/again");
        link(root.path(), "b/loop");
        link(Path::new("nowhere"), "b/dangling.jpg");
        link(Path::new("self.jpg"), "b/self.jpg");
        link(&root.path().join("a/1.jpg"), "b/file.jpg");
        link(&root.path().join("b"), "c");
        let found = scan(root.path()).unwrap();
        let want = [
            ("a/1.jpg", 0),
            ("a/extra/deep/3.jpg", 0),
            ("b/2.jpg", 1),
            ("b/file.jpg", 1),
            ("c/2.jpg", 2),
            ("c/file.jpg", 2),
        ];
        assert_eq!(relative(&found), want);
        let reasons: Vec<(String, String)> = skipped(root.path(), &found.skipped)
            .into_iter()
            .filter(|(path, _)| path.starts_with("b/"))
            .collect();
        let paths: Vec<&str> = reasons.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["b/again", "b/dangling.jpg", "b/loop", "b/self.jpg"]);
        assert_eq!(reasons[0].1, "a link to a folder that another link led to already");
        assert_eq!(reasons[1].1, "a link to nothing");
        assert_eq!(reasons[2].1, "a link to a folder it lies in");
    }

    #[test]
    fn names_that_are_not_utf8_are_shown_replaced_and_read_as_they_are() {
        let root = folder(&["a/1.jpg"]);
        let name = OsStr::from_bytes(b"\xff.jpg");
        fs::write(root.path().join("a").join(name), "x").unwrap();
        let found = scan(root.path()).unwrap();
        assert_eq!(found.train[1].relative, "a/\u{fffd}.jpg");
        assert_eq!(fs::read(&found.train[1].path).unwrap(), b"x");
        for twin in [b"\xfe", b"\xff"] {
            fs::create_dir(root.path().join(OsStr::from_bytes(twin))).unwrap();
        }
        assert!(matches!(scan(root.path()), Err(ScanError::AmbiguousClass { .. })));
    }

    #[test]
    fn a_pipe_is_skipped() {
        let root = folder(&["a/1.jpg"]);
        let pipe = root.path().join("a/pipe.jpg");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let found = scan(root.path()).unwrap();
        assert_eq!(
            skipped(root.path(), &found.skipped),
            [("a/pipe.jpg".into(), "neither a file nor a folder".into())]
        );
    }
}
