//! Features of many images as one table, and the files it is written to.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use engraft_data::{Filter, Fit, Skipped, scan_flat};
use engraft_engine::{Calibration, PlanOptions, Precision};
use engraft_formats::{
    npy::{self, NpyReader, NpyValues},
    safetensors,
};
use engraft_graph::{NamedTensors, Tensor};
use engraft_train::{Progress, Store};
use serde::Serialize;

use crate::{
    Error, atomic_file,
    backbone::{Backbone, BackboneInfo, CALIBRATION_IMAGES, CalibrationFiles},
    embedded_part::{Usable, embed_usable, store_warning},
    skipped::{self, SkippedFile},
};

/// Entry of the metadata by which a file of features is recognised, see [`engraft_data::OUTPUT_MARK`].
const MARK_KEY: &str = "engraft_features";

/// Values of an array that are held in memory before they are embedded.
const CHUNK_VALUES: usize = 1 << 24;

/// Choices of an embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmbedOptions {
    /// How images fill the input. An array of images is taken at its own size.
    pub fit: Fit,
    /// The filter images are resized with.
    pub filter: Filter,
    /// What the backbone's convolutions multiply; `None` for what it has. Int8 is calibrated by up to 64 of the images that are
    /// embedded: drawn files, or the first ones of an array.
    pub precision: Option<Precision>,
}

/// A format of feature files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureFormat {
    /// NumPy's: the features alone.
    Npy,
    /// A tensor `features`, and the paths as a JSON list in the metadata.
    Safetensors,
}

/// Features, one row per image.
#[derive(Clone, Debug, Serialize)]
pub struct FeatureTable {
    /// Number of images.
    pub rows: usize,
    /// Length of a row.
    pub dim: usize,
    /// What the convolutions of the backbone multiplied: `f32`, `bf16` or `int8`.
    pub precision: String,
    /// Per row: the path of the image below the given folder, or `FILE#i` for image `i` of an array; sorted.
    pub paths: Vec<String>,
    /// Files that were not used, and why.
    pub skipped: Vec<SkippedFile>,
    /// Number of files that are known junk.
    pub ignored: usize,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// `[rows, dim]`, row-major.
    #[serde(skip)]
    pub values: Vec<f32>,
}

impl FeatureFormat {
    /// The format that the ending of `path` names.
    ///
    /// # Errors
    /// [`Error::Setting`] if it ends neither in `.npy` nor in `.safetensors`.
    pub fn of(path: &Path) -> Result<FeatureFormat, Error> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => Ok(FeatureFormat::Npy),
            Some("safetensors") => Ok(FeatureFormat::Safetensors),
            _ => Err(Error::Setting {
                setting: "--out",
                found: path.display().to_string(),
                expected: "a name that ends in .npy or .safetensors",
            }),
        }
    }
}

impl FeatureTable {
    /// Embeds `data`: a folder in any layout, an image, or a NumPy array of images `[n, h, w, 3]` in 0..255.
    ///
    /// The content of a file decides what it is. An array inside a folder is skipped: its images have a size of their
    /// own, so it is embedded only where it is given itself.
    ///
    /// # Errors
    /// If `data` does not exist, an array has another shape or type, or [`Error::Interrupted`] if `progress` says so.
    pub fn embed(
        data: &Path,
        backbone: Backbone,
        options: &EmbedOptions,
        store: Option<&Store>,
        progress: &dyn Progress,
    ) -> Result<FeatureTable, Error> {
        if !data.exists() {
            return Err(Error::data(data, "no such file or folder"));
        }
        if is_array(data) {
            return embed_array(data, backbone, options.precision, progress);
        }
        embed_files(data, backbone, options, store, progress)
    }

