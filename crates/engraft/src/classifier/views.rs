//! Which views of each image a head is trained on and judged by.

use engraft_data::augment::Augmentation;
use engraft_train::Views;

use super::{Classifier, TrainOptions};
use crate::{Error, augment::check_images_only};

/// Makes the copies where nobody says how: small changes that no class can mind.
const DEFAULT_AUGMENT: &str = "light";

const MAX_VIEWS: usize = 1000;

/// The views that training takes of training images and of judged ones; none is the untouched image alone.
pub(super) struct ChosenViews {
    pub train: Option<Views>,
    pub judged: Option<Views>,
}

impl ChosenViews {
    /// Checks the settings against each other and fills in what is left out.
    pub fn of(options: &TrainOptions) -> Result<ChosenViews, Error> {
        let TrainOptions { views, tta, augment, seed, .. } = options;
        let augment = augment.as_ref();
        augment.map_or(Ok(()), check_images_only)?;
        if let (Some(augment), 1, 1) = (augment, views, tta) {
            return Err(Error::Setting {
                setting: "--augment",
                found: format!("{augment} although of each image only the untouched view is taken"),
                expected: "--views N beside it, which trains the head on N views of each training image",
            });
        }
        Ok(ChosenViews {
            train: checked("--views", *views, augment, *seed)?,
            judged: checked("--tta", *tta, augment, *seed)?,
        })
    }

    /// Where training needs no views, since it draws copies anew in each epoch. What it does to whole batches is not done to
    /// what is judged.
    pub fn judged_only(options: &TrainOptions) -> Result<ChosenViews, Error> {
        let TrainOptions { tta, augment, seed, .. } = options;
        let augment = augment.as_ref().map(Augmentation::of_images);
        Ok(ChosenViews { train: None, judged: checked("--tta", *tta, augment.as_ref(), *seed)? })
    }
}

impl Classifier {
    /// The same classifier, judging each image by the mean probabilities of `count` views, the untouched image among them; one
    /// view is that image alone. Copies are made by `augment`, or else as for training, or else by the preset `light`; they
    /// follow from the seed of the training and the pixels of the image.
    ///
    /// # Errors
    /// [`Error::Setting`] if `count` is not from 1 to 1000, or if `augment` does more than to make one image out of another.
    pub fn with_tta(self, count: usize, augment: Option<&Augmentation>) -> Result<Classifier, Error> {
        let training = &self.header.training;
        let views = [&training.views, &training.tta].into_iter().flatten().map(|views| &views.augment);
        let drawn = training.network.iter().filter_map(|network| network.augment.as_ref());
        let trained = views.chain(drawn).next().map(Augmentation::of_images);
        let tta = checked("--tta", count, augment.or(trained.as_ref()), training.seed)?;
        Ok(Classifier { tta, ..self })
    }
}

/// `5 views of each image by zoom=0.9:1.1`
pub(super) fn described(Views { count, augment, .. }: &Views) -> String {
    format!("{count} views of each image by {augment}")
}

/// What a report says of the views trained on.
pub(super) fn trained_line(views: &Views) -> String {
    format!("trained on {}\n", described(views))
}

/// What a report says of the views judged.
pub(super) fn judged_line(views: &Views) -> String {
    format!("validation and test images judged by the mean of {}\n", described(views))
}

/// `count` views, unless it is one.
fn checked(
    setting: &'static str,
    count: usize,
    augment: Option<&Augmentation>,
    seed: u64,
) -> Result<Option<Views>, Error> {
    if !(1..=MAX_VIEWS).contains(&count) {
        return Err(Error::Setting {
            setting,
            found: count.to_string(),
            expected: "a number from 1 to 1000",
        });
    }
    augment.map_or(Ok(()), check_images_only)?;
    let augment = augment.map_or_else(|| Augmentation::parse(DEFAULT_AUGMENT), |given| Ok(given.clone()))?;
    Ok((count > 1).then_some(Views { count, seed, augment }))
}
