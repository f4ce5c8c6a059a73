//! A pair of axes with ticks, labels and grid lines.

use tiny_skia::Point;

use super::{
    Rng,
    canvas::{Canvas, Text},
    draws::Draws,
    shape::{Area, line},
    style::Style,
    words,
};

/// Round numbers that cover a range of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    pub low: f32,
    pub high: f32,
    step: f32,
}

impl Scale {
    /// About `ticks` steps of 1, 2 or 5 times a power of ten, from below `low` to above `high`.
    pub fn covering(low: f32, high: f32, ticks: usize) -> Scale {
        let rough = (high - low).max(1e-6) / ticks as f32;
        let magnitude = 10f32.powf(rough.log10().floor());
        let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * magnitude >= rough * 0.999).unwrap_or(10.0);
        let step = factor * magnitude;
        // A range that ends on a step but for rounding, as shares of 100 do, needs no further step.
        let slack = 1e-3;
        Scale { low: (low / step + slack).floor() * step, high: (high / step - slack).ceil() * step, step }
    }

    /// Where `value` lies: 0 at the low end, 1 at the high end.
    pub fn fraction(&self, value: f32) -> f32 {
        (value - self.low) / (self.high - self.low)
    }

    pub fn ticks(&self) -> impl Iterator<Item = f32> + use<> {
        let Scale { low, high, step } = *self;
        (0..=((high - low) / step).round() as usize).map(move |i| low + i as f32 * step)
    }
}

/// What stands along an axis.
pub enum Axis {
    Values(Scale),
    /// One place each, from left to right or from top to bottom.
    Names(Vec<String>),
}

/// A position as a fraction along the axis, and its label.
type Mark = (f32, String);

impl Axis {
    fn marks(&self) -> Vec<Mark> {
        match self {
            Axis::Values(scale) => scale.ticks().map(|v| (scale.fraction(v), words::number(v))).collect(),
            Axis::Names(names) => {
                let place = |i: usize| (i as f32 + 0.5) / names.len() as f32;
                names.iter().enumerate().map(|(i, name)| (place(i), name.clone())).collect()
            }
        }
    }
}

/// Draws both axes into `area` and returns the plot between them.
pub fn draw(canvas: &mut Canvas, style: &Style, area: Area, x: &Axis, y: &Axis, rng: &mut Rng) -> Area {
    let (x_marks, y_marks) = (x.marks(), y.marks());
    let widest = |marks: &[Mark]| marks.iter().map(|(_, l)| style.text_width(l)).fold(0.0, f32::max);
    let labelled = rng.chance(0.93);
    let mut plot = if rng.chance(0.35) { axis_titles(canvas, style, area, rng) } else { area };
    plot.top += style.text_px * 0.5;
    if labelled {
        plot.left += (widest(&y_marks) + style.text_px * 0.7).min(area.width() * 0.35);
    }
    let angle_deg = label_angle(widest(&x_marks), plot.width() / x_marks.len() as f32, rng);
    if labelled {
        let reach = widest(&x_marks) * angle_deg.to_radians().sin().abs();
        plot.bottom -= (reach + style.text_px * 1.5).min(area.height() * 0.35);
    }
    let (x_feet, y_feet) = (feet_below(plot, &x_marks), feet_beside(plot, y, &y_marks));
    let lines = Lines::draw(x, y, rng);
    lines.paint(canvas, style, plot, &x_feet, &y_feet);
    if labelled {
        for (foot, (_, label)) in x_feet.iter().zip(&x_marks) {
            x_label(canvas, style, label, *foot, angle_deg);
        }
        for (foot, (_, label)) in y_feet.iter().zip(&y_marks) {
            let at = Point::from_xy(foot.x - style.text_px * 0.5, foot.y);
            canvas.write(&Text { anchor: (1.0, 0.5), ..style.text(label) }, at);
        }
    }
    axis_lines(canvas, style, plot, rng);
    plot
}

/// Where the marks of the horizontal axis stand on the plot's edge.
fn feet_below(plot: Area, marks: &[Mark]) -> Vec<Point> {
    let foot = |(fraction, _): &Mark| Point::from_xy(plot.left + fraction * plot.width(), plot.bottom);
    marks.iter().map(foot).collect()
}

