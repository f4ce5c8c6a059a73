//! The document that the runs become.

use super::{Recipe, runs::Runs};

/// `docs/TUTORIAL.md`
pub(super) fn document(recipes: &[Recipe], keras: &Runs, ours: &Runs, seeds: u64) -> String {
    let rows: Vec<String> = recipes.iter().map(|recipe| row(recipe, keras, ours)).collect();
    format!(
        "\
# The tutorial's recipes, here and in Keras

Written by `cargo xtask tutorial --data DIR --weights FILE --keras PYTHON` from {seeds} seeds a row, on the tutorial's own charts: 229
images to learn from and 93 to judge by, GIFs left out. Keras 3.15 runs the same recipes with the same settings on the same files
(`reference/keras_tutorial.py`). Accuracy is that of the last epoch on the test images, mean and standard deviation; one image
of 93 is 0.011. Seconds are processor time on one thread, from files to test accuracy, nothing stored beforehand. The
frozen backbone is the official MobileNet 0.75 of Keras on both sides; only the last row has EfficientNet-Lite0.

| recipe | tutorial says | engraft | Keras | engraft, s | Keras, s | times as fast |
|---|---|---|---|---|---|---|
{}
{}",
        rows.join("\n"),
        include_str!("notes.md")
    )
}

fn row(recipe: &Recipe, keras: &Runs, ours: &Runs) -> String {
    let (our_accuracies, our_seconds) = ours.of(recipe.name);
    let (their_accuracies, their_seconds) = keras.of(recipe.name);
    let ratio = mean(&their_seconds).zip(mean(&our_seconds)).map(|(theirs, ours)| theirs / ours);
    let seconds = |seconds: &[f64]| mean(seconds).map_or("-".to_owned(), |mean| format!("{mean:.1}"));
    format!(
        "| {} | {} | {} | {} | {} | {} | {} |",
        recipe.title,
        if recipe.tutorial.is_empty() { "-" } else { recipe.tutorial },
        spread(&our_accuracies),
        spread(&their_accuracies),
        seconds(&our_seconds),
        seconds(&their_seconds),
        ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.1}")),
    )
}

/// Mean and standard deviation.
fn spread(values: &[f64]) -> String {
    let Some(mean) = mean(values) else { return "-".to_owned() };
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / (values.len() as f64 - 1.0).max(1.0)).sqrt();
    format!("{mean:.3} ± {deviation:.3}")
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_of_a_sample() {
        assert_eq!(spread(&[0.5, 0.7]), "0.600 ± 0.141");
        assert_eq!((spread(&[0.9]), spread(&[])), ("0.900 ± 0.000".to_owned(), "-".to_owned()));
    }
}
