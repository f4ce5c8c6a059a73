//! Points around the centres of three classes, as images of five values, and a small network for them.

use engraft_data::{Digest, Rng};
use engraft_graph::{Activation, Graph, GraphBuilder, NamedTensors};
use engraft_kernels::InstructionSet;
use engraft_testing::noise;
use engraft_train::{
    CheckpointFile, FitData, FitError, FitOptions, FitRun, FittedNetwork, Progress, SampleError, Samples,
    Silent, fit_network, initial_parameters,
};

pub const IMAGE_LEN: usize = 5;
pub const CLASSES: usize = 3;

/// Samples that can be wrong in several ways.
#[derive(Clone)]
pub struct Clouds {
    /// `[len, IMAGE_LEN]`
    pub images: Vec<f32>,
    pub labels: Vec<usize>,
    pub classes: usize,
    pub image_len: usize,
    /// How far an image is moved anew in each epoch.
    pub jitter: f32,
    /// The epoch in which no image can be had.
    pub broken_epoch: Option<usize>,
}

impl Clouds {
    /// `len` points; the further apart the centres, the easier.
    pub fn new(seed: u64, len: usize, distance: f32) -> Clouds {
        let labels: Vec<usize> = (0..len).map(|index| index % CLASSES).collect();
        let mut images = noise(seed, len * IMAGE_LEN);
        for (image, &label) in images.chunks_mut(IMAGE_LEN).zip(&labels) {
            image[label] += distance;
        }
        Clouds { images, labels, classes: CLASSES, image_len: IMAGE_LEN, jitter: 0.0, broken_epoch: None }
    }
}

impl Samples for Clouds {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn image_len(&self) -> usize {
        self.image_len
    }

    fn digest(&self) -> Digest {
        let values = self.images.iter().chain([&self.jitter]).flat_map(|value| value.to_le_bytes());
        Digest::of(&values.chain(self.labels.iter().map(|&label| label as u8)).collect::<Vec<_>>())
    }

    fn fill(
        &self,
        epoch: usize,
        indices: &[usize],
        images: &mut [f32],
        targets: &mut [f32],
    ) -> Result<(), SampleError> {
        if self.broken_epoch == Some(epoch) {
            return Err("the disk is gone".into());
        }
        targets.fill(0.0);
        let rows = images.chunks_exact_mut(IMAGE_LEN).zip(targets.chunks_exact_mut(CLASSES));
        for (&index, (image, target)) in indices.iter().zip(rows) {
            image.copy_from_slice(&self.images[index * IMAGE_LEN..][..IMAGE_LEN]);
            let shift = Rng::derived(0, &[epoch as u64, index as u64]).uniform() as f32;
            image.iter_mut().for_each(|value| *value += self.jitter * shift);
            target[self.labels[index]] = 1.0;
        }
        Ok(())
    }
}

/// One dense layer and a softmax.
pub fn network() -> Graph {
    let mut net = GraphBuilder::new();
    let image = net.input("image", [1, IMAGE_LEN, 1]).unwrap();
    let x = net.flatten("flatten", image).unwrap();
    let x = net.dense("dense", x, CLASSES).unwrap();
    let x = net.activation("softmax", x, Activation::Softmax).unwrap();
    net.finish(x).unwrap()
}

pub fn initial() -> NamedTensors {
    initial_parameters(&network(), 1).unwrap()
}

/// A training of [`network`] on the portable instruction set.
pub fn fit_watched(
    training: &Clouds,
    validation: Option<&Clouds>,
    options: &FitOptions,
    checkpoint: Option<CheckpointFile>,
    progress: &dyn Progress,
) -> Result<FittedNetwork, FitError> {
    let data = FitData { training, validation: validation.map(|samples| samples as &dyn Samples) };
    let isa = InstructionSet::named("portable").unwrap();
    fit_network(&network(), &initial(), data, options, FitRun { isa, checkpoint, progress })
}

/// As [`fit_watched`], without checkpoint and unwatched.
pub fn fit(
    training: &Clouds,
    validation: Option<&Clouds>,
    options: &FitOptions,
) -> Result<FittedNetwork, FitError> {
    fit_watched(training, validation, options, None, &Silent)
}
