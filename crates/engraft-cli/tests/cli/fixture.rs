//! A folder with a small data set, a store of its own, and the program to run in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

/// A temporary working folder.
pub struct Fixture {
    folder: TempDir,
}

impl Fixture {
    /// An empty folder.
    pub fn new() -> Fixture {
        Fixture { folder: tempfile::tempdir().unwrap() }
    }

    /// A folder with `data/{stripes,discs}/*.png`, six images each.
    pub fn with_data() -> Fixture {
        let fixture = Fixture::new();
        fixture.draw("data", 6, 0);
        fixture
    }

    /// A folder with a data set and the model `model.safetensors` trained on it.
    pub fn with_model() -> Fixture {
        let fixture = Fixture::with_data();
        fixture.ok(&["train", "data", "--fit", "stretch", "--out", "model.safetensors", "--quiet"]);
        fixture
    }

    /// Draws `count` images a class below `root`, different for different `seed`.
    pub fn draw(&self, root: &str, count: u32, seed: u32) {
        for (class, draw) in [("stripes", stripes as fn(u32) -> RgbImage), ("discs", discs)] {
            for index in 0..count {
                self.save(&format!("{root}/{class}/{index}.png"), &draw(seed + index));
            }
        }
    }

    /// Writes an image; the ending names the format.
    pub fn save(&self, path: &str, image: &RgbImage) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image.save(path).unwrap();
    }

    /// Writes a file.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The place of `path` in the folder.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The program with a store of its own, and neither a network nor what other programs have fetched.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_engraft"));
        command.current_dir(self.folder.path()).args(arguments);
        command.env("ENGRAFT_CACHE", self.path("cache")).env_remove("ENGRAFT_WEIGHTS");
        command
            .env("ENGRAFT_OFFLINE", "1")
            .env("KERAS_HOME", self.path("keras"))
            .env("HF_HOME", self.path("hub"));
        command.env_remove("HF_HUB_CACHE").env_remove("HUGGINGFACE_HUB_CACHE");
        command
    }

    /// Runs the program.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the program, which must succeed; returns its output.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the program, which must succeed and print one JSON document.
    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// Runs the program, which must fail with `code`, print nothing to stdout and one sentence to stderr.
    pub fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty(), "{arguments:?} printed to stdout");
        stderr(&output)
    }
}

/// What the program printed to stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Vertical stripes of a width and colour that follow from `seed`.
pub fn stripes(seed: u32) -> RgbImage {
    let width = 4 + seed % 5;
    RgbImage::from_fn(60 + seed % 7, 48, |x, _| {
        if (x / width).is_multiple_of(2) { ink(seed) } else { Rgb([250; 3]) }
    })
}

/// A disc of a size and colour that follow from `seed`.
pub fn discs(seed: u32) -> RgbImage {
    let radius = i64::from(10 + seed % 9);
    let inside = |x: u32, y: u32| (i64::from(x) - 30).pow(2) + (i64::from(y) - 24).pow(2) < radius.pow(2);
    RgbImage::from_fn(60, 48 + seed % 7, |x, y| if inside(x, y) { ink(seed) } else { Rgb([240; 3]) })
}

fn ink(seed: u32) -> Rgb<u8> {
    Rgb([(seed * 37 % 200) as u8, (seed * 91 % 200) as u8, (seed * 53 % 200) as u8])
}
