//! Undamaged files.

use engraft_formats::{LayerOrder, WeightsFile, read_weights};
use engraft_testing::golden_path;

use crate::files::{bits, expected, layers, named, read, rows};

#[test]
fn layers_and_tensors_are_those_of_keras_in_its_order() {
    for (file, content) in [
        ("legacy_earliest.h5", "legacy"),
        ("legacy_latest.h5", "legacy"),
        ("legacy_model.h5", "legacy"),
        ("long_earliest.h5", "long"),
        ("long_latest.h5", "long"),
        ("storage_earliest.h5", "storage"),
        ("storage_latest.h5", "storage"),
        ("tiny_earliest.h5", "tiny"),
        ("tiny_latest.h5", "tiny"),
        ("counted_stored.keras", "counted"),
        ("counted_compressed.keras", "counted"),
    ] {
        let layers = layers(file);
        assert_eq!(layers.order, LayerOrder::Model, "{file}");
        assert_eq!(rows(&layers), expected(content), "{file}");
    }
}

#[test]
fn weights_without_a_configuration_are_in_order_within_each_class() {
    let layers = layers("counted_weights.h5");
    assert_eq!(layers.order, LayerOrder::WithinClass);
    let mut by_path = expected("counted");
    by_path.sort();
    let mut found = rows(&layers);
    found.sort();
    assert_eq!(found, by_path);
    let places: Vec<_> = layers.layers.iter().filter_map(|layer| layer.place.as_ref()).collect();
    let dense = places.iter().filter(|place| place.class == "dense");
    assert_eq!(dense.map(|place| place.index).collect::<Vec<_>>(), (0..12).collect::<Vec<_>>());
    assert!(
        places.iter().all(|place| place.index == 0 || place.path.ends_with(&format!("_{}", place.index)))
    );
}

#[test]
fn whole_models_hold_their_configuration() {
    for (file, want) in [
        ("legacy_model.h5", Some("\"name\": \"aaa_before_the_others_by_name\"")),
        ("counted_stored.keras", Some("\"name\": \"inner\"")),
        ("legacy_latest.h5", None),
        ("counted_weights.h5", None),
    ] {
        let config = layers(file).model_config;
        assert_eq!(config.is_some(), want.is_some(), "{file}");
        assert!(config.unwrap_or_default().contains(want.unwrap_or_default()), "{file}");
    }
}

#[test]
fn arrays_of_numpy_keep_their_order() {
    for file in ["arrays_stored.npz", "arrays_compressed.npz"] {
        let WeightsFile::Named(tensors) = read(&named(file)).unwrap() else { panic!("{file} has layers") };
        let found: Vec<_> = tensors
            .iter()
            .map(|(name, tensor)| (String::new(), name.to_owned(), tensor.shape().to_vec(), bits(tensor)))
            .collect();
        assert_eq!(found, expected("arrays"), "{file}");
    }
}

#[test]
fn a_file_on_the_disk_is_told_by_its_bytes() {
    let WeightsFile::Layers(layers) = read_weights(&golden_path("formats/keras_files.keras")).unwrap() else {
        panic!("no layers");
    };
    assert_eq!(rows(&layers), expected("counted"));
    let WeightsFile::Named(tensors) = read_weights(&golden_path("formats/keras_files.safetensors")).unwrap()
    else {
        panic!("no names");
    };
    assert!(tensors.len() > 50, "{} tensors", tensors.len());
    for (name, want) in [
        ("formats/MANIFEST.json", ", expected safetensors, HDF5 or zip"),
        ("formats/keras_files.zip", "entry `legacy_earliest.h5` in the zip file is broken: not a npy file"),
        ("formats/absent.h5", "cannot read: "),
    ] {
        let error = read_weights(&golden_path(name)).unwrap_err().to_string();
        assert!(error.contains(want), "{name}: {error}");
    }
}
