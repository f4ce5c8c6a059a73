//! Stratified folds that keep equal images together.

use std::collections::HashSet;

use engraft_data::Rng;

use crate::Error;

/// Which images are held out in which fold.
#[derive(Clone, Debug, PartialEq)]
pub struct Folds {
    /// Per row of features: per image, if each has a single view.
    assignment: Vec<Option<usize>>,
    /// Rows of one image, which follow one another.
    views: usize,
    count: usize,
    warnings: Vec<FoldWarning>,
}

/// What the number of images forced upon the folds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FoldWarning {
    /// A class has one image, or only copies of one: it is trained on and never scored.
    NeverScored {
        /// Position of the class.
        class: usize,
        /// Its images.
        images: usize,
    },
    /// A class has too few different images for the folds asked for.
    FewerFolds {
        /// Position of the class.
        class: usize,
        /// Its different images.
        different_images: usize,
        /// Folds used.
        folds: usize,
    },
}

impl Folds {
    /// Deals images into `requested` folds or fewer, by `seed` alone.
    ///
    /// Images of one group share a fold, and every class is spread as evenly as its groups allow. A class with fewer
    /// groups than folds lowers the number of folds, to two at least. The images of a class with a single group
    /// are trained on in every fold and held out in none, because without them the class could not be predicted.
    /// A group of several classes counts for the class of its first image. If no class has two groups there are no
    /// folds.
    ///
    /// # Errors
    /// If the lists differ in length, or fewer than two folds are asked for.
    pub fn new(
        labels: &[usize],
        groups: &[usize],
        classes: usize,
        requested: usize,
        seed: u64,
    ) -> Result<Folds, Error> {
        if groups.len() != labels.len() {
            return Err(Error::Count { what: "groups", expected: labels.len(), found: groups.len() });
        }
        if requested < 2 {
            return Err(Error::TooFewFolds { found: requested });
        }
        let per_class = groups_of_classes(labels, groups, classes);
        let splittable = || per_class.iter().map(Vec::len).filter(|&groups| groups >= 2);
        let count = splittable().min().map_or(0, |fewest| fewest.min(requested));
        let fold_of_group = deal(per_class.clone(), count, seed);
        let assignment = groups.iter().map(|&group| fold_of_group[group]).collect();
        let warnings = warnings(labels, &per_class, requested, count);
        Ok(Folds { assignment, views: 1, count, warnings })
    }

    /// The same folds for feature rows of which `views` follow one another for each image: all of them are trained on or none,
    /// and the first one, that of the untouched image, is held out for the others.
    pub fn with_views(mut self, views: usize) -> Folds {
        self.assignment = self.assignment.iter().flat_map(|&fold| std::iter::repeat_n(fold, views)).collect();
        self.views = views;
        self
    }

    /// Number of folds: at least two, or none where nothing can be held out.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The fold of each row's image; `None` for images that are always trained on.
    pub fn assignment(&self) -> &[Option<usize>] {
        &self.assignment
    }

    /// What a person should know about these folds.
    pub fn warnings(&self) -> &[FoldWarning] {
        &self.warnings
    }

    /// The rows trained on and the rows held out in `fold`; further views of a held-out image are in neither.
    pub fn split(&self, fold: usize) -> (Vec<usize>, Vec<usize>) {
        let (train, mut held_out): (Vec<usize>, Vec<usize>) =
            (0..self.assignment.len()).partition(|&row| self.assignment[row] != Some(fold));
        held_out.retain(|row| row.is_multiple_of(self.views));
        (train, held_out)
    }
}

/// The groups counted for each class, by first appearance.
fn groups_of_classes(labels: &[usize], groups: &[usize], classes: usize) -> Vec<Vec<usize>> {
    let mut seen = HashSet::new();
    let mut per_class = vec![Vec::new(); classes];
    for (&label, &group) in labels.iter().zip(groups) {
        if seen.insert(group) {
            per_class[label].push(group);
        }
    }
    per_class
}

/// The fold of each group: classes in turn, each group to the fold with the fewest of its class, then of all.
fn deal(per_class: Vec<Vec<usize>>, count: usize, seed: u64) -> Vec<Option<usize>> {
    let groups = per_class.iter().flatten().max().map_or(0, |last| last + 1);
    let mut folds = vec![None; groups];
    let mut totals = vec![0; count];
    let mut rng = Rng::new(seed);
    for mut class in per_class.into_iter().filter(|class| class.len() >= 2) {
        rng.shuffle(&mut class);
        let mut own = vec![0; count];
        for group in class {
            let fold = (0..count).min_by_key(|&fold| (own[fold], totals[fold])).unwrap_or(0);
            own[fold] += 1;
            totals[fold] += 1;
            folds[group] = Some(fold);
        }
    }
    folds
}

