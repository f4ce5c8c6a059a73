//! A score as a model file keeps it: the confusion matrix of thousands of classes is nearly all zeros.

use engraft_train::{ClassScore, Score};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

/// A [`Score`] whose confusion matrix holds only what is not zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredScore {
    pub accuracy: f64,
    pub ci95: [f64; 2],
    pub macro_f1: f64,
    pub majority_baseline: f64,
    pub per_class: Vec<ClassScore>,
    /// `[true class, predicted class, images]`, sorted.
    pub confusion: Vec<[usize; 3]>,
}

impl StoredScore {
    /// Whether the score is about `classes` classes and names no other.
    pub fn fits(&self, classes: usize) -> bool {
        let inside = |&[truth, predicted, _]: &[usize; 3]| truth < classes && predicted < classes;
        self.per_class.len() == classes && self.confusion.iter().all(inside)
    }
}

impl From<&Score> for StoredScore {
    fn from(score: &Score) -> StoredScore {
        let entries = score.confusion.iter().enumerate().flat_map(|(truth, row)| {
            let entry = move |(predicted, &images): (usize, &usize)| [truth, predicted, images];
            row.iter().enumerate().filter(|(_, images)| **images > 0).map(entry)
        });
        StoredScore {
            accuracy: score.accuracy,
            ci95: score.ci95,
            macro_f1: score.macro_f1,
            majority_baseline: score.majority_baseline,
            per_class: score.per_class.clone(),
            confusion: entries.collect(),
        }
    }
}

/// The score of a model file, written as every score is: with its confusion matrix in full, `[true][predicted]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedScore(StoredScore);

impl RecordedScore {
    pub(crate) fn new(score: &StoredScore) -> RecordedScore {
        RecordedScore(score.clone())
    }

    /// Share of right predictions.
    pub fn accuracy(&self) -> f64 {
        self.0.accuracy
    }

    /// Wilson's 95 % interval of the accuracy, low and high.
    pub fn ci95(&self) -> [f64; 2] {
        self.0.ci95
    }
}

impl Serialize for RecordedScore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let StoredScore { accuracy, ci95, macro_f1, majority_baseline, per_class, confusion } = &self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("accuracy", accuracy)?;
        map.serialize_entry("ci95", ci95)?;
        map.serialize_entry("macro_f1", macro_f1)?;
        map.serialize_entry("majority_baseline", majority_baseline)?;
        map.serialize_entry("per_class", per_class)?;
        map.serialize_entry("confusion", &Rows { classes: per_class.len(), entries: confusion })?;
        map.end()
    }
}

/// The rows of a matrix, of which one at a time is in memory.
struct Rows<'a> {
    classes: usize,
    entries: &'a [[usize; 3]],
}

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entries = self.entries.iter().peekable();
        serializer.collect_seq((0..self.classes).map(|truth| {
            let mut row = vec![0; self.classes];
            while let Some(&[_, predicted, images]) = entries.next_if(|entry| entry[0] == truth) {
                row[predicted] = images;
            }
            row
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score() -> Score {
        let names = ["a", "b", "c"].map(str::to_owned);
        Score::new(&[0, 0, 2, 2, 2], &[0, 2, 0, 0, 2], &names).unwrap()
    }

    #[test]
    fn a_recorded_score_reads_like_any_other() {
        let stored = StoredScore::from(&score());
        assert_eq!(stored.confusion, [[0, 0, 1], [0, 2, 1], [2, 0, 2], [2, 2, 1]]);
        let recorded = serde_json::to_value(RecordedScore::new(&stored)).unwrap();
        assert_eq!(recorded, serde_json::to_value(score()).unwrap());
    }

    #[test]
    fn a_score_of_other_classes_does_not_fit() {
        let stored = StoredScore::from(&score());
        assert!(stored.fits(3) && !stored.fits(2) && !stored.fits(4));
        for entry in [[3, 0, 1], [0, 3, 1]] {
            assert!(!StoredScore { confusion: vec![entry], ..stored.clone() }.fits(3), "{entry:?}");
        }
    }
}