/// Where the marks of the vertical axis stand: values grow upward, names run downward.
fn feet_beside(plot: Area, axis: &Axis, marks: &[Mark]) -> Vec<Point> {
    let y = |fraction: f32| match axis {
        Axis::Names(_) => plot.top + fraction * plot.height(),
        Axis::Values(_) => plot.bottom - fraction * plot.height(),
    };
    marks.iter().map(|(fraction, _)| Point::from_xy(plot.left, y(*fraction))).collect()
}

/// Which grid lines are drawn: none along names, and not always both.
struct Lines {
    vertical: bool,
    horizontal: bool,
}

impl Lines {
    fn draw(x: &Axis, y: &Axis, rng: &mut Rng) -> Lines {
        let both = rng.chance(0.5);
        let (x_values, y_values) = (matches!(x, Axis::Values(_)), matches!(y, Axis::Values(_)));
        Lines { vertical: x_values && (both || !y_values), horizontal: y_values }
    }

    fn paint(&self, canvas: &mut Canvas, style: &Style, plot: Area, x_feet: &[Point], y_feet: &[Point]) {
        for foot in x_feet.iter().filter(|_| self.vertical) {
            style.grid_line(canvas, &line(*foot, Point::from_xy(foot.x, plot.top)));
        }
        for foot in y_feet.iter().filter(|_| self.horizontal) {
            style.grid_line(canvas, &line(*foot, Point::from_xy(plot.right, foot.y)));
        }
    }
}

/// Leaning or upright where the labels would run into each other.
fn label_angle(widest: f32, room: f32, rng: &mut Rng) -> f32 {
    if widest < room * 0.95 { 0.0 } else { *rng.pick(&[-45.0, -90.0, -60.0]) }
}

fn x_label(canvas: &mut Canvas, style: &Style, label: &str, foot: Point, angle_deg: f32) {
    let anchor = if angle_deg == 0.0 { (0.5, 0.0) } else { (1.0, 0.5) };
    let at = Point::from_xy(foot.x, foot.y + style.text_px * 0.5);
    canvas.write(&Text { anchor, angle_deg, ..style.text(label) }, at);
}

fn axis_titles(canvas: &mut Canvas, style: &Style, area: Area, rng: &mut Rng) -> Area {
    let (x_title, y_title) = (words::measure(rng), words::measure(rng));
    let half = style.text_px * 0.5;
    let below = Point::from_xy(area.center().x, area.bottom - half);
    canvas.write(&style.text(&x_title), below);
    let beside = Point::from_xy(area.left + half, area.center().y);
    canvas.write(&Text { angle_deg: -90.0, ..style.text(&y_title) }, beside);
    Area { left: area.left + 3.0 * half, bottom: area.bottom - 3.0 * half, ..area }
}

fn axis_lines(canvas: &mut Canvas, style: &Style, plot: Area, rng: &mut Rng) {
    let corner = Point::from_xy(plot.left, plot.bottom);
    match rng.below(5) {
        0 => canvas.stroke(&plot.outline(), style.ink, style.line_px),
        1 => canvas.stroke(&line(corner, Point::from_xy(plot.right, plot.bottom)), style.ink, style.line_px),
        2 => {}
        _ => {
            canvas.stroke(&line(corner, Point::from_xy(plot.right, plot.bottom)), style.ink, style.line_px);
            canvas.stroke(&line(corner, Point::from_xy(plot.left, plot.top)), style.ink, style.line_px);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_round_and_cover_their_range() {
        for (low, high, ticks, want) in [
            (0.0, 97.0, 5, (0.0, 100.0, 20.0)),
            (0.0, 100.001, 5, (0.0, 100.0, 20.0)),
            (3.0, 8.5, 6, (3.0, 9.0, 1.0)),
            (-0.4, 0.9, 4, (-0.5, 1.0, 0.5)),
        ] {
            let Scale { low: from, high: to, step } = Scale::covering(low, high, ticks);
            for (got, want) in [(from, want.0), (to, want.1), (step, want.2)] {
                assert!((got - want).abs() < 1e-4, "{low}..{high}: {from}, {to}, {step}");
            }
        }
    }

    #[test]
    fn ticks_run_from_end_to_end() {
        let ticks: Vec<f32> = Scale::covering(0.0, 97.0, 5).ticks().collect();
        assert_eq!(ticks, [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
    }
}
