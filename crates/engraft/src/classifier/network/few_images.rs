//! What a person should know of classes with hardly any image.

use engraft_data::Dataset;

use crate::skipped::some_names;

/// Warnings of classes that are learnt from one image, or learnt but not validated; `labels` are those of the usable training
/// images.
pub(super) fn warnings(labels: &[usize], data: &Dataset) -> Vec<String> {
    let count = |labels: &mut dyn Iterator<Item = usize>| {
        let mut counts = vec![0; data.classes.len()];
        labels.for_each(|label| counts[label] += 1);
        counts
    };
    let learnt = count(&mut labels.iter().copied());
    let named = |is_meant: &dyn Fn(usize, usize) -> bool| -> Vec<&str> {
        let meant = learnt.iter().enumerate().filter(|&(class, &count)| is_meant(class, count));
        meant.map(|(class, _)| data.classes[class].as_str()).collect()
    };
    let mut warnings = Vec::new();
    let single = named(&|_, count| count == 1);
    if !single.is_empty() {
        warnings.push(format!("classes with a single training image: {}", some_names(&single)));
    }
    if let Some(val) = &data.val {
        let validated = count(&mut val.samples.iter().map(|sample| sample.class));
        let missing = |class: usize| val.missing_classes.contains(&data.classes[class]);
        let unjudged = named(&|class, count| count > 0 && validated[class] == 0 && !missing(class));
        if !unjudged.is_empty() {
            warnings.push(format!("classes without a validation image: {}", some_names(&unjudged)));
        }
    }
    warnings
}
