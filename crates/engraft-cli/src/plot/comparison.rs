//! A comparison as vector graphics: accuracy with its interval against the networks' time per image.

mod axis;
mod labels;

use std::fmt::Write;

use engraft::{Accuracy, Contender};

use super::svg::escape;
use axis::Axis;
use labels::{Area, place_labels};

const SIZE_PX: [f64; 2] = [760.0, 480.0];
const TEXT_PX: f64 = 12.0;

/// Edges of the axes' area: left, top, right, bottom.
const FRAME_PX: [f64; 4] = [62.0, 44.0, 736.0, 426.0];

const DOT_PX: f64 = 4.5;
const CAP_PX: f64 = 4.0;

const BEST: &str = "#2166ac";
const TIE: &str = "#67a9cf";
const OTHER: &str = "#999999";
const GRID: &str = "#e4e4e4";
const INK: &str = "#333333";

/// A backbone's place in the picture.
struct Mark<'a> {
    name: &'a str,
    color: &'static str,
    x: f64,
    y: f64,
    /// Top and bottom of the interval.
    interval: [f64; 2],
    test: Option<f64>,
}

/// The picture of all backbones that have an accuracy, the best first, as an SVG document.
pub fn draw(contenders: &[Contender]) -> String {
    let points: Vec<(&Contender, f64, Accuracy)> =
        contenders.iter().filter_map(|row| Some((row, 1000.0 / row.images_per_second?, row.cv?))).collect();
    let (time, accuracy) = axes(&points);
    let marks: Vec<Mark> = points
        .iter()
        .enumerate()
        .map(|(index, (row, milliseconds, cv))| Mark {
            name: &row.name,
            color: if index == 0 { BEST } else { [OTHER, TIE][usize::from(row.tie)] },
            x: time.at(*milliseconds),
            y: accuracy.at(cv.accuracy),
            interval: [cv.ci95[1], cv.ci95[0]].map(|bound| accuracy.at(bound)),
            test: row.test.map(|test| accuracy.at(test.accuracy)),
        })
        .collect();
    let [width, height] = SIZE_PX;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"DejaVu Sans, Verdana, Arial, sans-serif\" \
         font-size=\"{TEXT_PX}\" fill=\"{INK}\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    push_grid(&mut svg, &time, &accuracy);
    push_legend(&mut svg, marks.iter().any(|mark| mark.test.is_some()));
    let names: Vec<&str> = marks.iter().map(|mark| mark.name).collect();
    let dots: Vec<[f64; 2]> = marks.iter().map(|mark| [mark.x, mark.y]).collect();
    let labels = place_labels(&names, &dots, Area::between(FRAME_PX));
    labels.iter().zip(&marks).for_each(|(label, mark)| push_leader(&mut svg, label, mark));
    // The best is drawn last, above all others.
    marks.iter().rev().for_each(|mark| push_mark(&mut svg, mark));
    labels.iter().zip(&marks).for_each(|(label, mark)| push_label(&mut svg, label, mark));
    svg + "</svg>\n"
}

fn axes(points: &[(&Contender, f64, Accuracy)]) -> (Axis, Axis) {
    let [left, top, right, bottom] = FRAME_PX;
    let times = points.iter().map(|(_, milliseconds, _)| *milliseconds);
    let accuracies =
        points.iter().flat_map(|(row, _, cv)| cv.ci95.into_iter().chain(row.test.map(|test| test.accuracy)));
    (Axis::logarithmic(times, [left, right]), Axis::linear(accuracies, [bottom, top]))
}

fn push(svg: &mut String, text: std::fmt::Arguments) {
    svg.write_fmt(text).expect("writing to a string cannot fail");
}

fn push_text(svg: &mut String, [x, y]: [f64; 2], anchor: &str, text: &str) {
    let text = escape(text);
    push(svg, format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>\n"));
}

fn push_line(svg: &mut String, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2], color: &str) {
    push(svg, format_args!("<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"{color}\"/>\n"));
}

fn push_grid(svg: &mut String, time: &Axis, accuracy: &Axis) {
    let [left, top, right, bottom] = FRAME_PX;
    for (value, label) in time.ticks() {
        let x = time.at(value);
        push_line(svg, [x, top], [x, bottom], GRID);
        push_text(svg, [x, bottom + 18.0], "middle", &label);
    }
    for (value, label) in accuracy.ticks() {
        let y = accuracy.at(value);
        push_line(svg, [left, y], [right, y], GRID);
        push_text(svg, [left - 8.0, y + 4.0], "end", &label);
    }
    push_text(
        svg,
        [f64::midpoint(left, right), bottom + 40.0],
        "middle",
        "time per image, ms (networks alone)",
    );
    let (x, y) = (18.0, f64::midpoint(top, bottom));
    push(
        svg,
        format_args!(
            "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" text-anchor=\"middle\">cross-validated \
             accuracy, 95 % interval</text>\n"
        ),
    );
}

