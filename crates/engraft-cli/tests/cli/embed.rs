//! `embed`: every kind of input, both formats of output.

use std::fs;

use serde_json::json;

use crate::fixture::{Fixture, discs};

/// The numbers of a `.npy` file, whose header NumPy pads to a multiple of 64 bytes.
fn npy_values(bytes: &[u8]) -> Vec<f32> {
    let header_len = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[header_len..].as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect()
}

/// A `.npy` file of version 1.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn a_folder_in_any_layout_becomes_a_table() {
    let fixture = Fixture::new();
    fixture.draw("data/train", 1, 0);
    fixture.draw("data/test", 1, 1);
    fixture.save("data/loose.png", &discs(2));
    fixture.write("data/notes.txt", "not an image");
    let table = fixture.json(&["embed", "data", "--out", "f.npy"]);
    let paths =
        ["loose.png", "test/discs/0.png", "test/stripes/0.png", "train/discs/0.png", "train/stripes/0.png"];
    assert_eq!((&table["rows"], &table["dim"], &table["paths"]), (&json!(5), &json!(1280), &json!(paths)));
    assert_eq!(table["skipped"].as_array().unwrap().len(), 1);
    let values = npy_values(&fs::read(fixture.path("f.npy")).unwrap());
    assert_eq!(values.len(), 5 * 1280);
    let single = fixture.json(&["embed", "data/loose.png", "--out", "single.npy"]);
    assert_eq!(single["paths"], json!(["data/loose.png"]));
    assert_eq!(npy_values(&fs::read(fixture.path("single.npy")).unwrap()), values[..1280]);
}

#[test]
fn a_safetensors_file_holds_features_and_paths() {
    let fixture = Fixture::with_data();
    fixture.ok(&["embed", "data/discs", "--out", "f.npy", "--quiet"]);
    fixture.ok(&["embed", "data/discs", "--out", "f.safetensors", "--quiet"]);
    let bytes = fs::read(fixture.path("f.safetensors")).unwrap();
    let header_len = u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header_len]).unwrap();
    assert_eq!(
        (&header["features"]["shape"], &header["features"]["dtype"]),
        (&json!([6, 1280]), &json!("F32"))
    );
    let paths: Vec<String> = serde_json::from_str(header["__metadata__"]["paths"].as_str().unwrap()).unwrap();
    assert_eq!(paths[5], "5.png");
    let values: Vec<f32> =
        bytes[8 + header_len..].as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect();
    assert_eq!(values, npy_values(&fs::read(fixture.path("f.npy")).unwrap()));
}

#[test]
fn an_array_of_images_is_taken_at_its_own_size_in_bytes_or_floats() {
    let fixture = Fixture::new();
    let pixels: Vec<u8> = (0..2 * 40 * 56 * 3).map(|index| (index * 31 % 251) as u8).collect();
    let floats: Vec<u8> = pixels.iter().flat_map(|&pixel| f32::from(pixel).to_le_bytes()).collect();
    fixture.write("bytes.npy", npy("|u1", "(2, 40, 56, 3)", &pixels));
    fixture.write("floats.npy", npy("<f4", "(2, 40, 56, 3)", &floats));
    let table = fixture.json(&["embed", "bytes.npy", "--out", "b.npy"]);
    assert_eq!(table["paths"], json!(["bytes.npy#0", "bytes.npy#1"]));
    fixture.ok(&["embed", "floats.npy", "--out", "f.npy", "--quiet"]);
    let [bytes, floats] = ["b.npy", "f.npy"].map(|name| npy_values(&fs::read(fixture.path(name)).unwrap()));
    assert_eq!(bytes, floats);
    assert_ne!(bytes[..1280], bytes[1280..]);
}

#[test]
fn the_content_tells_an_array_from_an_image() {
    let fixture = Fixture::new();
    fixture.write("array.png", npy("|u1", "(1, 40, 56, 3)", &[7; 40 * 56 * 3]));
    let table = fixture.json(&["embed", "array.png", "--out", "a.npy"]);
    assert_eq!(table["paths"], json!(["array.png#0"]));
    fixture.save("image.png", &discs(1));
    fs::rename(fixture.path("image.png"), fixture.path("image.npy")).unwrap();
    let table = fixture.json(&["embed", "image.npy", "--out", "i.npy"]);
    assert_eq!(table["paths"], json!(["image.npy"]));
}

#[test]
fn an_array_in_a_folder_is_skipped_and_a_table_of_features_is_ignored() {
    let fixture = Fixture::new();
    fixture.save("flat/a.png", &discs(1));
    fixture.write("flat/array.npy", npy("|u1", "(1, 40, 56, 3)", &[7; 40 * 56 * 3]));
    for ignored in [0, 1] {
        let table = fixture.json(&["embed", "flat", "--out", "flat/features.safetensors"]);
        assert_eq!((&table["rows"], &table["ignored"]), (&json!(1), &json!(ignored)));
        let reason = "not an image: it looks like a numpy array";
        assert_eq!(table["skipped"], json!([{"path": "flat/array.npy", "reason": reason}]));
    }
}

#[test]
fn a_wrong_array_is_refused_by_name() {
    let fixture = Fixture::new();
    for (bytes, want) in [
        (npy("|u1", "(2, 4, 4)", &[0; 32]), "shape [2, 4, 4], expected [n, height, width, 3]"),
        (npy("<f8", "(1, 1, 1, 3)", &[0; 24]), "<f8"),
        (npy("|u1", "(9, 4, 4, 3)", &[0; 32]), "array.npy"),
        (npy("|u1", "(2, 0, 4, 3)", &[]), "got an input of 0 x 4 pixels, expected at least 32 x 32"),
        (npy("|u1", "(4611686018427387904, 4, 4, 3)", &[0; 32]), "too large"),
        (npy("<f4", "(1, 32, 32, 3)", &[f32::NAN.to_le_bytes(); 32 * 32 * 3].concat()), "not finite"),
        (b"PK".to_vec(), "array.npy"),
    ] {
        fixture.write("array.npy", bytes);
        let error = fixture.fails(&["embed", "array.npy", "--out", "f.npy"], 3);
        assert!(error.contains(want), "{want}: {error}");
    }
}

#[test]
fn fit_and_filter_change_the_features_and_threads_do_not() {
    let fixture = Fixture::new();
    fixture.save("flat/b.png", &discs(1));
    fixture.save("flat/a.png", &discs(2));
    let embed = |options: &[&str]| {
        let table = fixture.json(&[&["embed", "flat", "--out", "f.npy"][..], options].concat());
        assert_eq!(table["paths"], json!(["a.png", "b.png"]));
        fs::read(fixture.path("f.npy")).unwrap()
    };
    let plain = embed(&[]);
    assert_eq!(embed(&["--fit", "stretch", "--filter", "bicubic", "--threads", "1"]), plain);
    let others = [["--fit", "crop"], ["--fit", "pad"], ["--filter", "nearest"], ["--filter", "lanczos"]];
    for options in others {
        assert_ne!(embed(&options), plain, "{options:?}");
    }
}
