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
        Scale { low: (low / step).floor() * step, high: (high / step).ceil() * step, step }
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

impl Axis {
    /// Positions as fractions along the axis, each with its label.
    fn marks(&self) -> Vec<(f32, String)> {
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
    let widest = |marks: &[(f32, String)]| marks.iter().map(|(_, l)| style.text_width(l)).fold(0.0, f32::max);
    let labelled = rng.chance(0.93);
    let mut plot = area;
    if rng.chance(0.35) {
        plot = axis_titles(canvas, style, area, rng);
    }
    if labelled {
        plot.left += (widest(&y_marks) + style.text_px * 0.7).min(area.width() * 0.35);
    }
    let room = plot.width() / x_marks.len() as f32;
    let angle_deg = label_angle(widest(&x_marks), room, rng);
    if labelled {
        let reach = widest(&x_marks) * angle_deg.to_radians().sin().abs();
        plot.bottom -= (reach + style.text_px * 1.5).min(area.height() * 0.35);
    }
    plot.top += style.text_px * 0.5;
    let lines = Lines::draw(x, y, rng);
    for (fraction, label) in &x_marks {
        let foot = Point::from_xy(plot.left + fraction * plot.width(), plot.bottom);
        if lines.vertical {
            style.grid_line(canvas, &line(foot, Point::from_xy(foot.x, plot.top)));
        }
        if labelled {
            x_label(canvas, style, label, foot, angle_deg);
        }
    }
    for (fraction, label) in &y_marks {
        let up = if matches!(y, Axis::Names(_)) { 1.0 - fraction } else { *fraction };
        let foot = Point::from_xy(plot.left, plot.bottom - up * plot.height());
        if lines.horizontal {
            style.grid_line(canvas, &line(foot, Point::from_xy(plot.right, foot.y)));
        }
        if labelled {
            let at = Point::from_xy(foot.x - style.text_px * 0.5, foot.y);
            canvas.write(&Text { anchor: (1.0, 0.5), ..style.text(label) }, at);
        }
    }
    axis_lines(canvas, style, plot, rng);
    plot
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
