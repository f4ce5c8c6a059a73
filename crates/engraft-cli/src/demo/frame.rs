//! What surrounds every chart alike: background, heading, legend, captions and scraps of a page.

use tiny_skia::{Color, Point};

use super::{
    Rng,
    canvas::{Canvas, Fill, Text},
    color::{mix, rgb},
    draws::Draws,
    shape::{Area, circle, line},
    style::Style,
    words,
};

/// Draws the surroundings and returns the area left for the chart.
///
/// `legend` names the palette's first colours; it is drawn in some images, where it fits.
pub fn draw(canvas: &mut Canvas, style: &Style, legend: &[String], rng: &mut Rng) -> Area {
    let page = Area::new(0.0, 0.0, style.size_px.0 as f32, style.size_px.1 as f32);
    canvas.fill(&page.outline(), style.background);
    let mut rest = page;
    if rng.chance(0.07) {
        rest.top += window_bar(canvas, page, rng);
    }
    if rng.chance(0.2) {
        let inset = rng.between(0.0, 6.0);
        canvas.stroke(&rest.inset(inset).outline(), style.faint, style.line_px);
    }
    rest = rest.inset(page.short_side() * rng.between(0.025, 0.08));
    if rng.chance(0.06) {
        rest = body_text(canvas, style, rest, rng);
    }
    if rng.chance(0.7) {
        rest = heading(canvas, style, rest, rng);
    }
    if rng.chance(0.2) {
        rest = caption(canvas, style, rest, rng);
    }
    if rng.chance(0.55) && !legend.is_empty() {
        rest = draw_legend(canvas, style, legend, rest, rng);
    }
    if let Some(color) = style.panel {
        canvas.fill(&rest.outline(), Fill::Plain(color));
        rest = rest.inset(style.text_px * 0.6);
    }
    rest
}

/// The title bar of a window, as on a screenshot; returns its height.
fn window_bar(canvas: &mut Canvas, page: Area, rng: &mut Rng) -> f32 {
    let height = rng.between(14.0, 24.0);
    let bar = Area::new(0.0, 0.0, page.width(), height);
    canvas.fill(&bar.outline(), Fill::Plain(mix(Color::WHITE, Color::BLACK, rng.between(0.08, 0.8))));
    for (i, color) in [rgb(235, 95, 85), rgb(240, 190, 70), rgb(110, 195, 90)].into_iter().enumerate() {
        canvas.fill(
            &circle(Point::from_xy(height * (0.6 + 0.7 * i as f32), height / 2.0), height * 0.22),
            Fill::Plain(color),
        );
    }
    let field =
        Area { left: height * 3.2, right: page.width() - height, top: height * 0.2, bottom: height * 0.8 };
    canvas.fill(&field.rounded(4.0), Fill::Plain(Color::WHITE));
    height
}

fn body_text(canvas: &mut Canvas, style: &Style, rest: Area, rng: &mut Rng) -> Area {
    let line_height = style.text_px * 1.25;
    let count = rng.count(2, 3) as f32;
    let above = rng.chance(0.5);
    let (text, chart) = if above {
        rest.split_rows(count * line_height / rest.height())
    } else {
        let (chart, text) = rest.split_rows(1.0 - count * line_height / rest.height());
        (text, chart)
    };
    for i in 0..count as usize {
        let prose = words::prose(rng);
        let fitting = fitted(style, &prose, text.width());
        let at = Point::from_xy(text.left, text.top + (i as f32 + 0.4) * line_height);
        canvas.write(&Text { anchor: (0.0, 0.5), ..style.text(fitting) }, at);
    }
    chart
}

fn heading(canvas: &mut Canvas, style: &Style, rest: Area, rng: &mut Rng) -> Area {
    let mut size_px = style.text_px * rng.between(1.1, 1.9);
    let font = if rng.chance(0.5) { style.font.bold() } else { style.font };
    let title = words::title(rng);
    size_px *= (rest.width() / font.width(&title, size_px)).min(1.0);
    let align = *rng.pick(&[0.0, 0.5, 0.5]);
    let height = size_px * 1.5;
    let below = rng.chance(0.1);
    let (title_area, chart) = if below {
        let (chart, title_area) = rest.split_rows(1.0 - height / rest.height());
        (title_area, chart)
    } else {
        rest.split_rows(height / rest.height())
    };
    let color = if rng.chance(0.15) { style.palette.color(0) } else { style.ink };
    let at = Point::from_xy(rest.left + align * rest.width(), title_area.center().y);
    canvas.write(&Text { font, size_px, color, anchor: (align, 0.5), ..style.text(&title) }, at);
    if rng.chance(0.1) && !below {
        let y = title_area.bottom;
        canvas.stroke(
            &line(Point::from_xy(rest.left, y), Point::from_xy(rest.right, y)),
            style.faint,
            style.line_px,
        );
    }
    Area { top: chart.top + if below { 0.0 } else { size_px * 0.3 }, ..chart }
}

fn caption(canvas: &mut Canvas, style: &Style, rest: Area, rng: &mut Rng) -> Area {
    let text = words::caption(rng);
    let size_px = style.text_px * 0.8;
    let align = *rng.pick(&[0.0, 0.5, 1.0]);
    let at = Point::from_xy(rest.left + align * rest.width(), rest.bottom - size_px * 0.4);
    let color = mix(style.ink, style.faint, 0.4);
    canvas.write(&Text { size_px, color, anchor: (align, 0.5), ..style.text(&text) }, at);
    Area { bottom: rest.bottom - size_px * 1.6, ..rest }
}

