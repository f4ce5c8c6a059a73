//! What training looked like, epoch by epoch, and its table.

use std::fmt::Write;

/// One epoch of training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// Means over the epoch's batches while their parameters were changing, each batch weighted by its images.
    pub training: EpochScore,
    /// What the parameters after the epoch make of the validation images.
    pub validation: Option<EpochScore>,
    /// That of the epoch's last step.
    pub learning_rate: f32,
}

/// How well a network does on some images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochScore {
    /// Mean cross-entropy in nats, with label smoothing and class weights where there are any.
    pub loss: f64,
    /// Share of images whose likeliest class is the right one, in 0..=1.
    pub accuracy: f64,
}

impl EpochRecord {
    /// The loss by which training is judged: that of validation, or its own if there is no validation.
    pub fn judged_loss(&self) -> f64 {
        self.validation.unwrap_or(self.training).loss
    }
}

/// All epochs of a training, the first one first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// In order and without gaps.
    pub epochs: Vec<EpochRecord>,
}

/// A table that [`History::to_csv`] has not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the history is `{found}`, expected {expected}")]
pub struct HistoryError {
    /// Counted from 1.
    pub line: usize,
    /// Its text, or the start of it.
    pub found: String,
    /// What it should be, in words.
    pub expected: &'static str,
}

const COLUMNS: &str = "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate";

impl History {
    /// A table with Keras' column names; cells of validation are empty where there was none. Every number is read back as
    /// the same number.
    pub fn to_csv(&self) -> String {
        let mut csv = format!("{COLUMNS}\n");
        for record in &self.epochs {
            let EpochScore { loss, accuracy } = record.training;
            let validation = record
                .validation
                .map_or(",".to_owned(), |score| format!("{},{}", score.loss, score.accuracy));
            // Writing to a string cannot fail.
            let _ = writeln!(csv, "{},{loss},{accuracy},{validation},{}", record.epoch, record.learning_rate);
        }
        csv
    }

    /// Reads what [`History::to_csv`] has written.
    ///
    /// # Errors
    /// [`HistoryError`] for the first line that is something else, that skips an epoch or whose loss is not finite.
    pub fn from_csv(csv: &str) -> Result<History, HistoryError> {
        let error = |index: usize, line: &str, expected| HistoryError {
            line: index + 1,
            found: line.chars().take(COLUMNS.len()).collect(),
            expected,
        };
        let mut lines = csv.lines();
        let head = lines.next().unwrap_or_default();
        if head != COLUMNS {
            return Err(error(0, head, COLUMNS));
        }
        let record = |(index, line)| {
            let record = parse_record(line).filter(|record| record.epoch == index + 1);
            record.ok_or_else(|| error(index + 1, line, "the next epoch with five numbers"))
        };
        Ok(History { epochs: lines.enumerate().map(record).collect::<Result<_, _>>()? })
    }
}

fn parse_record(line: &str) -> Option<EpochRecord> {
    let cells: [&str; 6] = line.split(',').collect::<Vec<_>>().try_into().ok()?;
    let [epoch, loss, accuracy, validation_loss, validation_accuracy, learning_rate] = cells;
    let score = |loss: &str, accuracy: &str| {
        let (loss, accuracy) = (loss.parse().ok()?, accuracy.parse().ok()?);
        f64::is_finite(loss).then_some(EpochScore { loss, accuracy })
    };
    let validation = match (validation_loss, validation_accuracy) {
        ("", "") => None,
        (loss, accuracy) => Some(score(loss, accuracy)?),
    };
    Some(EpochRecord {
        epoch: epoch.parse().ok()?,
        training: score(loss, accuracy)?,
        validation,
        learning_rate: learning_rate.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> History {
        let score = |loss, accuracy| EpochScore { loss, accuracy };
        let record = |epoch, validation| EpochRecord {
            epoch,
            training: score(0.1 + 0.2, 1.0 / 3.0),
            validation,
            learning_rate: 1e-3,
        };
        History { epochs: vec![record(1, None), record(2, Some(score(1e-300, 1.0)))] }
    }

    #[test]
    fn a_table_is_read_back_to_the_last_bit() {
        let csv = history().to_csv();
        let want = "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate\n1,0.30000000000000004,0.3333333333333333,,,0.001\n";
        assert!(csv.starts_with(want), "{csv}");
        assert_eq!(History::from_csv(&csv), Ok(history()));
        assert_eq!(History::from_csv(&format!("{COLUMNS}\n")), Ok(History::default()));
    }

    #[test]
    fn other_tables_are_refused_with_the_line() {
        let csv = history().to_csv();
        for (text, line) in [
            (String::new(), 1),
            (csv.replace("epoch,", "epochs,"), 1),
            (csv.replace("\n1,", "\n2,"), 2),
            (csv.replace("\n1,", "\n-1,"), 2),
            (csv.replace("0.30000000000000004,", "NaN,"), 2),
            (csv.replace(",,,", ",0.5,,"), 2),
            (csv.replace(",1,0.001", ",1"), 3),
            (format!("{csv}\n"), 4),
        ] {
            assert_eq!(History::from_csv(&text).unwrap_err().line, line, "{text}");
        }
    }
}
