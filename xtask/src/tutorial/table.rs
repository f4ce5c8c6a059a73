//! The document that the runs become.

use super::{Recipe, runs::Runs};

/// `docs/TUTORIAL.md`; `images` counts those of the training and of the test part.
pub(super) fn document(recipes: &[Recipe], keras: &Runs, ours: &Runs, images: [usize; 2]) -> String {
    let rows: Vec<String> = recipes.iter().map(|recipe| row(recipe, keras, ours)).collect();
    let [train, test] = images;
    format!(
        "\
# The tutorial's recipes, here and in Keras

Written by `cargo xtask tutorial --data DIR --weights FILE --keras PYTHON` on the tutorial's own charts: {train} images to learn from and
{test} to judge by, GIFs left out. Keras (`reference/requirements-keras.txt`) runs the same recipes with the same settings on the same
files (`reference/keras_tutorial.py`). Accuracy is that of the last epoch on the test images, mean and standard deviation over seeds
0, 1, ..; one image of {test} is {:.3}. Seconds are processor time on one thread, from files to test accuracy, nothing stored
beforehand. The frozen backbone is the official MobileNet 0.75 of Keras on both sides; only the last row has
EfficientNet-Lite0.

| recipe | tutorial says | seeds | engraft | Keras | engraft, s | Keras, s | times as fast |
|---|---|---|---|---|---|---|---|
{}
{}",
        1.0 / test as f64,
        rows.join("\n"),
        include_str!("notes.md")
    )
}

fn row(recipe: &Recipe, keras: &Runs, ours: &Runs) -> String {
    let (our_accuracies, our_seconds) = ours.figures(recipe.name);
    let (their_accuracies, their_seconds) = keras.figures(recipe.name);
    let ratio = mean(&their_seconds).zip(mean(&our_seconds)).map(|(theirs, ours)| theirs / ours);
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} |",
        recipe.title,
        if recipe.tutorial.is_empty() { "-" } else { recipe.tutorial },
        our_accuracies.len(),
        spread(&our_accuracies, 3),
        spread(&their_accuracies, 3),
        spread(&our_seconds, 1),
        spread(&their_seconds, 1),
        ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.1}")),
    )
}

/// Mean and standard deviation with that many decimals.
fn spread(values: &[f64], decimals: usize) -> String {
    let Some(mean) = mean(values) else { return "-".to_owned() };
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / (values.len() as f64 - 1.0).max(1.0)).sqrt();
    format!("{mean:.decimals$} ± {deviation:.decimals$}")
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_of_a_sample() {
        assert_eq!(spread(&[0.5, 0.7], 3), "0.600 ± 0.141");
        assert_eq!((spread(&[90.0], 1), spread(&[], 1)), ("90.0 ± 0.0".to_owned(), "-".to_owned()));
    }
}
