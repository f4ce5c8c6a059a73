//! What a training reports, as data and as text.

use engraft_train::{EpochRecord, EpochScore, History, OPTIMISTIC, Score, Views, report as score_report};
use serde::{Deserialize, Serialize};

use super::views;
use crate::{
    backbone::BackboneInfo,
    manifest::NetworkRecord,
    skipped::{self, SkippedFile},
};

/// Everything a training found out.
#[derive(Clone, Debug, Serialize)]
pub struct TrainReport {
    /// Names of the classes, in the order of all lists.
    pub classes: Vec<String>,
    /// How many images were used, and what was not.
    pub images: ImageCounts,
    /// The backbone.
    pub backbone: BackboneInfo,
    /// The fit in use.
    pub fit: String,
    /// The filter in use.
    pub filter: String,
    /// Score of out-of-fold predictions, where there are folds.
    pub cv: Option<CrossValidation>,
    /// Score on the validation part, if there is one.
    pub val: Option<Score>,
    /// Score on the test part, if there is one.
    pub test: Option<Score>,
    /// Test and validation images that stand in the training part too.
    pub leaks: Vec<Leak>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Where the time went.
    pub seconds: Seconds,
    /// Seed of the folds and of augmented views.
    pub seed: u64,
    /// The views of each training image that the head was trained on, where it was not the untouched image alone. Held-out
    /// images of cross-validation are untouched.
    pub views: Option<Views>,
    /// The views whose mean probabilities validation and test parts are judged by, where there are such parts; likewise.
    pub tta: Option<Views>,
    /// The weight of each class in the loss of a linear head, where weights were asked for; those of a network stand with its options.
    pub class_weights: Option<Vec<f32>>,
    /// How the network was trained; none of a linear head.
    pub network: Option<NetworkRecord>,
    /// What every epoch of that training was like.
    #[serde(skip)]
    pub history: Option<History>,
}

/// Numbers of images, and the files that were not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageCounts {
    /// Images trained on.
    pub train: usize,
    /// Images of the validation part, if there is one.
    pub val: Option<usize>,
    /// Images of the test part, if there is one.
    pub test: Option<usize>,
    /// Files of any part that were not used, and why.
    pub skipped: Vec<SkippedFile>,
    /// Number of files that are known junk.
    pub ignored: usize,
}

/// A score of out-of-fold predictions, and what was chosen by it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation<S = Score> {
    /// The score.
    #[serde(flatten)]
    pub score: S,
    /// Number of folds.
    pub folds: usize,
    /// The chosen strength of the penalty.
    pub l2: f64,
    /// Whether fit and strength were chosen on these same folds, which makes the score a little too good.
    pub optimistic: bool,
    /// Accuracy of each fit that was tried, at its best strength.
    pub fits: Vec<FitAccuracy>,
}

impl<S> CrossValidation<S> {
    /// The same with the score turned into another type.
    pub(crate) fn map_score<T>(&self, convert: impl Fn(&S) -> T) -> CrossValidation<T> {
        let CrossValidation { score, folds, l2, optimistic, fits } = self;
        let (score, fits) = (convert(score), fits.clone());
        CrossValidation { score, folds: *folds, l2: *l2, optimistic: *optimistic, fits }
    }
}

/// The cross-validated accuracy of one fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitAccuracy {
    /// The fit.
    pub fit: String,
    /// Share of right out-of-fold predictions.
    pub accuracy: f64,
}

/// An image that is judged on and trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leak {
    /// The image in the test or validation part.
    pub judged: String,
    /// The image in the training part with the same bytes or pixels.
    pub train: String,
}

/// Where the time of a training went, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Seconds {
    /// Finding the files.
    pub scan: f64,
    /// Reading, looking up, decoding and resizing: the share of the elapsed time that threads spent on it.
    pub decode: f64,
    /// Running the network, likewise.
    pub embed: f64,
    /// Choosing fit and strength, and solving the head.
    pub fit: f64,
    /// All of it, from the first file to the last score.
    pub total: f64,
}

impl TrainReport {
    /// The accuracy a quality gate judges: on the test part, or else in cross-validation, or else on the validation part, which
    /// is all that a network has to be judged by. A test part without a usable image has none.
    pub fn headline_accuracy(&self) -> Option<f64> {
        let judged = match self.images.test {
            Some(_) => self.test.as_ref(),
            None => self.cv.as_ref().map(|cv| &cv.score).or(self.val.as_ref()),
        };
        judged.map(|score| score.accuracy)
    }

    /// The report as text for people.
    pub fn text(&self) -> String {
        let mut text = self.summary();
        if let Some(cv) = &self.cv {
            text += &format!("\nCross-validation, {} folds\n{}", cv.folds, score_report(&cv.score));
            if cv.optimistic {
                text += &format!("{OPTIMISTIC}\n");
            }
        }
        for (name, score) in [("Validation", &self.val), ("Test", &self.test)] {
            if let Some(score) = score {
                text += &format!("\n{name}\n{}", score_report(score));
            }
        }
        text += &self.network.as_ref().map(|network| self.trained(network)).unwrap_or_default();
        let Seconds { scan, decode, embed, fit, total } = self.seconds;
        text += &format!(
            "\n{total:.2} s: scan {scan:.2}, decode {decode:.2}, embed {embed:.2}, choose and fit {fit:.2}\n"
        );
        text
    }

    fn summary(&self) -> String {
        let ImageCounts { train, val, test, skipped, ignored } = &self.images;
        let parts = [("val", val), ("test", test)];
        let parts: String =
            parts.iter().filter_map(|(name, count)| count.map(|count| format!(", {count} {name}"))).collect();
        let backbone = &self.backbone;
        let mut text = format!("{} classes, {train} training images{parts}; ", self.classes.len());
        text += &skipped::summary(skipped, *ignored);
        text += &format!(
            "{} at {size} x {size}, {} features; fit {}{}, filter {}\n",
            backbone.described(),
            backbone.features,
            self.fit,
            self.tried(),
            self.filter,
            size = backbone.input_size
        );
        text += &self.views.as_ref().map(views::trained_line).unwrap_or_default();
        text + &self.tta.as_ref().filter(|_| self.is_judged()).map(views::judged_line).unwrap_or_default()
    }

    /// Whether there is a score on a validation or a test part.
    fn is_judged(&self) -> bool {
        self.val.is_some() || self.test.is_some()
    }

    /// How the training of a network ended, and how little that says where no other images were judged.
    fn trained(&self, network: &NetworkRecord) -> String {
        let mut text = format!("\nTrained for {}", network.length());
        let index = network.epoch.checked_sub(1);
        let record = self.history.as_ref().zip(index).and_then(|(history, index)| history.epochs.get(index));
        if let Some(EpochRecord { training: EpochScore { loss, accuracy }, .. }) = record {
            text += &format!("; training loss {loss:.4}, accuracy {accuracy:.3}");
        }
        if let Some(augment) = &network.augment {
            text += &format!("\nEach image augmented anew in each epoch by {augment}");
        }
        if !self.is_judged() {
            text += "\nNot judged on any other image: --val-split 0.2, a val folder or --test DIR would tell how good it is";
        }
        text + "\n"
    }

    /// The accuracies of the fits that were compared.
    fn tried(&self) -> String {
        match &self.cv {
            Some(cv) if cv.fits.len() > 1 => {
                let tried: Vec<String> =
                    cv.fits.iter().map(|tried| format!("{} {:.3}", tried.fit, tried.accuracy)).collect();
                format!(" (cross-validated: {})", tried.join(", "))
            }
            _ => String::new(),
        }
    }
}
