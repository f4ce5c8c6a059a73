//! A pretrained network, or several side by side, ready to turn images into features.

mod calibrate;
mod names;
mod part;
mod throughput;

use std::path::Path;

use engraft_data::{Digest, Filter};
use engraft_engine::{EngineError, Precision};
use engraft_train::{Embedder, Progress, Silent, Store};
use serde::Serialize;

use crate::Error;
pub(crate) use calibrate::{CALIBRATION_IMAGES, CalibrationFiles};
pub(crate) use names::specs;
pub(crate) use part::BackbonePart;
pub use part::PartInfo;

/// Most networks of a combination.
pub(crate) const MAX_PARTS: usize = 16;

/// Frozen networks from a square RGB image to one feature vector: that of each network, one after another.
pub struct Backbone {
    info: BackboneInfo,
    parts: Vec<BackbonePart>,
}

/// What identifies a backbone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackboneInfo {
    /// Its name in the zoo; of a combination the names of its parts, joined by `+`.
    pub name: String,
    /// SHA-256 of the weight file it was made from; of a combination that of the parts' digests in hexadecimal, joined by
    /// `+`.
    pub weights_sha256: String,
    /// Side of its square input, in pixels; of a combination the largest one.
    pub input_size: usize,
    /// Length of its feature vector.
    pub features: usize,
    /// What its convolutions multiply: `f32`, `bf16` or `int8`.
    pub precision: String,
    /// The networks it consists of, in the order of their features; a single one of a backbone that is no combination.
    pub parts: Vec<PartInfo>,
}

impl Backbone {
    /// The backbone inside the binary.
    pub const DEFAULT: &str = "efficientnet_lite0";

    /// Opens the backbone `name`, or the combination `a+b+c`, with its weights from `weights`, or else from where
    /// [`open_with`](Backbone::open_with) finds them; nobody sees the progress of a download.
    ///
    /// # Errors
    /// As [`Backbone::open_with`].
    pub fn open(name: &str, weights: Option<&Path>) -> Result<Backbone, Error> {
        Backbone::open_with(name, weights, &Silent)
    }

    /// Opens the backbone `name`, or the combination `a+b+c`, with its weights from `weights`, or else from the first of:
    /// the folder that the environment variable `ENGRAFT_WEIGHTS` names, the binary, our cache, Keras' cache, the Hugging
    /// Face hub's cache, the official address or `ENGRAFT_MIRROR`, unless `ENGRAFT_OFFLINE` is set.
    ///
    /// # Errors
    /// If a name is unknown, empty or there twice, if weights are missing or wrong, or if one file is named for several
    /// backbones.
    pub fn open_with(name: &str, weights: Option<&Path>, progress: &dyn Progress) -> Result<Backbone, Error> {
        let specs = specs(name)?;
        if let (Some(path), [_, _, ..]) = (weights, &specs[..]) {
            return Err(Error::Setting {
                setting: "--weights",
                found: format!("the file {} for the combination {name}", path.display()),
                expected: "the weight files of all its backbones in the folder that ENGRAFT_WEIGHTS names",
            });
        }
        let parts = specs.into_iter().map(|spec| BackbonePart::open(spec, weights, progress));
        Ok(Backbone::of_parts(parts.collect::<Result<_, Error>>()?))
    }

    /// What identifies it.
    pub fn info(&self) -> &BackboneInfo {
        &self.info
    }

    /// Values in its weights.
    pub fn parameters(&self) -> usize {
        self.parts.iter().map(|part| part.graph.parameter_count()).sum()
    }

    /// Size of its weights in the types in which they were loaded, in bytes.
    pub fn weights_bytes(&self) -> usize {
        self.parts.iter().map(BackbonePart::weights_bytes).sum()
    }