fn draw_legend(canvas: &mut Canvas, style: &Style, legend: &[String], rest: Area, rng: &mut Rng) -> Area {
    let row_height = style.text_px * rng.between(1.3, 1.8);
    let swatch = Swatch { size_px: style.text_px * rng.between(0.6, 1.0), round: rng.chance(0.35) };
    if rng.chance(0.6) {
        legend_column(canvas, style, legend, rest, row_height, swatch, rng)
    } else {
        legend_row(canvas, style, legend, rest, row_height, swatch, rng)
    }
}

/// The spot of colour beside a name.
#[derive(Clone, Copy)]
struct Swatch {
    size_px: f32,
    round: bool,
}

impl Swatch {
    /// Draws the swatch and its name from `at`, the middle of the left edge.
    fn draw(self, canvas: &mut Canvas, style: &Style, index: usize, name: &str, at: Point) {
        let half = self.size_px / 2.0;
        let shape = if self.round {
            circle(Point::from_xy(at.x + half, at.y), half)
        } else {
            Area::new(at.x, at.y - half, self.size_px, self.size_px).outline()
        };
        canvas.fill(&shape, Fill::Plain(style.palette.color(index)));
        let text_at = Point::from_xy(at.x + self.size_px * 1.5, at.y);
        canvas.write(&Text { anchor: (0.0, 0.5), ..style.text(name) }, text_at);
    }

    /// Length of both in pixels.
    fn width(self, style: &Style, name: &str) -> f32 {
        self.size_px * 1.5 + style.text_width(name)
    }
}

fn legend_column(
    canvas: &mut Canvas,
    style: &Style,
    legend: &[String],
    rest: Area,
    row_height: f32,
    swatch: Swatch,
    rng: &mut Rng,
) -> Area {
    let width = legend.iter().map(|name| swatch.width(style, name)).fold(0.0, f32::max) + style.text_px;
    let rows = legend.len().min((rest.height() / row_height) as usize);
    if width > rest.width() * 0.4 {
        return rest;
    }
    let (column, chart) = if rng.chance(0.8) {
        let (chart, column) = rest.split_columns(1.0 - width / rest.width());
        (column, chart)
    } else {
        rest.split_columns(width / rest.width())
    };
    let slack = rest.height() - rows as f32 * row_height;
    let top = rest.top + slack * *rng.pick(&[0.0, 0.5, 0.5, 1.0]);
    let left = column.left + style.text_px * 0.5;
    if rng.chance(0.2) {
        let frame = Area::new(column.left, top, width, rows as f32 * row_height);
        canvas.stroke(&frame.outline(), style.faint, style.line_px);
    }
    for (i, name) in legend.iter().take(rows).enumerate() {
        swatch.draw(canvas, style, i, name, Point::from_xy(left, top + (i as f32 + 0.5) * row_height));
    }
    let gap = style.text_px * 0.5;
    if column.left > chart.left {
        Area { right: chart.right - gap, ..chart }
    } else {
        Area { left: chart.left + gap, ..chart }
    }
}

fn legend_row(
    canvas: &mut Canvas,
    style: &Style,
    legend: &[String],
    rest: Area,
    row_height: f32,
    swatch: Swatch,
    rng: &mut Rng,
) -> Area {
    let gap = style.text_px;
    let mut shown = 0;
    let mut width = -gap;
    for name in legend {
        let next = width + gap + swatch.width(style, name);
        if next > rest.width() {
            break;
        }
        (width, shown) = (next, shown + 1);
    }
    let (row, chart) = if rng.chance(0.6) {
        let (chart, row) = rest.split_rows(1.0 - row_height / rest.height());
        (row, chart)
    } else {
        rest.split_rows(row_height / rest.height())
    };
    let mut x = rest.left + (rest.width() - width).max(0.0) * *rng.pick(&[0.0, 0.5, 0.5, 1.0]);
    for (i, name) in legend.iter().take(shown).enumerate() {
        swatch.draw(canvas, style, i, name, Point::from_xy(x, row.center().y));
        x += swatch.width(style, name) + gap;
    }
    let gap = gap * 0.5;
    if row.top > chart.top {
        Area { bottom: chart.bottom - gap, ..chart }
    } else {
        Area { top: chart.top + gap, ..chart }
    }
}

/// The longest beginning of `text` that is at most `width` pixels long.
fn fitted<'a>(style: &Style, text: &'a str, width: f32) -> &'a str {
    let ends = text.char_indices().map(|(i, _)| i).chain([text.len()]);
    let end = ends.take_while(|&end| style.text_width(&text[..end]) <= width).last().unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chart_keeps_a_good_part_of_the_image() {
        let legend: Vec<String> = (0..8).map(|i| format!("Series number {i}")).collect();
        for seed in 0..300 {
            let mut rng = Rng::new(seed);
            let style = Style::draw(&mut rng);
            let mut canvas = Canvas::new(style.size_px.0, style.size_px.1, Color::WHITE);
            let chart = draw(&mut canvas, &style, &legend, &mut rng);
            let (width, height) = (style.size_px.0 as f32, style.size_px.1 as f32);
            assert!(
                chart.width() > 0.35 * width && chart.height() > 0.35 * height,
                "seed {seed}: {chart:?} of {width} x {height}"
            );
            assert!(
                chart.left >= 0.0 && chart.top >= 0.0 && chart.right <= width && chart.bottom <= height,
                "seed {seed}: {chart:?}"
            );
        }
    }

    #[test]
    fn fitted_text_is_cut_only_where_it_must_be() {
        let style = Style::draw(&mut Rng::new(4));
        assert_eq!(fitted(&style, "width", 1e4), "width");
        assert_eq!(fitted(&style, "width", 0.0), "");
        let cut = fitted(&style, "width", style.text_width("wid") + 0.1);
        assert_eq!(cut, "wid");
    }
}
