//! The least memory of a training against what it really takes. Alone in its program, since it counts every allocation.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::Duration;

use engraft_data::Digest;
use engraft_graph::{Activation, Graph, GraphBuilder, Padding};
use engraft_kernels::InstructionSet;
use engraft_train::{
    Adam, CheckpointFile, FitData, FitOptions, FitRun, Optimizer, SampleError, Samples, Sgd, Silent,
    fit_network, initial_parameters, least_fit_bytes,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const CLASSES: usize = 2;

/// Flat images of two shades.
struct Shades {
    len: usize,
    image_len: usize,
}

impl Samples for Shades {
    fn len(&self) -> usize {
        self.len
    }

    fn classes(&self) -> usize {
        CLASSES
    }

    fn image_len(&self) -> usize {
        self.image_len
    }

    fn digest(&self) -> Digest {
        Digest::of(b"shades")
    }

    fn fill(
        &self,
        _: usize,
        indices: &[usize],
        images: &mut [f32],
        targets: &mut [f32],
    ) -> Result<(), SampleError> {
        let rows = images.chunks_mut(self.image_len).zip(targets.chunks_mut(CLASSES));
        for (&index, (image, target)) in indices.iter().zip(rows) {
            let class = index % CLASSES;
            image.fill(class as f32 - 0.5);
            target.fill(0.0);
            target[class] = 1.0;
        }
        Ok(())
    }
}

fn dense() -> Graph {
    let mut builder = GraphBuilder::new();
    let input = builder.input("input", [1, 1, 1024]).unwrap();
    let flat = builder.flatten("flat", input).unwrap();
    let hidden = builder.dense("hidden", flat, 1024).unwrap();
    let hidden = builder.activation("relu", hidden, Activation::Relu).unwrap();
    let more = builder.dense("more", hidden, 1024).unwrap();
    let scores = builder.dense("scores", more, CLASSES).unwrap();
    let output = builder.activation("probabilities", scores, Activation::Softmax).unwrap();
    builder.finish(output).unwrap()
}

fn convolutions() -> Graph {
    let mut builder = GraphBuilder::new();
    let input = builder.input("input", [64, 64, 3]).unwrap();
    let conv = builder.conv2d("conv", input, 24, 3, 1, Padding::Same).unwrap();
    let conv = builder.conv2d("more", conv, 24, 3, 1, Padding::Same).unwrap();
    let pooled = builder.global_average_pool2d("pooled", conv).unwrap();
    let scores = builder.dense("scores", pooled, CLASSES).unwrap();
    let output = builder.activation("probabilities", scores, Activation::Softmax).unwrap();
    builder.finish(output).unwrap()
}

#[test]
fn a_training_takes_what_is_foretold_and_little_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let file = CheckpointFile { path: &path, resume: false, interval: Duration::ZERO };
    let (adam, sgd) = (Optimizer::Adam(Adam::default()), Optimizer::Sgd(Sgd::default()));
    for (what, graph, image_len, optimizer, patience, checkpoint) in [
        ("dense, sgd", dense(), 1024, sgd, None, None),
        ("dense, sgd, checkpoints", dense(), 1024, sgd, None, Some(file)),
        ("dense, adam and the best epoch", dense(), 1024, adam, Some(1), None),
        ("dense, adam, checkpoints", dense(), 1024, adam, None, Some(file)),
        ("convolutions", convolutions(), 64 * 64 * 3, adam, None, None),
    ] {
        let options = FitOptions { epochs: 2, batch_size: 16, optimizer, patience, ..FitOptions::default() };
        let samples = Shades { len: 32, image_len };
        let foretold = least_fit_bytes(&graph, &options, samples.len, checkpoint.is_some()).unwrap();
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let initial = initial_parameters(&graph, 1).unwrap();
        let data = FitData { training: &samples, validation: None };
        let run = FitRun { isa: InstructionSet::best(), checkpoint, progress: &Silent };
        fit_network(&graph, &initial, data, &options, run).unwrap();
        let taken = (ALLOCATOR.peak_usage() - before) as f64 / foretold as f64;
        assert!((1.0..1.6).contains(&taken), "{what}: {taken} times the {foretold} bytes foretold");
    }
}
