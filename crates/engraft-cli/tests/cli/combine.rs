//! Combinations of backbones: what is stored, what the model holds, what is refused.

use std::fs;

use serde_json::{Value, json};

use crate::{
    fixture::{Fixture, stderr},
    weights::{SMALL, SMALL_FEATURES, small_weights},
};

const BOTH: &str = "mobilenet_025+efficientnet_lite0";
const FEATURES: usize = SMALL_FEATURES + 1280;

/// A data set, and weights of a second backbone in `weights`.
pub fn fixture() -> Fixture {
    let fixture = Fixture::with_data();
    fixture.write(format!("weights/{SMALL}.safetensors"), small_weights());
    fixture
}

/// Runs the program with those weights; it must succeed and print one JSON document.
pub fn json(fixture: &Fixture, arguments: &[&str]) -> Value {
    let mut command = fixture.command(&[arguments, &["--json"]].concat());
    let output = command.env("ENGRAFT_WEIGHTS", fixture.path("weights")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn entries(fixture: &Fixture) -> u64 {
    fixture.json(&["cache", "info"])["entries"].as_u64().unwrap()
}

#[test]
fn a_combination_is_trained_kept_and_used_like_any_backbone() {
    let fixture = fixture();
    let train = |backbone: &str, out: &str| {
        json(&fixture, &["train", "data", "--fit", "stretch", "--backbone", backbone, "--out", out])
    };
    train(SMALL, "small");
    let report = train(BOTH, "model");
    assert_eq!(entries(&fixture), 2 * 12, "each network's features are stored once");
    let backbone = &report["backbone"];
    assert_eq!(
        (&backbone["name"], &backbone["features"], &backbone["input_size"]),
        (&json!(BOTH), &json!(FEATURES), &json!(224))
    );
    let parts: Vec<_> = backbone["parts"].as_array().unwrap().iter().map(|part| &part["name"]).collect();
    assert_eq!(parts, [SMALL, "efficientnet_lite0"]);
    assert_eq!(train("efficientnet_lite0", "lite0")["seconds"]["embed"], 0.0, "stored by the combination");

    // The model holds everything: no weights are named from here on.
    let evaluation = fixture.json(&["evaluate", "model", "data"]);
    assert_eq!(evaluation["accuracy"], 1.0);
    assert_eq!(entries(&fixture), 2 * 12, "the model's networks are those it was trained with");
    let description = fixture.json(&["inspect", "model"]);
    assert_eq!(description["backbone"], *backbone);
    let prediction: Value =
        serde_json::from_str(&fixture.ok(&["predict", "model", "data/discs/0.png", "--json"])).unwrap();
    assert_eq!(prediction["class"], "discs");
    let summary = fixture.json(&["summary", "model"]);
    assert_eq!(
        summary["layers"].as_array().unwrap().iter().filter(|layer| layer["type"] == "InputLayer").count(),
        2
    );
    assert_eq!(fixture.json(&["summary", BOTH])["parameters"], description["backbone_parameters"]);
    fixture.ok(&["plot", "model", "--out", "net.svg"]);
    let svg = fs::read_to_string(fixture.path("net.svg")).unwrap();
    assert!(svg.contains(">mobilenet_025:conv1</text>") && svg.contains(">combination</text>"));
}

#[test]
fn features_stand_side_by_side_in_the_order_given() {
    let fixture = fixture();
    let features = |data: &str, backbone: &str| {
        let table = json(&fixture, &["embed", data, "--backbone", backbone, "--out", "features.npy"]);
        let (rows, dim) = (table["rows"].as_u64().unwrap() as usize, table["dim"].as_u64().unwrap() as usize);
        let bytes = fs::read(fixture.path("features.npy")).unwrap();
        let values = &bytes[bytes.len() - rows * dim * 4..];
        values.chunks_exact(dim * 4).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 40, 48, 3), }\n";
    let pixels: Vec<u8> = (0..2 * 40 * 48 * 3).map(|index| (index * 31 % 251) as u8).collect();
    let array = [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes(), &pixels];
    fixture.write("array.npy", array.concat());
    for data in ["data/discs", "array.npy"] {
        let [small, lite0, both] = [SMALL, "efficientnet_lite0", BOTH].map(|name| features(data, name));
        let joined: Vec<_> =
            small.iter().zip(&lite0).map(|(one, other)| [&one[..], other].concat()).collect();
        assert!(both == joined, "{data}");
        assert_ne!(both[0], both[1], "{data}");
    }
}

#[test]
fn what_is_no_combination_is_refused() {
    let fixture = Fixture::with_data();
    for (backbone, further, code, want) in [
        ("efficientnet_lite0+efficientnet_lite0", None, 2, "names efficientnet_lite0 twice"),
        ("efficientnet_lite0+", None, 2, "a name is empty"),
        ("efficientnet_lite0+efficientnet", None, 2, "backbone `efficientnet` is unknown"),
        ("efficientnet_lite0+efficientnet_lite1", Some("--weights=w"), 2, "ENGRAFT_WEIGHTS"),
        ("efficientnet_lite0+efficientnet_lite1", None, 4, "the weights of `efficientnet_lite1`"),
    ] {
        let arguments: Vec<&str> =
            ["train", "data", "--backbone", backbone].into_iter().chain(further).collect();
        let error = fixture.fails(&arguments, code);
        assert!(error.contains(want), "{backbone}: {error}");
    }
    let error = fixture.fails(&["summary", BOTH, "--with-top"], 2);
    assert!(error.contains("expected a single backbone"), "{error}");
}
