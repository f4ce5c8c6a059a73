//! A score as text for people.

use unicode_width::UnicodeWidthStr;

use crate::metrics::{Confusion, Score};

/// Classes up to which the whole confusion matrix is shown.
const WHOLE_MATRIX: usize = 20;
/// Rows of a larger matrix, and confused pairs, shown at most.
const SHOWN: usize = 10;
/// Longest class name shown in full, in terminal columns.
const NAME_WIDTH: usize = 32;

/// The whole report: summary, table of classes, confusion matrix, most confused pairs.
pub fn report(score: &Score) -> String {
    [summary(score), classification_table(score), confusion_table(score), confused_pairs(score)].join("\n")
}

/// Accuracy with its interval, the majority baseline, the weight of one image, and macro-F1; one line each.
pub fn summary(score: &Score) -> String {
    let percent = |share: f64| share * 100.0;
    let images = score.images();
    format!(
        "accuracy           {:.1} %  (95 % interval {:.1} to {:.1} %, {images} images, one image = {:.2} points)\n\
         majority baseline  {:.1} %\n\
         macro-F1           {:.3}\n",
        percent(score.accuracy),
        percent(score.ci95[0]),
        percent(score.ci95[1]),
        100.0 / images as f64,
        percent(score.majority_baseline),
        score.macro_f1,
    )
}

/// Precision, recall, F1 and support, laid out as scikit-learn's `classification_report`.
pub fn classification_table(score: &Score) -> String {
    let names: Vec<String> = score.per_class.iter().map(|class| shortened(&class.class)).collect();
    let width = names.iter().map(|name| name.width()).max().unwrap_or(0).max("weighted avg".len());
    let images = score.images();
    let row = |name: &str, [precision, recall, f1]: [f64; 3], support: usize| {
        format!("{}  {precision:>9.2} {recall:>9.2} {f1:>9.2} {support:>9}\n", right_aligned(name, width))
    };
    let mut table =
        format!("{:width$}  {:>9} {:>9} {:>9} {:>9}\n\n", "", "precision", "recall", "f1-score", "support");
    for (class, name) in score.per_class.iter().zip(&names) {
        table += &row(name, [class.precision, class.recall, class.f1], class.support);
    }
    table += &format!("\n{:>width$}  {:9} {:9} {:>9.2} {images:>9}\n", "accuracy", "", "", score.accuracy);
    table += &row("macro avg", average(score, |_| 1.0), images);
    table += &row("weighted avg", average(score, |support| support as f64), images);
    table
}

/// True classes as rows, predicted ones as columns; with many classes only the rows with most errors.
pub fn confusion_table(score: &Score) -> String {
    if score.per_class.len() <= WHOLE_MATRIX { whole_matrix(score) } else { worst_rows(score) }
}

/// The pairs of classes confused most often.
pub fn confused_pairs(score: &Score) -> String {
    let confusions = score.confusions();
    if confusions.is_empty() {
        return "no image was confused\n".to_owned();
    }
    let name = |class: usize| shortened(&score.per_class[class].class);
    let line = |pair: &Confusion| {
        let images = counted(pair.images);
        format!("  {images:>10}  {} taken for {}\n", name(pair.truth), name(pair.predicted))
    };
    let more = confusions.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!("  and {more} more pairs\n") } else { String::new() };
    format!("most confused\n{}{rest}", confusions.iter().take(SHOWN).map(line).collect::<String>())
}

/// Mean precision, recall and F1 over classes weighted by a function of their support.
fn average(score: &Score, weight: impl Fn(usize) -> f64) -> [f64; 3] {
    let total: f64 = score.per_class.iter().map(|class| weight(class.support)).sum();
    let mut sums = [0.0; 3];
    for class in &score.per_class {
        for (sum, value) in sums.iter_mut().zip([class.precision, class.recall, class.f1]) {
            *sum += value * weight(class.support) / total;
        }
    }
    sums
}

/// Every count, with columns numbered as the rows are.
fn whole_matrix(score: &Score) -> String {
    let names: Vec<String> = score.per_class.iter().map(|class| shortened(&class.class)).collect();
    let name_width = names.iter().map(|name| name.width()).max().unwrap_or(0);
    let largest = score.confusion.iter().flatten().max().copied().unwrap_or(0).max(names.len());
    let width = largest.to_string().len();
    let number_width = names.len().to_string().len();
    let header: String = (1..=names.len()).map(|column| format!(" {column:>width$}")).collect();
    let mut table = format!(
        "confusion: true classes down, predicted across\n{:1$}{header}\n",
        "",
        name_width + number_width + 3
    );
    for (index, (name, row)) in names.iter().zip(&score.confusion).enumerate() {
        let cells: String = row.iter().map(|&count| format!(" {:>width$}", cell(count))).collect();
        table += &format!("  {} {:>number_width$}{cells}\n", right_aligned(name, name_width), index + 1);
    }
    table
}

