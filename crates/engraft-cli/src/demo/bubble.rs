//! Bubble charts: scattered between axes, in a grid of categories, or packed together.

use tiny_skia::{Color, Point};

use super::{
    Rng,
    axes::{self, Axis, Scale},
    canvas::{Canvas, Text},
    color::readable_on,
    draws::Draws,
    frame,
    shape::{Area, circle},
    style::Style,
    words,
};

pub fn draw(canvas: &mut Canvas, style: &Style, rng: &mut Rng) {
    let groups = rng.count(1, 5);
    let legend = words::names(rng, groups);
    let area = frame::draw(canvas, style, &legend, rng);
    let mut bubbles = match rng.below(10) {
        0..=5 => scattered(canvas, style, area, groups, rng),
        6 => gridded(canvas, style, area, groups, rng),
        _ => packed(area, groups, rng),
    };
    // The small ones would vanish under the large.
    bubbles.sort_by(|a, b| b.radius.total_cmp(&a.radius));
    let names = words::names(rng, bubbles.len());
    let alpha = if rng.chance(0.5) { rng.between(0.45, 0.85) } else { 1.0 };
    for (bubble, name) in bubbles.iter().zip(&names) {
        let color = style.palette.color(bubble.group);
        style.translucent_mark(canvas, &circle(bubble.center, bubble.radius), color, alpha);
        if style.labelled {
            bubble.write_name(canvas, style, name, color);
        }
    }
}

struct Bubble {
    center: Point,
    radius: f32,
    group: usize,
}

impl Bubble {
    /// Inside where it fits.
    fn write_name(&self, canvas: &mut Canvas, style: &Style, name: &str, color: Color) {
        if self.radius * 1.8 > style.text_width(name) {
            canvas.write(&Text { color: readable_on(color), ..style.text(name) }, self.center);
        }
    }
}

/// Clouds between two value axes, one for each group, sometimes along a trend.
fn scattered(canvas: &mut Canvas, style: &Style, area: Area, groups: usize, rng: &mut Rng) -> Vec<Bubble> {
    let plot = axes::draw(canvas, style, area, &value_axis(rng), &value_axis(rng), rng);
    let largest = plot.short_side() * rng.between(0.06, 0.17);
    let per_group = if rng.chance(0.25) { rng.count(2, 4) } else { rng.count(4, 30) } / groups + 2;
    let slope = *rng.pick(&[0.0, 0.0, 0.7, -0.7]);
    let spread = rng.between(0.12, 0.3);
    let inner = plot.inset(largest * 0.8);
    (0..groups * per_group)
        .map(|i| {
            let group = i % groups;
            let x = if spread < 0.2 { 0.5 + spread * 1.6 * rng.quick_normal() } else { rng.uniform() as f32 };
            let offset = (group as f32 + 0.5) / groups as f32 - 0.5;
            let y = 0.5 + slope * (x - 0.5) + 0.4 * offset + spread * rng.quick_normal();
            let at = |low: f32, high: f32, share: f32| low + (high - low) * share.clamp(0.0, 1.0);
            let center = Point::from_xy(at(inner.left, inner.right, x), at(inner.bottom, inner.top, y));
            Bubble { center, radius: draw_radius(largest, rng), group }
        })
        .collect()
}

fn value_axis(rng: &mut Rng) -> Axis {
    let high = 10f32.powf(rng.between(0.0, 4.5));
    let low = if rng.chance(0.15) { -high * rng.between(0.2, 1.0) } else { 0.0 };
    Axis::Values(Scale::covering(low, high, rng.count(4, 8)))
}

/// One bubble for every pair of names.
fn gridded(canvas: &mut Canvas, style: &Style, area: Area, groups: usize, rng: &mut Rng) -> Vec<Bubble> {
    let (columns, rows) = (rng.count(4, 9), rng.count(3, 7));
    let (x, y) = (Axis::Names(words::names(rng, columns)), Axis::Names(words::names(rng, rows)));
    let plot = axes::draw(canvas, style, area, &x, &y, rng);
    let (step_x, step_y) = (plot.width() / columns as f32, plot.height() / rows as f32);
    let largest = step_x.min(step_y) * rng.between(0.4, 0.65);
    (0..columns * rows)
        .map(|i| {
            let (column, row) = (i % columns, i / columns);
            let x = plot.left + (column as f32 + 0.5) * step_x;
            let y = plot.top + (row as f32 + 0.5) * step_y;
            Bubble { center: Point::from_xy(x, y), radius: draw_radius(largest, rng), group: row % groups }
        })
        .collect()
}

/// Bubbles that fill the area without overlap: each stands in the free place nearest to the middle.
fn packed(area: Area, groups: usize, rng: &mut Rng) -> Vec<Bubble> {
    let count = rng.count(6, 28);
    let largest = area.short_side() * rng.between(0.16, 0.26);
    let mut radii: Vec<f32> = (0..count).map(|_| draw_radius(largest, rng)).collect();
    radii.sort_by(|a, b| b.total_cmp(a));
    let middle = area.center();
    let mut bubbles: Vec<Bubble> = Vec::new();
    for radius in radii {
        let inner = area.inset(radius);
        let free = |center: &Point| {
            bubbles.iter().all(|other| other.center.distance(*center) >= other.radius + radius + 1.5)
        };
        let tries = (0..400).map(|_| {
            let (x, y) = (rng.between(inner.left, inner.right), rng.between(inner.top, inner.bottom));
            Point::from_xy(x, y)
        });
        let tries: Vec<Point> = tries.filter(free).collect();
        let nearest = tries.into_iter().min_by(|a, b| a.distance(middle).total_cmp(&b.distance(middle)));
        if let Some(center) = nearest {
            bubbles.push(Bubble { center, radius, group: rng.below(groups) });
        }
    }
    bubbles
}

/// Many small, few large: up to `largest`.
fn draw_radius(largest: f32, rng: &mut Rng) -> f32 {
    let share = rng.uniform() as f32;
    largest * (0.12 + 0.88 * share * share).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_bubbles_stay_inside_and_apart() {
        let area = Area::new(10.0, 20.0, 300.0, 200.0);
        for seed in 0..20 {
            let bubbles = packed(area, 3, &mut Rng::new(seed));
            assert!(bubbles.len() >= 4, "seed {seed}: {}", bubbles.len());
            for (i, a) in bubbles.iter().enumerate() {
                let inner = area.inset(a.radius - 0.01);
                assert!((inner.left..inner.right).contains(&a.center.x), "seed {seed}");
                assert!((inner.top..inner.bottom).contains(&a.center.y), "seed {seed}");
                for b in &bubbles[..i] {
                    assert!(a.center.distance(b.center) > a.radius + b.radius, "seed {seed}");
                }
            }
        }
    }
}
