//! Radar charts: one or more closed lines over three to ten spokes, and roses of wedges on them.

use std::f32::consts::TAU;

use tiny_skia::Point;

use super::{
    Rng,
    canvas::{Canvas, Fill, Text},
    color::with_alpha,
    draws::Draws,
    frame,
    shape::{Area, Sector, Shape, circle, line, polar, polygon},
    style::{Grid, Style},
    words,
};

pub fn draw(canvas: &mut Canvas, style: &Style, rng: &mut Rng) {
    let web = Web::draw(rng);
    let series = *rng.pick(&[1, 1, 2, 2, 3, 4]);
    let legend = words::names(rng, series);
    let names = words::names(rng, web.spokes);
    let area = frame::draw(canvas, style, &legend, rng);
    let named = rng.chance(0.85);
    let widest = names.iter().map(|name| style.text_width(name)).fold(0.0, f32::max);
    let margin = if named { style.text_px * 1.6 } else { 2.0 };
    let across = (area.width() - if named { 1.4 * widest } else { 0.0 }) / 2.0;
    let radius = (area.height() / 2.0 - margin).min(across).max(area.short_side() * 0.3);
    let hub = Hub { center: area.center(), radius };
    web.paint(canvas, style, hub, rng);
    if named {
        web.write_names(canvas, style, area, hub, &names);
    }
    if rng.chance(0.04) {
        web.paint_rose(canvas, style, hub, series, rng);
    } else {
        web.paint_series(canvas, style, hub, series, rng);
    }
}

/// Where the spokes meet and how far they reach.
#[derive(Clone, Copy)]
struct Hub {
    center: Point,
    radius: f32,
}

/// The spokes and rings that the values stand on.
struct Web {
    spokes: usize,
    rings: usize,
    round: bool,
    /// Angle of the first spoke.
    start: f32,
}

impl Web {
    fn draw(rng: &mut Rng) -> Web {
        Web {
            spokes: rng.count(3, 10),
            rings: rng.count(2, 7),
            round: rng.chance(0.35),
            start: if rng.chance(0.75) { 0.0 } else { rng.between(0.0, TAU) },
        }
    }

    fn angle(&self, spoke: usize) -> f32 {
        self.start + TAU * spoke as f32 / self.spokes as f32
    }

    /// The closed line through one point on each spoke.
    fn outline(&self, hub: Hub, values: &[f32]) -> Shape {
        let points: Vec<_> = self.points(hub, values).collect();
        polygon(&points)
    }

    fn points<'a>(&'a self, hub: Hub, values: &'a [f32]) -> impl Iterator<Item = Point> + 'a {
        values.iter().enumerate().map(move |(i, value)| polar(hub.center, value * hub.radius, self.angle(i)))
    }

    fn paint(&self, canvas: &mut Canvas, style: &Style, hub: Hub, rng: &mut Rng) {
        let ring = |share: f32| match self.round {
            true => circle(hub.center, share * hub.radius),
            false => self.outline(hub, &vec![share; self.spokes]),
        };
        if rng.chance(0.2) {
            canvas.fill(&ring(1.0), Fill::Plain(with_alpha(style.faint, 0.3)));
        }
        for i in 1..=self.rings {
            canvas_ring(canvas, style, &ring(i as f32 / self.rings as f32), i == self.rings);
        }
        for i in 0..self.spokes {
            let spoke = line(hub.center, polar(hub.center, hub.radius, self.angle(i)));
            canvas.stroke(&spoke, style.faint, style.line_px);
        }
        if rng.chance(0.45) {
            self.write_ticks(canvas, style, hub, rng);
        }
    }

