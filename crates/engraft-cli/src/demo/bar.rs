//! Bar charts: standing or lying, grouped or stacked, flat or with depth.

use tiny_skia::{Color, Point};

use super::{
    Rng,
    axes::{self, Axis, Scale},
    canvas::{Canvas, Fill, Text},
    color::mix,
    draws::Draws,
    frame,
    shape::{Area, polygon},
    style::Style,
    words,
};

pub fn draw(canvas: &mut Canvas, style: &Style, rng: &mut Rng) {
    let bars = Bars::draw(rng);
    let legend = if bars.colored_by_category { bars.categories.clone() } else { bars.series.clone() };
    let area = frame::draw(canvas, style, &legend, rng);
    let (names, values) = (Axis::Names(bars.categories.clone()), Axis::Values(bars.scale()));
    let (x, y) = if bars.lying { (&values, &names) } else { (&names, &values) };
    let plot = axes::draw(canvas, style, area, x, y, rng);
    bars.paint(canvas, style, plot);
}

/// How the bars of one category stand to each other.
#[derive(Clone, Copy, PartialEq)]
enum Arrangement {
    Grouped,
    Stacked,
    /// Stacked to the same height.
    Shares,
}

struct Bars {
    categories: Vec<String>,
    series: Vec<String>,
    /// `[category][series]`, negative ones only where bars are grouped.
    values: Vec<Vec<f32>>,
    arrangement: Arrangement,
    lying: bool,
    colored_by_category: bool,
    /// Part of a category's room that stays empty.
    gap: f32,
    /// Depth of bars drawn as blocks, as a fraction of their thickness.
    depth: f32,
}

impl Bars {
    fn draw(rng: &mut Rng) -> Bars {
        let categories = rng.count(2, 12);
        let series = *rng.pick(&[1, 1, 1, 2, 2, 3, 4, 5]);
        let arrangement = match series {
            1 => Arrangement::Grouped,
            _ => *rng.pick(&[
                Arrangement::Grouped,
                Arrangement::Stacked,
                Arrangement::Stacked,
                Arrangement::Shares,
            ]),
        };
        let mut values = draw_values(categories, series, rng);
        if arrangement == Arrangement::Shares {
            values.iter_mut().for_each(|column| normalise(column));
        }
        if arrangement == Arrangement::Grouped && rng.chance(0.08) {
            values.iter_mut().flatten().for_each(|value| *value *= if rng.chance(0.35) { -0.7 } else { 1.0 });
        }
        Bars {
            categories: words::names(rng, categories),
            series: words::names(rng, series),
            values,
            arrangement,
            lying: rng.chance(0.35),
            colored_by_category: series == 1 && rng.chance(0.45),
            gap: if rng.chance(0.15) { 0.02 } else { rng.between(0.1, 0.6) },
            depth: if rng.chance(0.12) { rng.between(0.15, 0.4) } else { 0.0 },
        }
    }

    fn scale(&self) -> Scale {
        let total = |column: &Vec<f32>| column.iter().sum::<f32>();
        let highest = match self.arrangement {
            Arrangement::Grouped => self.values.iter().flatten().copied().fold(0.0, f32::max),
            _ => self.values.iter().map(total).fold(0.0, f32::max),
        };
        let lowest = self.values.iter().flatten().copied().fold(0.0, f32::min);
        Scale::covering(lowest, highest, 5)
    }

    fn paint(&self, canvas: &mut Canvas, style: &Style, plot: Area) {
        let room = if self.lying { plot.height() } else { plot.width() } / self.values.len() as f32;
        let thickness = room * (1.0 - self.gap);
        for (category, column) in self.values.iter().enumerate() {
            let start = room * (category as f32 + self.gap / 2.0);
            let lane = thickness / column.len() as f32;
            let mut base = 0.0;
            for (series, &value) in column.iter().enumerate() {
                let color = style.palette.color(if self.colored_by_category { category } else { series });
                if self.arrangement == Arrangement::Grouped {
                    let from = start + lane * series as f32;
                    self.paint_bar(canvas, style, plot, (from, from + lane), (0.0, value), color);
                } else {
                    self.paint_bar(
                        canvas,
                        style,
                        plot,
                        (start, start + thickness),
                        (base, base + value),
                        color,
                    );
                    base += value;
                }
            }
        }
    }

