//! What a person should know of a network that knows less than somebody who guesses.

use engraft_train::FittedNetwork;

/// A loss so many times that of guessing is told. A network that has only begun to learn may be a little above it.
const MARGIN: f64 = 2.0;

/// After so many epochs a loss that is no better than guessing is told, however little it is above.
const ENOUGH_EPOCHS: usize = 10;

/// A warning where the training loss of the epoch that was kept is far above that of guessing all `classes` alike, or after some epochs
/// still above it; labels are those of the training images.
pub(super) fn warning(
    fitted: &FittedNetwork,
    labels: &[usize],
    classes: usize,
    class_weights: Option<&[f32]>,
) -> Option<String> {
    let record = fitted.history.epochs.get(fitted.epoch.checked_sub(1)?)?;
    let guessing = (classes as f64).ln() * mean_weight(labels, class_weights);
    let loss = record.training.loss;
    let margin = if record.epoch >= ENOUGH_EPOCHS { 1.0 } else { MARGIN };
    (loss > margin * guessing).then(|| {
        format!(
            "the training loss of epoch {} is {}, that of guessing {guessing:.2}: this network has not learnt; try a smaller \
             learning rate than {:?}, or more epochs",
            record.epoch,
            short(loss),
            record.learning_rate
        )
    })
}

/// The loss of each image is multiplied with the weight of its class.
fn mean_weight(labels: &[usize], class_weights: Option<&[f32]>) -> f64 {
    class_weights.map_or(1.0, |weights| {
        labels.iter().map(|&label| f64::from(weights[label])).sum::<f64>() / labels.len() as f64
    })
}

fn short(loss: f64) -> String {
    if loss < 1e4 { format!("{loss:.2}") } else { format!("{loss:.1e}") }
}

#[cfg(test)]
mod tests {
    use engraft_graph::NamedTensors;
    use engraft_train::{EpochRecord, EpochScore, History, Stop};

    use super::*;

    #[test]
    fn only_a_loss_far_above_guessing_is_told() {
        let record = |epoch, loss| EpochRecord {
            epoch,
            training: EpochScore { loss, accuracy: 0.5 },
            validation: None,
            learning_rate: 10.0,
        };
        let mut epochs = vec![record(1, 1.0), record(2, 3.0), record(3, 2.5e22)];
        epochs.extend((4..=ENOUGH_EPOCHS).map(|epoch| record(epoch, 0.8)));
        let fitted = |epoch| FittedNetwork {
            parameters: NamedTensors::new(),
            history: History { epochs: epochs.clone() },
            epoch,
            stop: Stop::Epochs,
            batch_size: 1,
        };
        let told = |epoch, weights| warning(&fitted(epoch), &[0, 1], 2, weights);
        assert_eq!(told(1, None), None);
        let want = "the training loss of epoch 2 is 3.00, that of guessing 0.69: this network has not learnt; \
                    try a smaller learning rate than 10.0, or more epochs";
        assert_eq!(told(2, None).as_deref(), Some(want));
        assert_eq!(told(2, Some(&[4.0, 1.0])), None, "the loss is weighted");
        assert!(told(3, None).unwrap().contains("is 2.5e22, that of guessing"));
        assert_eq!(told(ENOUGH_EPOCHS - 1, None), None);
        assert!(told(ENOUGH_EPOCHS, None).unwrap().contains("is 0.80, that of guessing 0.69"));
    }
}