/// A zero as a point, so that the others stand out.
fn cell(count: usize) -> String {
    if count == 0 { ".".to_owned() } else { count.to_string() }
}

/// The classes with most errors, each with what it was taken for.
fn worst_rows(score: &Score) -> String {
    let wrong = |class: usize| score.per_class[class].support - score.confusion[class][class];
    let mut classes: Vec<usize> = (0..score.per_class.len()).filter(|&class| wrong(class) > 0).collect();
    classes.sort_by_key(|&class| std::cmp::Reverse(wrong(class)));
    let mut table =
        format!("confusion: {} of {} classes have errors\n", classes.len(), score.per_class.len());
    for &class in classes.iter().take(SHOWN) {
        let taken_for: Vec<String> = score
            .confusions()
            .iter()
            .filter(|pair| pair.truth == class)
            .map(|pair| format!("{} {}", pair.images, shortened(&score.per_class[pair.predicted].class)))
            .collect();
        let row = &score.per_class[class];
        let name = shortened(&row.class);
        table += &format!("  {name}: {} of {} wrong ({})\n", wrong(class), row.support, taken_for.join(", "));
    }
    table
}

fn counted(images: usize) -> String {
    if images == 1 { "1 image".to_owned() } else { format!("{images} images") }
}

/// Padded on the left to `width` terminal columns.
fn right_aligned(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
}

/// At most [`NAME_WIDTH`] terminal columns, with an ellipsis where something was cut; control characters replaced.
fn shortened(name: &str) -> String {
    let clean: String = name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if clean.width() <= NAME_WIDTH {
        return clean;
    }
    let mut short = String::new();
    for c in clean.chars() {
        if format!("{short}{c}").width() >= NAME_WIDTH {
            break;
        }
        short.push(c);
    }
    short + "…"
}

#[cfg(test)]
mod tests {
    use engraft_testing::Golden;

    use super::*;

    fn score(case: &str, names: &[&str]) -> Score {
        let golden = Golden::open("metrics/scores");
        let [truth, predicted] = ["truth", "predicted"].map(|name| golden.usize(&format!("{case}/{name}")));
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Score::new(&truth, &predicted, &names).unwrap()
    }

    #[test]
    fn the_table_is_laid_out_as_scikit_learn_does() {
        let golden = Golden::open("metrics/scores");
        for (case, names) in [
            ("five", &["bar", "bubble chart with a name", "pie", "radar", "treemap"][..]),
            ("unseen", &["a", "b", "c", "d"][..]),
        ] {
            let want = String::from_utf8(golden.u8(&format!("{case}/report"))).unwrap();
            assert_eq!(classification_table(&score(case, names)), want, "{case}");
        }
    }

    #[test]
    fn columns_line_up_for_wide_and_long_names() {
        let long = "x".repeat(100);
        let score = score("five", &["棒グラフ", "b", "c", &long, "new\nline"]);
        let table = confusion_table(&score);
        let mut rows = table.lines().skip(1);
        let width = rows.next().unwrap().width();
        assert!(rows.all(|row| row.width() == width), "{table}");
        let text = report(&score);
        assert!(text.contains("xx…") && text.contains("棒グラフ") && !text.contains(&long), "{text}");
    }

    #[test]
    fn many_classes_show_only_errors() {
        let names: Vec<String> = (0..100).map(|class| format!("class{class}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let text = report(&score("hundred", &names));
        assert!(text.contains("of 100 classes have errors"), "{text}");
        assert!(confusion_table(&score("hundred", &names)).lines().count() <= SHOWN + 1);
    }

    #[test]
    fn the_summary_says_what_one_image_weighs() {
        let names = ["a".to_owned(), "b".to_owned()];
        let score = Score::new(&[0, 0, 0, 1], &[0, 0, 1, 1], &names).unwrap();
        assert!(
            summary(&score)
                .contains("75.0 %  (95 % interval 30.1 to 95.4 %, 4 images, one image = 25.00 points)")
        );
        assert!(confused_pairs(&score).contains("1 image  a taken for b"));
        let perfect = Score::new(&[0, 1], &[0, 1], &names).unwrap();
        assert_eq!(confused_pairs(&perfect), "no image was confused\n");
    }
}