fn warnings(labels: &[usize], per_class: &[Vec<usize>], requested: usize, count: usize) -> Vec<FoldWarning> {
    let of_class = |(class, groups): (usize, &Vec<usize>)| match groups.len() {
        1 => {
            let images = labels.iter().filter(|&&label| label == class).count();
            Some(FoldWarning::NeverScored { class, images })
        }
        different_images if (2..requested).contains(&different_images) => {
            Some(FoldWarning::FewerFolds { class, different_images, folds: count })
        }
        _ => None,
    };
    per_class.iter().enumerate().filter_map(of_class).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each_its_own(count: usize) -> Vec<usize> {
        (0..count).collect()
    }

    #[test]
    fn folds_are_stratified_grouped_and_even() {
        // 23, 11 and 6 images; images 0-2 and 30-31 are copies.
        let labels: Vec<usize> =
            (0..40).map(|image| usize::from(image >= 23) + usize::from(image >= 34)).collect();
        let groups: Vec<usize> = (0..40)
            .map(|image| {
                if image < 3 {
                    0
                } else if image == 31 {
                    30
                } else {
                    image
                }
            })
            .collect();
        for seed in 0..50 {
            let folds = Folds::new(&labels, &groups, 3, 5, seed).unwrap();
            assert_eq!((folds.count(), folds.warnings()), (5, &[][..]));
            let fold = |image: usize| folds.assignment()[image];
            assert!(fold(0) == fold(1) && fold(1) == fold(2) && fold(30) == fold(31), "seed {seed}");
            for class in 0..3 {
                let in_fold = |fold| {
                    let held_out = folds.split(fold).1;
                    held_out
                        .iter()
                        .filter(|&&image| labels[image] == class)
                        .map(|&image| groups[image])
                        .collect::<HashSet<_>>()
                        .len()
                };
                let sizes: Vec<usize> = (0..5).map(in_fold).collect();
                assert!(
                    sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1,
                    "seed {seed}: {sizes:?}"
                );
            }
            let groups_in =
                |fold| folds.split(fold).1.iter().map(|&image| groups[image]).collect::<HashSet<_>>().len();
            let sizes: Vec<usize> = (0..5).map(groups_in).collect();
            assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "seed {seed}: {sizes:?}");
        }
    }

    #[test]
    fn all_views_of_an_image_are_trained_on_or_none_and_the_first_is_held_out() {
        let labels = [0, 1].repeat(6);
        let images = Folds::new(&labels, &each_its_own(12), 2, 3, 4).unwrap();
        let views = images.clone().with_views(3);
        assert_eq!(views.assignment().len(), 36);
        for fold in 0..3 {
            let ((train, held_out), (train_rows, held_out_rows)) = (images.split(fold), views.split(fold));
            let all_views: Vec<usize> = train.iter().flat_map(|image| image * 3..image * 3 + 3).collect();
            assert_eq!(train_rows, all_views, "fold {fold}");
            assert_eq!(held_out_rows, held_out.iter().map(|image| image * 3).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_seed_decides() {
        let labels = vec![0; 20];
        let folds = |seed| Folds::new(&labels, &each_its_own(20), 1, 5, seed).unwrap();
        assert_eq!(folds(1), folds(1));
        assert_ne!(folds(1), folds(2));
    }

    #[test]
    fn small_classes_lower_the_folds_or_are_left_out() {
        let three = FoldWarning::FewerFolds { class: 1, different_images: 3, folds: 3 };
        let never = |class, images| FoldWarning::NeverScored { class, images };
        for (labels, groups, count, warnings) in [
            (vec![0, 0, 0, 0, 0, 1, 1, 1], each_its_own(8), 3, vec![three]),
            (vec![0, 0, 0, 0, 0, 1], each_its_own(6), 5, vec![never(1, 1)]),
            (vec![0, 0, 0, 0, 0, 1, 1], vec![0, 1, 2, 3, 4, 5, 5], 5, vec![never(1, 2)]),
            (vec![0, 1], each_its_own(2), 0, vec![never(0, 1), never(1, 1)]),
        ] {
            let folds = Folds::new(&labels, &groups, 2, 5, 7).unwrap();
            assert_eq!((folds.count(), folds.warnings()), (count, &warnings[..]), "{labels:?}");
            let scored =
                |class| labels.iter().zip(folds.assignment()).any(|(&l, fold)| l == class && fold.is_some());
            for warning in warnings {
                let FoldWarning::NeverScored { class, .. } = warning else { continue };
                assert!(!scored(class), "{labels:?}");
            }
        }
    }

    #[test]
    fn a_copy_under_another_label_stays_with_its_group() {
        let folds = Folds::new(&[0, 0, 0, 1, 1, 1], &[0, 1, 2, 0, 3, 4], 2, 2, 3).unwrap();
        assert_eq!(folds.assignment()[0], folds.assignment()[3]);
        assert!(matches!(Folds::new(&[0], &[], 1, 5, 0), Err(Error::Count { .. })));
        assert!(matches!(Folds::new(&[0], &[0], 1, 1, 0), Err(Error::TooFewFolds { found: 1 })));
    }
}
