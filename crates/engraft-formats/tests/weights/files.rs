//! The files that `reference/keras_files.py` made, and what is in them.

use std::{
    fs::File,
    io::{Cursor, Read},
};

use engraft_formats::{FormatError, KerasLayers, Limits, WeightsFile, read_weights_from, safetensors};
use engraft_graph::{Tensor, TensorData};
use engraft_testing::golden_path;
use zip::ZipArchive;

/// All files by name.
pub fn all() -> Vec<(String, Vec<u8>)> {
    let file = File::open(golden_path("formats/keras_files.zip")).unwrap();
    let mut archive = ZipArchive::new(file).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut entry = archive.by_index(index).unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

/// The file `name`.
pub fn named(name: &str) -> Vec<u8> {
    all().into_iter().find(|(file, _)| file == name).unwrap_or_else(|| panic!("{name} does not exist")).1
}

/// Reads a file as if it were alone on the disk.
pub fn read(bytes: &[u8]) -> Result<WeightsFile, FormatError> {
    let limits = Limits::for_file_len(bytes.len() as u64);
    read_weights_from(Cursor::new(bytes.to_vec()), limits)
}

/// Reads a file that holds layers.
pub fn layers(name: &str) -> KerasLayers {
    match read(&named(name)) {
        Ok(WeightsFile::Layers(layers)) => layers,
        other => panic!("{name}: {other:?}"),
    }
}

/// Layer, weight, shape and bits.
pub type Row = (String, String, Vec<usize>, Vec<u32>);

/// What the files of `content` hold, in the order of the model's layers. A layer is `NAME` or `NAME|PATH`.
pub fn expected(content: &str) -> Vec<Row> {
    let bytes = std::fs::read(golden_path("formats/keras_files.safetensors")).unwrap();
    let tensors = safetensors::from_bytes(&bytes).unwrap().tensors;
    let mut rows: Vec<_> = tensors.iter().filter(|(key, _)| key.split('|').next() == Some(content)).collect();
    rows.sort_by_key(|&(key, _)| key);
    rows.into_iter().map(|(key, tensor)| row(key, tensor)).collect()
}

fn row(key: &str, tensor: &Tensor) -> Row {
    let (head, weight) = key.rsplit_once('|').unwrap();
    let layer = head.splitn(3, '|').nth(2).unwrap();
    (layer.to_owned(), weight.to_owned(), tensor.shape().to_vec(), bits(tensor))
}

/// The layers of a file as rows.
pub fn rows(layers: &KerasLayers) -> Vec<Row> {
    let mut rows = Vec::new();
    for layer in &layers.layers {
        let name = match &layer.place {
            Some(place) => format!("{}|{}", layer.name, place.path),
            None => layer.name.clone(),
        };
        for (weight, tensor) in &layer.weights {
            rows.push((name.clone(), weight.clone(), tensor.shape().to_vec(), bits(tensor)));
        }
    }
    rows
}

/// The bits of every element, those of half precision marked as such.
pub fn bits(tensor: &Tensor) -> Vec<u32> {
    match tensor.data() {
        TensorData::F32(values) => values.iter().map(|value| value.to_bits()).collect(),
        TensorData::F16(values) => {
            values.iter().map(|value| u32::from(value.to_bits()) | 0xaaaa_0000).collect()
        }
        other => panic!("{other:?}"),
    }
}
