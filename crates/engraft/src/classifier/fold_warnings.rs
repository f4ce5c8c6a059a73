//! What the number of images forced upon the folds, in one sentence for each kind of it.

use engraft_train::FoldWarning;

use crate::skipped::some_names;

/// At most one sentence for each kind of warning, however many classes it is about.
pub(super) fn fold_warnings(warnings: &[FoldWarning], classes: &[String]) -> Vec<String> {
    let (mut never_scored, mut small, mut folds_used) = (Vec::new(), Vec::new(), 0);
    for warning in warnings {
        match *warning {
            FoldWarning::NeverScored { class, .. } => never_scored.push(&classes[class]),
            FoldWarning::FewerFolds { class, different_images, folds } => {
                small.push(format!("{} with {different_images}", classes[class]));
                folds_used = folds;
            }
            _ => {}
        }
    }
    let mut sentences = Vec::new();
    if !never_scored.is_empty() {
        sentences.push(format!(
            "classes of one image, or of copies of one, are trained on but in no cross-validation score: {}",
            some_names(&never_scored)
        ));
    }
    if !small.is_empty() {
        sentences.push(format!(
            "classes of few different images let cross-validation use only {folds_used} folds: {}",
            some_names(&small)
        ));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_one_sentence() {
        let classes: Vec<String> = (0..300).map(|class| format!("class{class}")).collect();
        let single = |class| FoldWarning::NeverScored { class, images: 1 };
        let few = |class| FoldWarning::FewerFolds { class, different_images: 3, folds: 2 };
        assert_eq!(fold_warnings(&[], &classes), [] as [&str; 0]);
        assert_eq!(
            fold_warnings(&[single(1), few(2), single(4)], &classes),
            [
                "classes of one image, or of copies of one, are trained on but in no cross-validation score: class1, \
                 class4",
                "classes of few different images let cross-validation use only 2 folds: class2 with 3",
            ]
        );
        let many = fold_warnings(&(0..300).map(single).collect::<Vec<_>>(), &classes);
        assert!(many.len() == 1 && many[0].ends_with("class9 and 290 more"), "{many:?}");
    }
}
