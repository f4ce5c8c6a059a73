//! Choosing fit and strength by cross-validation, then solving the head on all training images.

use engraft_data::Fit;
use engraft_train::{Features, Folds, LinearHead, Progress, Score, Selection, Views, fit, group_ids, select};

use super::{
    TrainOptions,
    fold_warnings::fold_warnings,
    train_report::{CrossValidation, FitAccuracy},
};
use crate::{Error, embedded_part::EmbeddedPart};

/// Out-of-fold predictions that are enough to choose by.
const PREDICTIONS: usize = 1000;
/// Most times that images are dealt into folds.
const MOST_DEALS: usize = 5;

/// A head and how it came about.
pub(super) struct Chosen {
    pub fit: Fit,
    /// None where the head is part of a network that was trained as a whole.
    pub l2: Option<f64>,
    /// The weight of each class in the loss of a linear head, where weights were asked for.
    pub class_weights: Option<Vec<f32>>,
    pub head: LinearHead,
    /// None where nothing could be held out.
    pub cv: Option<CrossValidation>,
    pub warnings: Vec<String>,
}

/// Chooses among `fits`, whose features `train` holds in the same order, with the rows of `views` for each image.
pub(super) fn choose(
    train: &EmbeddedPart,
    fits: &[Fit],
    views: Option<&Views>,
    classes: &[String],
    options: &TrainOptions,
    progress: &dyn Progress,
) -> Result<Chosen, Error> {
    let views = Views::rows(views);
    let dim = train.features[0].len() / (train.len() * views);
    let labels: Vec<usize> =
        train.labels.iter().flat_map(|&label| std::iter::repeat_n(label, views)).collect();
    let candidates =
        train.features.iter().map(|values| Features::new(values, dim)).collect::<Result<Vec<_>, _>>()?;
    let groups = group_ids(&train.file_hashes, &train.pixel_hashes);
    let deal = |number: u64| -> Result<Folds, Error> {
        let seed = options.seed.wrapping_add(number);
        Ok(Folds::new(&train.labels, &groups, classes.len(), options.folds, seed)?.with_views(views))
    };
    let folds = deal(0)?;
    let tie_breaks = (1..deals(train.len())).map(deal).collect::<Result<Vec<_>, _>>()?;
    let class_weights = options.class_weights.of(&labels, classes);
    let weighting = options.class_weights.weighting(class_weights.as_deref());
    let selection = select(&candidates, &labels, classes.len(), weighting, &folds, &tie_breaks, progress)?;
    let chosen = candidates[selection.candidate];
    let solved = fit(chosen, &labels, classes.len(), weighting, selection.l2, progress)?;
    let mut warnings = fold_warnings(folds.warnings(), classes);
    if folds.count() == 0 {
        warnings.push("no class has two different images: nothing was cross-validated".to_owned());
    }
    Ok(Chosen {
        fit: fits[selection.candidate],
        l2: Some(selection.l2),
        class_weights,
        head: solved.head,
        cv: cross_validation(&selection, fits, &labels, classes, &folds)?,
        warnings,
    })
}

/// How often the images are dealt into folds: until about [`PREDICTIONS`] tell equal strengths apart.
fn deals(images: usize) -> u64 {
    (PREDICTIONS / images.max(1)).clamp(1, MOST_DEALS) as u64
}

fn cross_validation(
    selection: &Selection,
    fits: &[Fit],
    labels: &[usize],
    classes: &[String],
    folds: &Folds,
) -> Result<Option<CrossValidation>, Error> {
    if folds.count() == 0 {
        return Ok(None);
    }
    let held_out = labels.iter().zip(&selection.out_of_fold);
    let (labels, predicted): (Vec<usize>, Vec<usize>) =
        held_out.filter_map(|(&label, &predicted)| Some((label, predicted?))).unzip();
    let tried = fits.iter().zip(&selection.accuracies);
    Ok(Some(CrossValidation {
        score: Score::new(&labels, &predicted, classes)?,
        folds: folds.count(),
        l2: selection.l2,
        optimistic: selection.optimistic,
        fits: tried.map(|(fit, &accuracy)| FitAccuracy { fit: fit.name().to_owned(), accuracy }).collect(),
    }))
}