    /// The instruction set it runs on.
    pub fn instruction_set(&self) -> &'static str {
        self.parts[0].plan.isa_name()
    }

    /// What its convolutions multiply.
    pub fn precision(&self) -> Precision {
        self.parts[0].plan.precision()
    }

    /// The same backbone, its convolutions computed with another precision: its features differ a little. Int8 is for backbones of
    /// models that were trained in int8: training and embedding calibrate it by their images.
    ///
    /// # Errors
    /// [`Error::Engine`] if `ENGRAFT_ISA` names no instruction set of this computer; [`Error::Setting`] if the precision is int8
    /// and the backbone was not calibrated.
    pub fn at_precision(self, precision: Precision) -> Result<Backbone, Error> {
        if precision == Precision::Int8 && self.parts.iter().any(|part| part.calibration.is_none()) {
            return Err(Error::Setting {
                setting: "--precision",
                found: format!("int8 for {}, which was not calibrated by images", self.info.name),
                expected: "a model that was trained with --precision int8",
            });
        }
        if self.precision() == precision {
            return Ok(self);
        }
        let parts = self.parts.into_iter().map(|part| part.at_precision(precision));
        Ok(Backbone::of_parts(parts.collect::<Result<_, EngineError>>()?))
    }

    /// A warning if this computer has no fast instructions for the precision.
    pub(crate) fn precision_warning(&self) -> Option<String> {
        let slow = !self.parts[0].plan.gains_from_precision();
        let precision = self.precision();
        slow.then(|| {
            format!(
                "this computer has no fast instructions for {precision}: the results are as near as elsewhere, but f32 \
                 may be as fast or faster"
            )
        })
    }

    /// A backbone of one or more networks of one precision.
    pub(crate) fn of_parts(parts: Vec<BackbonePart>) -> Backbone {
        let infos = parts.iter().map(|part| part.info.clone()).collect();
        Backbone { info: BackboneInfo::of(infos, parts[0].plan.precision()), parts }
    }

    /// Its networks, to be changed.
    pub(crate) fn into_parts(self) -> Vec<BackbonePart> {
        self.parts
    }

    /// Its networks, at least one.
    pub(crate) fn parts(&self) -> &[BackbonePart] {
        &self.parts
    }

    /// Memory that one thread needs to run it, in bytes.
    pub(crate) fn worker_bytes(&self) -> usize {
        self.parts.iter().map(|part| part.plan.worker_bytes()).sum()
    }

    /// The same networks for images of another height and width, in pixels.
    pub(crate) fn at_size(self, input_px: [usize; 2]) -> Result<Backbone, Error> {
        let parts = self.parts.into_iter().map(|part| part.at_size(input_px));
        Ok(Backbone { info: self.info, parts: parts.collect::<Result<_, Error>>()? })
    }

    /// What turns image files into its features.
    pub(crate) fn embedder<'a>(&'a self, filter: Filter, store: Option<&'a Store>) -> Embedder<'a> {
        let networks = self.parts.iter().map(|part| part.feature_network(store.is_some())).collect();
        Embedder::new(networks, filter, store)
    }

    /// The features of images in memory, row by row; `run` does what it is named after for one network.
    pub(crate) fn run_images(
        &self,
        images: usize,
        run: impl Fn(&BackbonePart, &mut [f32]) -> Result<(), EngineError>,
    ) -> Result<Vec<f32>, EngineError> {
        let mut rows = vec![0.0; images * self.info.features];
        let mut begin = 0;
        for part in &self.parts {
            let mut features = vec![0.0; images * part.info.features];
            run(part, &mut features)?;
            let end = begin + part.info.features;
            let places = rows.chunks_exact_mut(self.info.features);
            for (row, values) in places.zip(features.chunks_exact(part.info.features)) {
                row[begin..end].copy_from_slice(values);
            }
            begin = end;
        }
        Ok(rows)
    }
}

impl BackboneInfo {
    /// Its name, and its precision where that is not single.
    pub(crate) fn described(&self) -> String {
        match &*self.precision {
            "f32" => self.name.clone(),
            precision => format!("{} in {precision}", self.name),
        }
    }

