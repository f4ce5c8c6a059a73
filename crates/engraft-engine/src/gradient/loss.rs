//! The end of a network: softmax, cross-entropy and how many images were recognised.

use engraft_kernels::SoftmaxCrossEntropy;

use super::{Batch, BatchLoss};

/// The loss of the `scores` of all images; `gradient` receives its derivative with respect to them.
pub(super) fn loss(
    scores: &[f32],
    batch: &Batch,
    classes: usize,
    label_smoothing: f32,
    gradient: &mut [f32],
) -> BatchLoss {
    let images = scores.len() / classes;
    let rows = scores.chunks_exact(classes).zip(batch.targets.chunks_exact(classes));
    let (mut sum, mut correct) = (0.0, 0);
    for (image, ((scores, targets), gradient)) in rows.zip(gradient.chunks_exact_mut(classes)).enumerate() {
        let weight = batch.weights.map_or(1.0, |weights| weights[image]);
        let loss = SoftmaxCrossEntropy { label_smoothing, weight };
        sum += loss.run(scores, targets, 1.0 / images as f32, gradient);
        correct += usize::from(greatest(scores) == greatest(targets));
    }
    BatchLoss { loss: sum / images as f64, correct }
}

/// The place of the greatest value, the first of equal ones.
fn greatest(values: &[f32]) -> usize {
    let later = |best: usize, at: usize| if values[at] > values[best] { at } else { best };
    (0..values.len()).fold(0, later)
}
