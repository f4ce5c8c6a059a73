//! How well a network does on images it does not learn from.

use engraft_engine::{Plan, PlanOptions};
use engraft_graph::{Graph, NamedTensors};
use engraft_kernels::InstructionSet;

use super::{
    FitError, FitOptions, Samples,
    batch::{PreparedBatch, likeliest},
};
use crate::history::EpochScore;

/// Runs validation images through the frozen network.
pub(super) struct Evaluator<'a> {
    /// The network without its softmax: cross-entropy is exact only when it is taken of what goes into it.
    logits: Graph,
    samples: &'a dyn Samples,
    batch_size: usize,
    label_smoothing: f64,
    plan_options: PlanOptions,
}

impl<'a> Evaluator<'a> {
    /// `graph` ends in a softmax.
    pub fn new(
        graph: &Graph,
        samples: &'a dyn Samples,
        options: &FitOptions,
        isa: InstructionSet,
    ) -> Result<Evaluator<'a>, FitError> {
        let softmax = graph.node(graph.output());
        let logits = softmax.inputs.first().and_then(|&input| graph.up_to(&graph.node(input).name));
        let not_a_classifier = || FitError::NotAClassifier { node: softmax.name.clone() };
        Ok(Evaluator {
            logits: logits.ok_or_else(not_a_classifier)?,
            samples,
            batch_size: options.batch_size,
            label_smoothing: options.label_smoothing.into(),
            plan_options: PlanOptions::new(isa),
        })
    }

    /// The score of these parameters; images are those of `epoch`.
    pub fn score(&self, parameters: &NamedTensors, epoch: usize) -> Result<EpochScore, FitError> {
        let plan = Plan::compile(&self.logits, parameters, &self.plan_options)?;
        let (images, classes) = (self.samples.len(), self.samples.classes());
        let (mut loss, mut correct) = (0.0, 0);
        let mut batch = PreparedBatch::default();
        let mut logits = Vec::new();
        for indices in (0..images).collect::<Vec<_>>().chunks(self.batch_size) {
            batch.prepare(self.samples, None, epoch, indices)?;
            logits.resize(batch.len * classes, 0.0);
            let images: Vec<&[f32]> = batch.images.chunks(self.samples.image_len()).collect();
            plan.run_f32(&images, &mut logits)?;
            for (logits, targets) in logits.chunks(classes).zip(batch.targets.chunks(classes)) {
                loss += cross_entropy(logits, targets, self.label_smoothing);
                correct += usize::from(likeliest(logits) == likeliest(targets));
            }
        }
        Ok(EpochScore { loss: loss / images as f64, accuracy: correct as f64 / images as f64 })
    }
}

/// Cross-entropy in nats between smoothed targets and the softmax of `logits`.
fn cross_entropy(logits: &[f32], targets: &[f32], label_smoothing: f64) -> f64 {
    let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
    let log_sum = largest + sum.ln();
    let even = label_smoothing / logits.len() as f64;
    let terms = logits.iter().zip(targets).map(|(&logit, &target)| {
        let target = f64::from(target) * (1.0 - label_smoothing) + even;
        target * (log_sum - f64::from(logit))
    });
    terms.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_is_exact_for_any_logits() {
        for (logits, targets, smoothing, want) in [
            (&[0.0, 0.0][..], &[1.0, 0.0][..], 0.0, 2f64.ln()),
            (&[1000.0, 0.0], &[1.0, 0.0], 0.0, 0.0),
            (&[1000.0, 0.0], &[0.0, 1.0], 0.0, 1000.0),
            (&[1000.0, 0.0], &[1.0, 0.0], 0.1, 50.0),
            (&[1000.0, 0.0], &[0.25, 0.75], 0.0, 750.0),
        ] {
            let got = cross_entropy(logits, targets, smoothing);
            assert!((got - want).abs() < 1e-9, "{logits:?}, {targets:?}: {got}, want {want}");
        }
        assert!(cross_entropy(&[f32::NAN, 0.0], &[1.0, 0.0], 0.0).is_nan());
    }
}
