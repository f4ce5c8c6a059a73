//! Bringing a backbone to a precision that needs to see images first.

use std::{collections::BTreeMap, path::Path};

use engraft_data::{
    Filter, Fit, Image, Limits, MemoryBudget, ReadError, Rng, Skipped, fit_image, read_and_decode,
};
use engraft_engine::{Calibration, EngineError, PlanOptions, Precision};
use engraft_train::Progress;
use rayon::prelude::*;

use super::{Backbone, BackbonePart};
use crate::{Error, skipped};

/// Most images that inputs are measured on. They run in single precision, so that more would cost what int8 gains.
pub(crate) const CALIBRATION_IMAGES: usize = 64;

/// Memory of images while they are decoded, in bytes.
const DECODE_BUDGET_BYTES: u64 = 512 << 20;

/// Image files that a backbone is about to turn into features.
pub(crate) struct CalibrationFiles<'a> {
    /// Where they stand, for messages.
    pub root: &'a Path,
    pub paths: Vec<&'a Path>,
    /// They take turns from file to file.
    pub fits: &'a [Fit],
    pub filter: Filter,
    /// Of the draw of images.
    pub seed: u64,
}

impl Backbone {
    /// The same backbone at a precision. For int8 it is calibrated by images drawn from `files`.
    pub(crate) fn at_precision_for(
        self,
        precision: Precision,
        files: &CalibrationFiles,
        progress: &dyn Progress,
    ) -> Result<Backbone, Error> {
        if precision != Precision::Int8 {
            return self.at_precision(precision);
        }
        let sides: Vec<usize> = self.parts.iter().map(|part| part.info.input_size).collect();
        let images = files.draw(&sides, progress)?;
        self.calibrated(|part| {
            let pixels: Vec<&[u8]> =
                images.iter().map(|fitted| &fitted[&part.info.input_size].pixels[..]).collect();
            Calibration::measure_u8(&part.graph, &part.weights, PlanOptions::from_env()?.isa, &pixels)
        })
    }

    /// The same backbone in int8, by what `measure` finds for each network.
    pub(crate) fn calibrated(
        self,
        measure: impl Fn(&BackbonePart) -> Result<Calibration, EngineError>,
    ) -> Result<Backbone, Error> {
        let parts = self.parts.into_iter().map(|part| {
            let calibration = measure(&part)?;
            part.calibrated(calibration)
        });
        Ok(Backbone::of_parts(parts.collect::<Result<_, EngineError>>()?))
    }
}

impl CalibrationFiles<'_> {
    /// Decodes drawn files until there are enough images, each fitted to all sides; those that cannot be used are left to
    /// whoever embeds them.
    fn draw(&self, sides: &[usize], progress: &dyn Progress) -> Result<Vec<BTreeMap<usize, Image>>, Error> {
        let mut paths = self.paths.clone();
        Rng::new(self.seed).shuffle(&mut paths);
        let paths: Vec<(&Path, Fit)> = paths.into_iter().zip(self.fits.iter().copied().cycle()).collect();
        let (limits, budget) = (Limits::default(), MemoryBudget::new(DECODE_BUDGET_BYTES));
        let read = |&(path, fit): &(&Path, Fit)| -> Option<Result<BTreeMap<usize, Image>, ReadError>> {
            if progress.is_cancelled() {
                return None;
            }
            // What was decoded, and its part of the budget, goes as soon as it is fitted.
            Some(read_and_decode(path, &limits, &budget).map(|read| {
                progress.step();
                let fitted = |&side: &usize| (side, fit_image(&read.image, side, fit, self.filter));
                sides.iter().map(fitted).collect()
            }))
        };
        progress.begin("calibrating", paths.len().min(CALIBRATION_IMAGES));
        let (mut images, mut unusable) = (Vec::new(), Vec::new());
        let mut rest = &paths[..];
        while images.len() < CALIBRATION_IMAGES && !rest.is_empty() {
            let (next, later) = rest.split_at(rest.len().min(CALIBRATION_IMAGES - images.len()));
            let decoded: Option<Vec<_>> = next.par_iter().with_max_len(1).map(read).collect();
            for ((path, _), decoded) in next.iter().zip(decoded.ok_or(Error::Interrupted)?) {
                match decoded {
                    Ok(image) => images.push(image),
                    Err(error) => unusable.push(Skipped {
                        path: path.to_path_buf(),
                        kind: error.kind(),
                        reason: error.to_string(),
                    }),
                }
            }
            rest = later;
        }
        if images.is_empty() {
            return Err(Error::NoImages { root: self.root.to_owned(), skipped: skipped::listed(&unusable) });
        }
        Ok(images)
    }
}
