//! Loss and gradients of a network that is a single dense layer.

use std::collections::BTreeSet;

use engraft_engine::EngineError;
use engraft_graph::{Graph, Op};
use engraft_kernels::InstructionSet;

pub(crate) struct GradientOptions {
    pub isa: InstructionSet,
    pub label_smoothing: f32,
    pub frozen: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParameterSpec {
    pub name: String,
    pub shape: Vec<usize>,
    pub trainable: bool,
}

pub(crate) struct Batch<'a> {
    pub images: &'a [f32],
    pub targets: &'a [f32],
    pub weights: Option<&'a [f32]>,
}

pub(crate) struct BatchLoss {
    pub loss: f64,
    pub correct: usize,
}

pub(crate) struct Gradient {
    specs: Vec<ParameterSpec>,
    label_smoothing: f32,
}

impl Gradient {
    pub fn compile(graph: &Graph, options: &GradientOptions) -> Result<Gradient, EngineError> {
        let _ = options.isa;
        if let Some(node) = graph.nodes().iter().find(|node| matches!(node.op, Op::Conv2d(_))) {
            return Err(EngineError::UnknownOperation { node: node.name.clone() });
        }
        let trainable = |name: &str| !options.frozen.contains(name.split('/').next().unwrap_or_default());
        let specs = graph.weights().into_iter();
        let spec = |spec: engraft_graph::WeightSpec| ParameterSpec {
            trainable: trainable(&spec.name),
            name: spec.name,
            shape: spec.shape,
        };
        Ok(Gradient { specs: specs.map(spec).collect(), label_smoothing: options.label_smoothing })
    }

    pub fn parameters(&self) -> &[ParameterSpec] {
        &self.specs
    }

    pub fn run(
        &self,
        parameters: &mut [Vec<f32>],
        batch: &Batch,
        _seed: u64,
        gradients: &mut [Vec<f32>],
    ) -> Result<BatchLoss, EngineError> {
        let (features, classes) = (self.specs[0].shape[0], self.specs[0].shape[1]);
        gradients.iter_mut().flatten().for_each(|value| *value = 0.0);
        let images = batch.images.len() / features;
        let (mut loss, mut correct) = (0.0, 0);
        for i in 0..images {
            let image = &batch.images[i * features..][..features];
            let target = &batch.targets[i * classes..][..classes];
            let weight = batch.weights.map_or(1.0, |weights| weights[i]) / images as f32;
            let logit = |k: usize| {
                parameters[1][k]
                    + image.iter().enumerate().map(|(f, x)| x * parameters[0][f * classes + k]).sum::<f32>()
            };
            let logits: Vec<f32> = (0..classes).map(logit).collect();
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = logits.iter().map(|logit| (logit - largest).exp()).sum();
            let best = (0..classes).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or_default();
            correct += usize::from(target[best] > 0.5);
            for k in 0..classes {
                let smoothed =
                    target[k] * (1.0 - self.label_smoothing) + self.label_smoothing / classes as f32;
                let probability = (logits[k] - largest).exp() / sum;
                loss -= f64::from(weight * smoothed) * f64::from(logits[k] - largest - sum.ln());
                gradients[1][k] += weight * (probability - smoothed);
                for (f, x) in image.iter().enumerate() {
                    gradients[0][f * classes + k] += x * weight * (probability - smoothed);
                }
            }
        }
        Ok(BatchLoss { loss, correct })
    }
}
