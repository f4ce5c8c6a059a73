//! Which images make a batch, and their numbers.

use engraft_data::Rng;

use super::{FitError, Samples};

/// Places below a seed at which numbers are drawn.
const SHUFFLE: u64 = 0;
const DROPOUT: u64 = 1;

/// The order in which an epoch sees `images` images.
pub(super) fn order(seed: u64, epoch: usize, images: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..images).collect();
    Rng::derived(seed, &[SHUFFLE, epoch as u64]).shuffle(&mut order);
    order
}

/// What decides which elements a step drops.
pub(super) fn dropout_seed(seed: u64, epoch: usize, batch: usize) -> u64 {
    Rng::derived(seed, &[DROPOUT, epoch as u64, batch as u64]).next_u64()
}

/// The numbers of one batch; used again for the one after the next.
#[derive(Default)]
pub(super) struct PreparedBatch {
    /// `[images, image_len]`
    pub images: Vec<f32>,
    /// `[images, classes]`
    pub targets: Vec<f32>,
    /// `[images]`, where classes have weights.
    pub weights: Option<Vec<f32>>,
    /// Number of images.
    pub len: usize,
}

impl PreparedBatch {
    pub fn prepare(
        &mut self,
        samples: &dyn Samples,
        class_weights: Option<&[f32]>,
        epoch: usize,
        indices: &[usize],
    ) -> Result<(), FitError> {
        let classes = samples.classes();
        self.len = indices.len();
        self.images.resize(self.len * samples.image_len(), 0.0);
        self.targets.resize(self.len * classes, 0.0);
        samples.fill(epoch, indices, &mut self.images, &mut self.targets).map_err(FitError::Samples)?;
        let rows = self.targets.chunks(classes);
        self.weights = class_weights.map(|weights| rows.map(|row| weights[likeliest(row)]).collect());
        Ok(())
    }
}

/// The first of the largest values; an image of several classes has the weight of its main one, as in Keras.
pub(super) fn likeliest(values: &[f32]) -> usize {
    let larger = |best: usize, index: usize| if values[index] > values[best] { index } else { best };
    (0..values.len()).reduce(larger).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_sees_every_image_once_in_its_own_order() {
        let orders = [(7, 1), (7, 2), (8, 1)].map(|(seed, epoch)| order(seed, epoch, 50));
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        }
        assert!(orders[0] != orders[1] && orders[0] != orders[2]);
        assert_eq!(order(7, 1, 50), orders[0]);
        assert_ne!(dropout_seed(7, 1, 1), dropout_seed(7, 1, 2));
    }

    #[test]
    fn the_first_of_equal_values_is_the_likeliest() {
        for (values, want) in [(&[0.2, 0.5, 0.5][..], 1), (&[0.0, 0.0], 0), (&[-2.0, -1.0], 1), (&[1.0], 0)] {
            assert_eq!(likeliest(values), want, "{values:?}");
        }
    }
}