    /// The description of a backbone of these networks.
    pub(crate) fn of(parts: Vec<PartInfo>, precision: Precision) -> BackboneInfo {
        let joined = |of: fn(&PartInfo) -> &str| parts.iter().map(of).collect::<Vec<_>>().join("+");
        BackboneInfo {
            name: joined(|part| &part.name),
            weights_sha256: match &parts[..] {
                [part] => part.weights_sha256.clone(),
                _ => Digest::of(joined(|part| &part.weights_sha256).as_bytes()).to_string(),
            },
            input_size: parts.iter().map(|part| part.input_size).max().unwrap_or(0),
            features: parts.iter().map(|part| part.features).sum(),
            precision: precision.to_string(),
            parts,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engraft_graph::{GraphBuilder, NamedTensors, Padding, Tensor};
    use engraft_testing::noise;

    use super::*;

    /// A network of one convolution, for square images of side `input_size`.
    pub(crate) fn tiny_part(name: &str, input_size: usize, features: usize) -> BackbonePart {
        let mut net = GraphBuilder::new();
        let image = net.input("image", [input_size, input_size, 3]).unwrap();
        let x = net.conv2d("conv", image, features, 3, 1, Padding::Same).unwrap();
        let output = net.global_average_pool2d("pool", x).unwrap();
        let mut weights = NamedTensors::new();
        let kernel = Tensor::from_f32(vec![3, 3, 3, features], noise(features as u64, 27 * features));
        weights.insert("conv/kernel", kernel.unwrap()).unwrap();
        let info = part(name, input_size, features);
        BackbonePart::compile(info, net.finish(output).unwrap(), weights, Precision::F32, None).unwrap()
    }

    fn part(name: &str, input_size: usize, features: usize) -> PartInfo {
        PartInfo { name: name.to_owned(), weights_sha256: format!("sha of {name}"), input_size, features }
    }

    #[test]
    fn a_combination_is_described_by_its_parts() {
        let one = BackboneInfo::of(vec![part("a", 224, 1280)], Precision::F32);
        assert_eq!((&*one.name, &*one.weights_sha256), ("a", "sha of a"));
        assert_eq!((one.input_size, one.features, &*one.described()), (224, 1280, "a"));
        let two = BackboneInfo::of(vec![part("b", 240, 7), part("a", 224, 1280)], Precision::Bf16);
        assert_eq!((&*two.described(), two.input_size, two.features), ("b+a in bf16", 240, 1287));
        assert_eq!(two.weights_sha256, Digest::of(b"sha of b+sha of a").to_string());
    }

    #[test]
    fn rows_hold_the_features_of_every_network_in_order() {
        let backbone = Backbone::of_parts(vec![tiny_part("a", 4, 2), tiny_part("b", 4, 3)]);
        let images: Vec<Vec<u8>> = (0..2).map(|seed| engraft_testing::noise_u8(seed, 48)).collect();
        let images: Vec<&[u8]> = images.iter().map(|image| &image[..]).collect();
        let rows = backbone.run_images(2, |part, out| part.plan.run_u8(&images, out)).unwrap();
        let alone = |part: usize, image: usize| {
            let mut out = vec![0.0; backbone.parts()[part].info.features];
            backbone.parts()[part].plan.run_u8(&images[image..=image], &mut out).unwrap();
            out
        };
        assert_eq!(rows, [alone(0, 0), alone(1, 0), alone(0, 1), alone(1, 1)].concat());
        assert_eq!((backbone.parameters(), backbone.weights_bytes()), (27 * 5, 27 * 5 * 4));
        assert!(backbone.images_per_second().unwrap() > 0.0);
    }

    #[test]
    fn one_file_is_not_the_weights_of_several_backbones() {
        let opened = Backbone::open("efficientnet_lite0+efficientnet_lite1", Some("w.safetensors".as_ref()));
        let error = opened.err().unwrap().to_string();
        assert!(error.starts_with("--weights is the file w.safetensors for the combination"), "{error}");
        assert!(error.contains("ENGRAFT_WEIGHTS"), "{error}");
    }
}
