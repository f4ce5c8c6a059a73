//! What follows from the losses of the epochs so far: the learning rate, the best epoch, and when to stop.

use super::FitOptions;
use crate::{
    early_stopping::{EarlyStopping, Verdict},
    history::{EpochRecord, History},
    schedule::{PlateauState, Schedule},
};

/// Why there were no more epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// There were as many as asked for.
    Epochs,
    /// The training loss fell below the one to stop at.
    StopLoss,
    /// The loss had not improved for as many epochs as patience allows.
    Patience,
}

/// Nothing but a function of options and history, so that a checkpoint need not hold it.
pub(super) struct Course {
    /// What the schedule starts from, or what is left of it on plateaus.
    pub learning_rate: f32,
    pub stop: Option<Stop>,
    plateau: PlateauState,
    stopping: Option<EarlyStopping>,
}

impl Course {
    /// The course of a training that has such a history.
    pub fn of(options: &FitOptions, history: &History) -> Course {
        let mut course = Course {
            learning_rate: options.learning_rate as f32,
            stop: None,
            plateau: PlateauState::default(),
            stopping: options.patience.map(|_| EarlyStopping::default()),
        };
        for record in &history.epochs {
            course.after_epoch(options, record);
        }
        course
    }

    /// Takes in the next epoch; returns whether its parameters are the best so far and shall be kept.
    pub fn after_epoch(&mut self, options: &FitOptions, record: &EpochRecord) -> bool {
        if let Schedule::Plateau(plateau) = &options.schedule {
            self.learning_rate = self.plateau.after_epoch(plateau, record.judged_loss(), self.learning_rate);
        }
        let patience = options.patience.unwrap_or_default();
        let verdict =
            self.stopping.as_mut().map(|stopping| stopping.after_epoch(record.judged_loss(), patience));
        self.stop = if options.stop_loss.is_some_and(|stop_loss| record.training.loss < stop_loss) {
            Some(Stop::StopLoss)
        } else if verdict == Some(Verdict::Stop) {
            Some(Stop::Patience)
        } else {
            (record.epoch >= options.epochs).then_some(Stop::Epochs)
        };
        verdict == Some(Verdict::Best)
    }

    /// The epoch whose parameters are the result.
    pub fn epoch(&self, history: &History) -> usize {
        self.stopping.map_or(history.epochs.len(), |stopping| stopping.best_epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::EpochScore;

    /// Training losses fall by a tenth; `validation` losses are given.
    fn history(validation: &[f64]) -> History {
        let record = |(index, &loss): (usize, &f64)| EpochRecord {
            epoch: index + 1,
            training: EpochScore { loss: 1.0 - 0.1 * index as f64, accuracy: 0.5 },
            validation: Some(EpochScore { loss, accuracy: 0.5 }),
            learning_rate: 0.1,
        };
        History { epochs: validation.iter().enumerate().map(record).collect() }
    }

    #[test]
    fn training_stops_for_the_first_reason_there_is() {
        let options = FitOptions { epochs: 4, ..FitOptions::default() };
        let history = history(&[0.5, 0.4, 0.6, 0.3]);
        for (patience, stop_loss, epochs, want) in [
            (None, None, 3, None),
            (None, None, 4, Some((Stop::Epochs, 4))),
            (None, Some(0.85), 3, Some((Stop::StopLoss, 3))),
            (Some(1), None, 3, Some((Stop::Patience, 2))),
            (Some(1), Some(0.85), 3, Some((Stop::StopLoss, 2))),
            (Some(2), None, 4, Some((Stop::Epochs, 4))),
        ] {
            let options = FitOptions { patience, stop_loss, ..options.clone() };
            let history = History { epochs: history.epochs[..epochs].to_vec() };
            let course = Course::of(&options, &history);
            let found = course.stop.map(|stop| (stop, course.epoch(&history)));
            assert_eq!(found, want, "patience {patience:?}, stop loss {stop_loss:?}, {epochs} epochs");
        }
    }

    #[test]
    fn a_plateau_lowers_the_learning_rate() {
        let schedule: Schedule = "plateau,patience=2,factor=0.5".parse().unwrap();
        let options = FitOptions { epochs: 9, schedule, learning_rate: 0.1, ..FitOptions::default() };
        for (losses, want) in [(&[0.5, 0.6][..], 0.1), (&[0.5, 0.6, 0.7], 0.05), (&[0.5, 0.6, 0.4, 0.5], 0.1)]
        {
            assert_eq!(Course::of(&options, &history(losses)).learning_rate, want, "{losses:?}");
        }
    }
}