    /// One bar across `lane` pixels of the category axis that reaches over `span` on the value axis.
    fn paint_bar(
        &self,
        canvas: &mut Canvas,
        style: &Style,
        plot: Area,
        lane: (f32, f32),
        span: (f32, f32),
        color: Color,
    ) {
        let scale = self.scale();
        let (low, high) = (scale.fraction(span.0.min(span.1)), scale.fraction(span.0.max(span.1)));
        let bar = if self.lying {
            let x = |fraction: f32| plot.left + fraction * plot.width();
            Area { left: x(low), right: x(high), top: plot.top + lane.0, bottom: plot.top + lane.1 }
        } else {
            let y = |fraction: f32| plot.bottom - fraction * plot.height();
            Area { left: plot.left + lane.0, right: plot.left + lane.1, top: y(high), bottom: y(low) }
        };
        if self.depth > 0.0 {
            paint_block_sides(canvas, bar, (lane.1 - lane.0) * self.depth, color);
        }
        let corner_px = if self.arrangement == Arrangement::Grouped { style.corner_px } else { 0.0 };
        style.mark(canvas, &bar.rounded(corner_px), color);
        if style.labelled {
            self.write_value(canvas, style, bar, span, color);
        }
    }

    /// At the end of the bar, or inside the bars of a stack, where it fits.
    fn write_value(&self, canvas: &mut Canvas, style: &Style, bar: Area, span: (f32, f32), color: Color) {
        let label = words::number(span.1 - span.0);
        let gap = style.text_px * 0.3;
        if self.arrangement != Arrangement::Grouped {
            if bar.width() > style.text_width(&label) && bar.height() > style.text_px {
                style.write_on(canvas, &label, color, bar.center());
            }
        } else if self.lying && bar.height() > style.text_px * 0.8 {
            let at = Point::from_xy(bar.right + gap, bar.center().y);
            canvas.write(&Text { anchor: (0.0, 0.5), ..style.text(&label) }, at);
        } else if !self.lying && bar.width() > style.text_width(&label) * 0.8 {
            let at = Point::from_xy(bar.center().x, bar.top - gap);
            canvas.write(&Text { anchor: (0.5, 1.0), ..style.text(&label) }, at);
        }
    }
}

/// Values of one size, in no order, sorted, or following a trend.
fn draw_values(categories: usize, series: usize, rng: &mut Rng) -> Vec<Vec<f32>> {
    let size = 10f32.powf(rng.between(0.3, 5.0));
    let evenness = rng.between(0.05, 0.6);
    let trend = if rng.chance(0.3) { rng.between(-0.6, 0.6) } else { 0.0 };
    let column = |rng: &mut Rng, category: usize| {
        let lift = 1.0 + trend * (category as f32 / categories as f32 - 0.5);
        (0..series).map(|_| size * lift * rng.between(evenness, 1.0)).collect()
    };
    let mut values: Vec<Vec<f32>> = (0..categories).map(|category| column(rng, category)).collect();
    if rng.chance(0.25) {
        values.sort_by(|a, b| b.iter().sum::<f32>().total_cmp(&a.iter().sum()));
    }
    values
}

/// Scales the values to add up to 100.
fn normalise(column: &mut [f32]) {
    let total: f32 = column.iter().sum();
    column.iter_mut().for_each(|value| *value *= 100.0 / total);
}

/// The top and the right side of a block whose front is `bar`.
fn paint_block_sides(canvas: &mut Canvas, bar: Area, depth: f32, color: Color) {
    let point = |x: f32, y: f32| Point::from_xy(x, y);
    let (dx, dy) = (depth, -depth * 0.7);
    let Area { left, top, right, bottom } = bar;
    let lid = [point(left, top), point(left + dx, top + dy), point(right + dx, top + dy), point(right, top)];
    let side = [
        point(right, top),
        point(right + dx, top + dy),
        point(right + dx, bottom + dy),
        point(right, bottom),
    ];
    canvas.fill(&polygon(&lid), Fill::Plain(mix(color, Color::WHITE, 0.25)));
    canvas.fill(&polygon(&side), Fill::Plain(mix(color, Color::BLACK, 0.3)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_holds_every_bar() {
        for seed in 0..200 {
            let bars = Bars::draw(&mut Rng::new(seed));
            let scale = bars.scale();
            for column in &bars.values {
                let stacked = bars.arrangement != Arrangement::Grouped;
                let reach = if stacked { vec![column.iter().sum()] } else { column.clone() };
                for value in reach {
                    assert!(
                        (-0.001..=1.001).contains(&scale.fraction(value)),
                        "seed {seed}: {value} in {scale:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn shares_add_up_to_a_hundred() {
        let mut column = [1.0, 2.0, 5.0];
        normalise(&mut column);
        assert_eq!(column, [12.5, 25.0, 62.5]);
    }
}