    /// Writes the features, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn save(&self, path: &Path, format: FeatureFormat) -> Result<(), Error> {
        let shape = [self.rows, self.dim];
        let bytes = match format {
            FeatureFormat::Npy => npy::to_bytes(shape, &self.values),
            FeatureFormat::Safetensors => {
                let wrong = |error: &dyn std::fmt::Display| Error::data(path, &error.to_string());
                let mut tensors = NamedTensors::new();
                let features =
                    Tensor::from_f32(shape.to_vec(), self.values.clone()).map_err(|error| wrong(&error))?;
                tensors.insert("features", features).map_err(|error| wrong(&error))?;
                let paths = serde_json::to_string(&self.paths).map_err(|error| wrong(&error))?;
                let metadata =
                    BTreeMap::from([(MARK_KEY.to_owned(), "1".to_owned()), ("paths".to_owned(), paths)]);
                safetensors::to_bytes(&tensors, &metadata).map_err(|error| wrong(&error))?
            }
        };
        atomic_file::write_file(path, &bytes)
    }

    /// What was embedded, as text for people.
    pub fn text(&self) -> String {
        let summary = skipped::summary(&self.skipped, self.ignored);
        format!("{} images, {} features each; {summary}", self.rows, self.dim)
    }
}

fn embed_files(
    data: &Path,
    backbone: Backbone,
    options: &EmbedOptions,
    store: Option<&Store>,
    progress: &dyn Progress,
) -> Result<FeatureTable, Error> {
    let mut scan = scan_flat(&[data.to_owned()]);
    scan.files.sort_by(|a, b| a.relative.cmp(&b.relative));
    let paths: Vec<&Path> = scan.files.iter().map(|file| file.path.as_path()).collect();
    let backbone = match options.precision {
        Some(precision) if !paths.is_empty() => {
            let (paths, fits, filter) = (paths.clone(), &[options.fit][..], options.filter);
            let files = CalibrationFiles { root: data, paths, fits, filter, seed: 0 };
            backbone.at_precision_for(precision, &files, progress)?
        }
        _ => backbone,
    };
    let embedder = backbone.embedder(options.filter, store);
    let Usable { images, skipped } =
        embed_usable(&embedder, &paths, &[options.fit], None, "embedding", progress)?;
    scan.skipped.extend(skipped);
    if images.is_empty() {
        return Err(no_image(data, &scan.skipped));
    }
    let mut table = FeatureTable::empty(&backbone, scan.ignored);
    for (index, image) in images {
        table.push(scan.files[index].relative.clone(), &image.features[0]);
    }
    table.skipped = skipped::listed(&scan.skipped);
    table.warnings.extend(store_warning(&embedder));
    Ok(table)
}

fn no_image(data: &Path, skipped: &[Skipped]) -> Error {
    match skipped {
        [Skipped { path, reason, .. }] if path == data => Error::data(data, reason),
        _ => Error::NoImages { root: data.to_owned(), skipped: skipped::listed(skipped) },
    }
}

/// Whether `data` is a regular file that begins as NumPy's arrays do.
fn is_array(data: &Path) -> bool {
    const MAGIC: &[u8; 6] = b"\x93NUMPY";
    let mut head = [0; MAGIC.len()];
    let read = |mut file: File| file.read_exact(&mut head);
    data.is_file() && File::open(data).and_then(read).is_ok() && head == *MAGIC
}