    fn write_ticks(&self, canvas: &mut Canvas, style: &Style, hub: Hub, rng: &mut Rng) {
        let step = *rng.pick(&[1.0, 2.0, 5.0, 10.0, 20.0, 0.2]);
        for i in 0..=self.rings {
            let label = words::number(step * i as f32);
            let at =
                Point::from_xy(hub.center.x - 3.0, hub.center.y - hub.radius * i as f32 / self.rings as f32);
            let size_px = style.text_px * 0.85;
            canvas.write(&Text { anchor: (1.0, 0.5), size_px, ..style.text(&label) }, at);
        }
    }

    /// Outside the web, moved back into the area where they would leave it.
    fn write_names(&self, canvas: &mut Canvas, style: &Style, area: Area, hub: Hub, names: &[String]) {
        for (i, name) in names.iter().enumerate() {
            let angle = self.angle(i);
            let at = polar(hub.center, hub.radius + style.text_px * 0.9, angle);
            let anchor = (0.5 - 0.5 * angle.sin(), 0.5);
            let width = style.text_width(name);
            let left = (at.x - anchor.0 * width).min(area.right - width).max(area.left);
            canvas.write(&Text { anchor: (0.0, 0.5), ..style.text(name) }, Point::from_xy(left, at.y));
        }
    }

    fn paint_series(&self, canvas: &mut Canvas, style: &Style, hub: Hub, series: usize, rng: &mut Rng) {
        let fill_alpha = if rng.chance(0.65) { rng.between(0.15, 0.75) } else { 0.0 };
        let width_px = style.line_px * rng.between(1.0, 2.5);
        let marker_px = if rng.chance(0.45) { width_px * rng.between(1.2, 2.2) } else { 0.0 };
        for i in 0..series {
            let values = draw_values(self.spokes, rng);
            let color = style.palette.color(i);
            let outline = self.outline(hub, &values);
            canvas.fill(&outline, Fill::Plain(with_alpha(color, fill_alpha)));
            canvas.stroke(&outline, color, width_px);
            for point in self.points(hub, &values) {
                canvas.fill(&circle(point, marker_px), Fill::Plain(color));
            }
        }
    }

    /// Stacked wedges, one pile on each spoke, as on a wind rose.
    fn paint_rose(&self, canvas: &mut Canvas, style: &Style, hub: Hub, series: usize, rng: &mut Rng) {
        let half = TAU / self.spokes as f32 * rng.between(0.3, 0.5);
        for (spoke, value) in draw_values(self.spokes, rng).into_iter().enumerate() {
            let angle = self.angle(spoke);
            for layer in (0..series).rev() {
                let reach = hub.radius * value * (layer + 1) as f32 / series as f32;
                let angles = (angle - half, angle + half);
                let wedge = Sector { center: hub.center, radii: (0.0, reach), angles, tilt: 1.0 };
                style.mark(canvas, &wedge.outline(), style.palette.color(layer));
            }
        }
    }
}

/// Rings belong to the chart, so a style without grid lines keeps the outermost.
fn canvas_ring(canvas: &mut Canvas, style: &Style, ring: &Shape, outermost: bool) {
    if style.grid == Grid::None && outermost {
        canvas.stroke(ring, style.faint, style.line_px);
    } else {
        style.grid_line(canvas, ring);
    }
}

/// One value in `(0, 1]` for each spoke.
fn draw_values(spokes: usize, rng: &mut Rng) -> Vec<f32> {
    let low = rng.between(0.1, 0.6);
    (0..spokes).map(|_| rng.between(low, 1.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_spoke_points_up_and_values_lie_on_their_spokes() {
        let web = Web { spokes: 4, rings: 3, round: false, start: 0.0 };
        let hub = Hub { center: Point::from_xy(10.0, 10.0), radius: 8.0 };
        let points: Vec<_> = web.points(hub, &[1.0, 0.5, 0.5, 0.25]).collect();
        for (point, want) in points.iter().zip([(10.0, 2.0), (14.0, 10.0), (10.0, 14.0), (8.0, 10.0)]) {
            assert!((point.x - want.0).abs() < 1e-4 && (point.y - want.1).abs() < 1e-4, "{points:?}");
        }
    }
}
