//! A training as vector graphics: loss and accuracy of every epoch, one above the other.

use std::fmt::Write;

use engraft::{EpochRecord, EpochScore, History};

const WIDTH_PX: f64 = 640.0;
const PANEL_PX: f64 = 220.0;
const LEFT_PX: f64 = 64.0;
const RIGHT_PX: f64 = 620.0;
/// Space above the area of a panel, and below it.
const MARGIN_PX: [f64; 2] = [34.0, 34.0];

const TRAINING: &str = "#2166ac";
const VALIDATION: &str = "#b2182b";
const GRID: &str = "#e4e4e4";

/// Horizontal lines of a panel, from the least to the greatest value.
const LINES: usize = 5;

/// The picture of `history`, as an SVG document.
pub fn draw(history: &History) -> String {
    let height = 2.0 * PANEL_PX;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH_PX}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH_PX} {height}\" font-family=\"DejaVu Sans, Verdana, Arial, sans-serif\" \
         font-size=\"12\" fill=\"#333333\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let losses = |score: &EpochScore| score.loss;
    let accuracies = |score: &EpochScore| score.accuracy;
    let most = history.epochs.iter().flat_map(|record| scores(record).map(losses)).fold(0.0, f64::max);
    // A loss of zero throughout still needs a scale.
    let most = if most > 0.0 { most } else { 1.0 };
    push_panel(&mut svg, history, "loss", 0.0, most, losses);
    push_panel(&mut svg, history, "accuracy", PANEL_PX, 1.0, accuracies);
    svg + "</svg>\n"
}

fn scores(record: &EpochRecord) -> impl Iterator<Item = &EpochScore> {
    [Some(&record.training), record.validation.as_ref()].into_iter().flatten()
}

/// Values from 0 to `most`, below `top`.
fn push_panel(
    svg: &mut String,
    history: &History,
    name: &str,
    top: f64,
    most: f64,
    value: impl Fn(&EpochScore) -> f64,
) {
    let (above, below) = (top + MARGIN_PX[0], top + PANEL_PX - MARGIN_PX[1]);
    let y = |value: f64| below - value / most * (below - above);
    for line in 0..LINES {
        let at = most * line as f64 / (LINES - 1) as f64;
        let y = y(at);
        push(svg, format_args!("<path d=\"M{LEFT_PX} {y:.1}H{RIGHT_PX}\" stroke=\"{GRID}\"/>\n"));
        let x = LEFT_PX - 8.0;
        push(svg, format_args!("<text x=\"{x}\" y=\"{:.1}\" text-anchor=\"end\">{at:.2}</text>\n", y + 4.0));
    }
    let epochs = history.epochs.len();
    let caption = format!("{name}, {epochs} epochs");
    push(svg, format_args!("<text x=\"{LEFT_PX}\" y=\"{:.1}\">{caption}</text>\n", above - 12.0));
    let step = (RIGHT_PX - LEFT_PX) / epochs.saturating_sub(1).max(1) as f64;
    let training = history.epochs.iter().map(|record| Some(value(&record.training)));
    let validation = history.epochs.iter().map(|record| record.validation.as_ref().map(&value));
    let validation: Vec<Option<f64>> = validation.collect();
    let curves = [("training", TRAINING, training.collect()), ("validation", VALIDATION, validation)];
    for (index, (name, color, values)) in curves.into_iter().enumerate() {
        let points = values.into_iter().enumerate().filter_map(|(epoch, value)| Some((epoch, value?)));
        let points: Vec<String> = points
            .map(|(epoch, value)| format!("{:.1},{:.1}", LEFT_PX + step * epoch as f64, y(value)))
            .collect();
        if points.is_empty() {
            continue;
        }
        let (points, x) = (points.join(" "), RIGHT_PX - 80.0 * index as f64);
        push(svg, format_args!("<polyline points=\"{points}\" fill=\"none\" stroke=\"{color}\"/>\n"));
        push(
            svg,
            format_args!(
                "<text x=\"{x}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{color}\">{name}</text>\n",
                above - 12.0
            ),
        );
    }
}

fn push(svg: &mut String, text: std::fmt::Arguments) {
    svg.write_fmt(text).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(losses: &[f64], validated: bool) -> History {
        let record = |(index, &loss): (usize, &f64)| EpochRecord {
            epoch: index + 1,
            training: EpochScore { loss, accuracy: 0.5 },
            validation: validated.then_some(EpochScore { loss: 2.0 * loss, accuracy: 0.25 }),
            learning_rate: 0.1,
        };
        History { epochs: losses.iter().enumerate().map(record).collect() }
    }

    #[test]
    fn every_curve_there_is_is_drawn() {
        for (history, curves) in [
            (history(&[1.0, 0.5], true), 4),
            (history(&[1.0, 0.5], false), 2),
            (history(&[0.0], false), 2),
            (history(&[], true), 0),
        ] {
            let svg = draw(&history);
            assert_eq!(svg.matches("<polyline").count(), curves, "{svg}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }

    #[test]
    fn the_greatest_loss_stands_at_the_top() {
        let svg = draw(&history(&[1.0, 0.5], true));
        assert!(svg.contains("points=\"64.0,34.0 620.0,110.0\""), "{svg}");
    }
}