fn embed_array(
    data: &Path,
    backbone: Backbone,
    precision: Option<Precision>,
    progress: &dyn Progress,
) -> Result<FeatureTable, Error> {
    let wrong = |problem: &dyn std::fmt::Display| Error::data(data, &problem.to_string());
    let file = File::open(data).map_err(Error::io(data))?;
    let file_len = file.metadata().map_err(Error::io(data))?.len();
    let mut array = NpyReader::new(BufReader::new(file), file_len).map_err(|error| wrong(&error))?;
    let &[count, height, width, 3] = array.shape() else {
        return Err(wrong(&format!(
            "the array has shape {:?}, expected [n, height, width, 3]",
            array.shape()
        )));
    };
    let mut backbone = backbone.at_size([height, width]).map_err(|error| wrong(&error))?;
    let mut uncalibrated = precision == Some(Precision::Int8);
    if let Some(precision) = precision.filter(|_| !uncalibrated) {
        backbone = backbone.at_precision(precision)?;
    }
    let image_len = height * width * 3;
    let name = data.file_name().unwrap_or_default().to_string_lossy();
    let mut table = FeatureTable::empty(&backbone, 0);
    progress.begin("embedding", count);
    while table.rows < count {
        if progress.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let values = array
            .read_values((CHUNK_VALUES / image_len).max(1) * image_len)
            .map_err(|error| wrong(&error))?;
        if let Some(index) = not_finite(&values) {
            let name = format!("{name}#{}", table.rows + index / image_len);
            return Err(wrong(&format!("{name} has values that are not finite, expected pixels in 0..255")));
        }
        if std::mem::take(&mut uncalibrated) {
            backbone = calibrated(backbone, &values, image_len)?;
            table = FeatureTable::empty(&backbone, 0);
        }
        let features = run_chunk(&backbone, &values, image_len)?;
        for row in features.chunks_exact(table.dim) {
            let name = format!("{name}#{}", table.rows);
            if row.iter().any(|value| !value.is_finite()) {
                return Err(wrong(&format!(
                    "the features of {name} are not finite, expected pixels in 0..255"
                )));
            }
            table.push(name, row);
            progress.step();
        }
    }
    Ok(table)
}

/// Where the first value is that is not finite: bytes would hide it.
fn not_finite(values: &NpyValues) -> Option<usize> {
    match values {
        NpyValues::U8(_) => None,
        NpyValues::F32(values) => values.iter().position(|value| !value.is_finite()),
    }
}

/// The backbone in int8, by the first images of a chunk.
fn calibrated(backbone: Backbone, values: &NpyValues, image_len: usize) -> Result<Backbone, Error> {
    let isa = PlanOptions::from_env()?.isa;
    backbone.calibrated(|part| match values {
        NpyValues::U8(values) => {
            let images: Vec<&[u8]> = values.chunks_exact(image_len).take(CALIBRATION_IMAGES).collect();
            Calibration::measure_u8(&part.graph, &part.weights, isa, &images)
        }
        NpyValues::F32(values) => {
            let images: Vec<&[f32]> = values.chunks_exact(image_len).take(CALIBRATION_IMAGES).collect();
            Calibration::measure_f32(&part.graph, &part.weights, isa, &images)
        }
    })
}

/// The features of each image of a chunk, row by row, computed in the current rayon pool.
fn run_chunk(backbone: &Backbone, values: &NpyValues, image_len: usize) -> Result<Vec<f32>, Error> {
    let features = match values {
        NpyValues::U8(values) => {
            let images: Vec<&[u8]> = values.chunks_exact(image_len).collect();
            backbone.run_images(images.len(), |part, out| part.plan.run_u8(&images, out))
        }
        NpyValues::F32(values) => {
            let images: Vec<&[f32]> = values.chunks_exact(image_len).collect();
            backbone.run_images(images.len(), |part, out| part.plan.run_f32(&images, out))
        }
    };
    Ok(features?)
}

impl FeatureTable {
    fn empty(backbone: &Backbone, ignored: usize) -> FeatureTable {
        let (paths, skipped, values) = Default::default();
        let BackboneInfo { features: dim, precision, .. } = backbone.info().clone();
        let warnings = backbone.precision_warning().into_iter().collect();
        FeatureTable { rows: 0, dim, precision, paths, skipped, ignored, warnings, values }
    }

    fn push(&mut self, path: String, row: &[f32]) {
        self.paths.push(path);
        self.values.extend_from_slice(row);
        self.rows += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::tests::tiny_part;

    #[test]
    fn a_file_of_features_is_recognised_as_our_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features");
        let mut table = FeatureTable::empty(&Backbone::of_parts(vec![tiny_part("a", 4, 2)]), 0);
        table.push("0.png".to_owned(), &[1.0, 2.0]);
        table.save(&path, FeatureFormat::Safetensors).unwrap();
        assert!(std::fs::read(&path).unwrap()[8..].starts_with(engraft_data::OUTPUT_MARK));
    }
}
