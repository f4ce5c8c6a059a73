//! How much the images of each class count in the loss.

use std::{collections::BTreeMap, ops::RangeInclusive, str::FromStr};

use engraft_train::Weighting;

use crate::{Error, skipped::some_names};

/// What the loss of the images of each class is multiplied with while training, as Keras' `class_weight`.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ClassWeights {
    /// Every image counts the same.
    #[default]
    Even,
    /// Every class counts the same, however many images it has.
    Balanced,
    /// Images of these classes count so much, in [`ClassWeights::RANGE`], and those of others 1.
    Named(BTreeMap<String, f32>),
}

impl ClassWeights {
    /// What a class can weigh: whatever tells classes apart, and no number that would make the loss infinite.
    pub const RANGE: RangeInclusive<f32> = 1e-6..=1e6;

    /// The weight of each of `classes`, of which images have these labels; `None` where all are even.
    pub(in crate::classifier) fn of(&self, labels: &[usize], classes: &[String]) -> Option<Vec<f32>> {
        match self {
            ClassWeights::Even => None,
            ClassWeights::Balanced => Some(balanced(labels, classes.len())),
            ClassWeights::Named(weights) => {
                Some(classes.iter().map(|class| weights.get(class).copied().unwrap_or(1.0)).collect())
            }
        }
    }

    /// The same for a linear head, with the weights that [`ClassWeights::of`] gives.
    pub(in crate::classifier) fn weighting<'a>(&self, weights: Option<&'a [f32]>) -> Weighting<'a> {
        match (self, weights) {
            (ClassWeights::Named(_), Some(weights)) => Weighting::Classes(weights),
            (ClassWeights::Balanced, _) => Weighting::Balanced,
            _ => Weighting::Automatic,
        }
    }

    /// Refuses names that are none of `classes`.
    pub(in crate::classifier) fn check(&self, classes: &[String]) -> Result<(), Error> {
        let ClassWeights::Named(weights) = self else { return Ok(()) };
        match weights.keys().find(|name| !classes.contains(name)) {
            Some(name) => {
                let found = format!("for `{name}`, but the classes are {}", some_names(classes));
                Err(wrong(found, "names of classes"))
            }
            None => Ok(()),
        }
    }
}

/// `cats=2,dogs=1`
impl FromStr for ClassWeights {
    type Err = Error;

    fn from_str(text: &str) -> Result<ClassWeights, Error> {
        let mut weights = BTreeMap::new();
        for entry in text.split(',') {
            let found = || format!("`{entry}`");
            let (name, weight) =
                entry.rsplit_once('=').ok_or_else(|| wrong(found(), "CLASS=WEIGHT, separated by commas"))?;
            let weight = weight.trim().parse().ok().filter(|weight| ClassWeights::RANGE.contains(weight));
            let weight = weight.ok_or_else(|| wrong(found(), "a weight from 1e-6 to 1e6"))?;
            if weights.insert(name.trim().to_owned(), weight).is_some() {
                return Err(wrong(found(), "each class once"));
            }
        }
        Ok(ClassWeights::Named(weights))
    }
}

fn wrong(found: String, expected: &'static str) -> Error {
    Error::Setting { setting: "--class-weight", found, expected }
}

/// `images / (classes * images of the class)`, as scikit-learn's `class_weight="balanced"`; 0 for a class without images.
fn balanced(labels: &[usize], classes: usize) -> Vec<f32> {
    let mut counts = vec![0_usize; classes];
    labels.iter().for_each(|&label| counts[label] += 1);
    let present = counts.iter().filter(|&&count| count > 0).count();
    let weight = |count: usize| if count == 0 { 0.0 } else { labels.len() as f32 / (present * count) as f32 };
    counts.into_iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_classes_weigh_the_same() {
        assert_eq!(balanced(&[0, 0, 0, 2], 3), [4.0 / 6.0, 0.0, 2.0]);
        assert_eq!(balanced(&[0, 1], 2), [1.0, 1.0]);
    }

    #[test]
    fn named_classes_have_their_weight_and_others_one() {
        let classes = ["a=b", "cat", "dog"].map(str::to_owned);
        let weights: ClassWeights = "dog=0.5, a=b=3".parse().unwrap();
        weights.check(&classes).unwrap();
        assert_eq!(weights.of(&[0, 1], &classes), Some(vec![3.0, 1.0, 0.5]));
        assert_eq!(ClassWeights::Even.of(&[0, 1], &classes), None);
    }

    #[test]
    fn what_is_no_weight_is_named() {
        for (text, want) in [
            ("cat", "`cat`, expected CLASS=WEIGHT"),
            ("", "``, expected CLASS=WEIGHT"),
            ("cat=", "`cat=`, expected a weight from 1e-6 to 1e6"),
            ("cat=0", "`cat=0`, expected a weight from 1e-6 to 1e6"),
            ("dog=1,cat=-1", "`cat=-1`, expected a weight from 1e-6 to 1e6"),
            ("cat=NaN", "`cat=NaN`, expected a weight from 1e-6 to 1e6"),
            ("cat=2e6", "`cat=2e6`, expected a weight from 1e-6 to 1e6"),
            ("cat=inf", "`cat=inf`, expected a weight from 1e-6 to 1e6"),
            ("cat=1,cat=2", "`cat=2`, expected each class once"),
        ] {
            let error = text.parse::<ClassWeights>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("--class-weight is {want}")), "{text}: {error}");
        }
        let weights: ClassWeights = "cow=2".parse().unwrap();
        let error = weights.check(&["cat".to_owned(), "dog".to_owned()]).unwrap_err().to_string();
        assert_eq!(
            error,
            "--class-weight is for `cow`, but the classes are cat, dog, expected names of classes"
        );
    }
}