fn push_legend(svg: &mut String, with_test: bool) {
    let y = 22.0;
    let mut x = FRAME_PX[0];
    for (color, text) in [(BEST, "best"), (TIE, "tie: within the interval of the best"), (OTHER, "other")] {
        push_dot(svg, [x, y], color);
        push_text(svg, [x + 10.0, y + 4.0], "start", text);
        x += 34.0 + labels::text_width(text);
    }
    if with_test {
        push_diamond(svg, [x, y]);
        push_text(svg, [x + 10.0, y + 4.0], "start", "test part");
    }
}

fn push_dot(svg: &mut String, [x, y]: [f64; 2], color: &str) {
    push(svg, format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{DOT_PX}\" fill=\"{color}\"/>\n"));
}

fn push_diamond(svg: &mut String, [x, y]: [f64; 2]) {
    push(
        svg,
        format_args!("<path d=\"M{x:.1} {:.1}l4 4l-4 4l-4 -4z\" fill=\"#fff\" stroke=\"{INK}\"/>\n", y - 4.0),
    );
}

fn push_mark(svg: &mut String, mark: &Mark) {
    let (x, [high, low]) = (mark.x, mark.interval);
    push_line(svg, [x, high], [x, low], mark.color);
    for end in [high, low] {
        push_line(svg, [x - CAP_PX, end], [x + CAP_PX, end], mark.color);
    }
    if let Some(test) = mark.test {
        push_diamond(svg, [x, test]);
    }
    push_dot(svg, [x, mark.y], mark.color);
}

/// A line from a dot to its name, where that stands above or below.
fn push_leader(svg: &mut String, label: &Area, mark: &Mark) {
    let y = f64::midpoint(label.top, label.bottom);
    if (y - mark.y).abs() > TEXT_PX / 2.0 {
        let near = if label.left > mark.x { label.left - 1.0 } else { label.right + 1.0 };
        push_line(svg, [mark.x, mark.y], [near, y], OTHER);
    }
}

/// A name on a white edge, so that it can be read where it crosses an interval.
fn push_label(svg: &mut String, label: &Area, mark: &Mark) {
    let (x, anchor) = if label.left > mark.x { (label.left, "start") } else { (label.right, "end") };
    let y = f64::midpoint(label.top, label.bottom) + 4.0;
    *svg += "<g stroke=\"#fff\" stroke-width=\"3\" stroke-linejoin=\"round\" paint-order=\"stroke\">";
    push_text(svg, [x, y], anchor, mark.name);
    *svg += "</g>\n";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contender(name: &str, images_per_second: f64, accuracy: f64, tie: bool) -> Contender {
        let cv = Accuracy { accuracy, ci95: [accuracy - 0.05, (accuracy + 0.03).min(1.0)] };
        Contender {
            name: name.to_owned(),
            cv: Some(cv),
            images_per_second: Some(images_per_second),
            tie,
            ..Contender::default()
        }
    }

    #[test]
    fn every_backbone_with_an_accuracy_is_a_dot_with_its_name() {
        let test = Some(Accuracy { accuracy: 0.9, ci95: [0.8, 0.95] });
        let rows = [
            Contender { test, ..contender("a&b", 100.0, 0.95, false) },
            contender("slow", 2.0, 0.93, true),
            contender("poor", 50.0, 0.7, false),
            Contender { name: "failed".to_owned(), ..Contender::default() },
        ];
        let svg = draw(&rows);
        assert_eq!(svg.matches("<circle").count(), 3 + 3, "three in the legend\n{svg}");
        assert_eq!(svg.matches(&format!("fill=\"{TIE}\"")).count(), 2, "{svg}");
        assert_eq!(svg.matches("l4 4l-4 4").count(), 2, "one in the legend\n{svg}");
        assert!(svg.contains(">a&amp;b</text>") && !svg.contains("failed"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn a_single_backbone_and_none_at_all_can_be_drawn() {
        for rows in [&[contender("one", 100.0, 1.0, false)][..], &[]] {
            let svg = draw(rows);
            assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
    }
}
