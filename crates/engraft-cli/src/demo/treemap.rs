//! Treemaps: tiles whose area stands for a value, alone or nested in groups.

use tiny_skia::{Color, Point};

use super::{
    Rng,
    canvas::{Canvas, Fill, Text},
    color::{mix, readable_on},
    draws::Draws,
    frame,
    shape::Area,
    style::Style,
    words,
};

pub fn draw(canvas: &mut Canvas, style: &Style, rng: &mut Rng) {
    let groups = if rng.chance(0.3) { 1 } else { rng.count(2, 7) };
    let names = words::names(rng, groups);
    let area = frame::draw(canvas, style, if groups > 1 { &names } else { &[] }, rng);
    let map = Map::draw(rng);
    let weights = draw_weights(groups, rng);
    for (group, tile) in tiles(area, &weights, map.squarish).into_iter().enumerate() {
        let rest = if groups > 1 { map.paint_group(canvas, style, tile, group, &names[group]) } else { tile };
        let leaves = draw_weights(rng.count(2, if groups > 1 { 9 } else { 24 }), rng);
        let leaf_names = words::names(rng, leaves.len());
        for (leaf, area) in tiles(rest, &leaves, map.squarish).into_iter().enumerate() {
            let color = map.color(style, group, leaf, groups, rng);
            map.paint_leaf(canvas, style, area, color, &leaf_names[leaf]);
        }
    }
}

/// What all tiles of a treemap share.
struct Map {
    /// Tiles close to squares, or strips that alternate in direction.
    squarish: bool,
    gap_px: f32,
    group_gap_px: f32,
    headers: bool,
    colors: Colors,
    centered: bool,
    with_value: bool,
}

#[derive(Clone, Copy)]
enum Colors {
    /// One for each group, its tiles a little lighter or darker.
    ByGroup,
    ByLeaf,
    /// From one colour to another, as by a second value.
    Gradual,
}

impl Map {
    fn draw(rng: &mut Rng) -> Map {
        Map {
            squarish: rng.chance(0.9),
            gap_px: *rng.pick(&[0.0, 0.5, 1.0, 1.0, 2.0, 3.0]),
            group_gap_px: *rng.pick(&[0.0, 1.0, 2.0, 4.0]),
            headers: rng.chance(0.35),
            colors: *rng.pick(&[Colors::ByGroup, Colors::ByGroup, Colors::ByLeaf, Colors::Gradual]),
            centered: rng.chance(0.5),
            with_value: rng.chance(0.3),
        }
    }

    /// Draws what belongs to a whole group and returns the area left for its tiles.
    fn paint_group(&self, canvas: &mut Canvas, style: &Style, tile: Area, group: usize, name: &str) -> Area {
        let inner = tile.inset(self.group_gap_px / 2.0);
        let header_px = style.text_px * 1.5;
        if !self.headers || inner.height() < 3.0 * header_px {
            return inner;
        }
        let (header, rest) = inner.split_rows(header_px / inner.height());
        let color = mix(style.palette.color(group), Color::BLACK, 0.25);
        canvas.fill(&header.outline(), Fill::Plain(color));
        if style.text_width(name) < header.width() - 6.0 {
            let at = Point::from_xy(header.left + 3.0, header.center().y);
            canvas.write(&Text { anchor: (0.0, 0.5), color: readable_on(color), ..style.text(name) }, at);
        }
        rest
    }

    fn color(&self, style: &Style, group: usize, leaf: usize, groups: usize, rng: &mut Rng) -> Color {
        match self.colors {
            Colors::ByGroup if groups > 1 => {
                let towards = if rng.chance(0.5) { Color::WHITE } else { Color::BLACK };
                mix(style.palette.color(group), towards, rng.between(0.0, 0.25))
            }
            Colors::Gradual => mix(style.palette.color(0), style.palette.color(1), rng.uniform() as f32),
            _ => style.palette.color(leaf),
        }
    }

    fn paint_leaf(&self, canvas: &mut Canvas, style: &Style, area: Area, color: Color, name: &str) {
        let tile = area.inset(self.gap_px / 2.0);
        style.mark(canvas, &tile.rounded(style.corner_px), color);
        let fits = style.text_width(name) < tile.width() - 6.0 && style.text_px * 1.4 < tile.height();
        if !style.labelled || !fits {
            return;
        }
        if self.centered {
            style.write_on(canvas, name, color, tile.center());
        } else {
            let corner = Point::from_xy(tile.left + 4.0, tile.top + 4.0);
            canvas.write(&Text { anchor: (0.0, 0.0), color: readable_on(color), ..style.text(name) }, corner);
        }
        if self.with_value && tile.height() > style.text_px * 5.0 {
            let value = words::number((area.width() * area.height()).round());
            style.write_on(
                canvas,
                &value,
                color,
                Point::from_xy(tile.center().x, tile.bottom - style.text_px),
            );
        }
    }
}

/// Sorted, largest first; adding up to 1.
fn draw_weights(count: usize, rng: &mut Rng) -> Vec<f32> {
    let unevenness = rng.between(0.5, 3.0);
    let mut weights: Vec<f32> = (0..count).map(|_| 0.04 + (rng.uniform() as f32).powf(unevenness)).collect();
    weights.sort_by(|a, b| b.total_cmp(a));
    let total: f32 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}

/// Divides the area among `weights`, which add up to 1, largest first.
fn tiles(area: Area, weights: &[f32], squarish: bool) -> Vec<Area> {
    let mut tiles = Vec::with_capacity(weights.len());
    let (mut rest, mut weight_left, mut start) = (area, 1.0, 0);
    while start < weights.len() {
        let end = if squarish { strip_end(rest, weights, start, weight_left) } else { start + 1 };
        let strip = &weights[start..end];
        let strip_weight: f32 = strip.iter().sum();
        let share = if end == weights.len() { 1.0 } else { strip_weight / weight_left };
        let (taken, left) = split_along(rest, share, rest.width() > rest.height());
        tiles.extend(divide(taken, strip, strip_weight, rest.width() <= rest.height()));
        (rest, weight_left, start) = (left, weight_left - strip_weight, end);
    }
    tiles
}

/// Where the strip that begins at `start` ends: it grows while its worst tile comes closer to a square.
///
/// Source: Bruls, Huizing, van Wijk, "Squarified treemaps", 2000.
fn strip_end(rest: Area, weights: &[f32], start: usize, weight_left: f32) -> usize {
    let scale = rest.width() * rest.height() / weight_left;
    let side = rest.short_side();
    let worst = |strip: &[f32]| {
        let total: f32 = strip.iter().sum::<f32>() * scale;
        let thickness = total / side;
        strip
            .iter()
            .map(|weight| weight * scale / thickness)
            .fold(0.0, |worst: f32, length| worst.max(length / thickness).max(thickness / length))
    };
    let mut end = start + 1;
    while end < weights.len() && worst(&weights[start..=end]) <= worst(&weights[start..end]) {
        end += 1;
    }
    end
}

/// Cuts `area` into pieces in proportion to `weights`, side by side or one below the other.
fn divide(area: Area, weights: &[f32], total: f32, side_by_side: bool) -> Vec<Area> {
    let mut before = 0.0;
    let piece = |&weight: &f32| {
        let (from, to) = (before / total, (before + weight) / total);
        before += weight;
        let rest = split_along(area, from, side_by_side).1;
        split_along(rest, if from < 1.0 { (to - from) / (1.0 - from) } else { 1.0 }, side_by_side).0
    };
    weights.iter().map(piece).collect()
}

fn split_along(area: Area, share: f32, columns: bool) -> (Area, Area) {
    if columns { area.split_columns(share) } else { area.split_rows(share) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_have_the_area_of_their_weight() {
        let area = Area::new(5.0, 7.0, 300.0, 180.0);
        for seed in 0..40 {
            let mut rng = Rng::new(seed);
            let weights = draw_weights(rng.count(1, 20), &mut rng);
            for squarish in [false, true] {
                let tiles = tiles(area, &weights, squarish);
                assert_eq!(tiles.len(), weights.len());
                for (tile, weight) in tiles.iter().zip(&weights) {
                    let share = tile.width() * tile.height() / (300.0 * 180.0);
                    assert!(
                        (share - weight).abs() < 1e-3,
                        "seed {seed}, squarish {squarish}: {share} for {weight}"
                    );
                }
            }
        }
    }

    #[test]
    fn squarish_tiles_are_close_to_squares() {
        let tiles = tiles(Area::new(0.0, 0.0, 200.0, 100.0), &[1.0 / 8.0; 8], true);
        for tile in tiles {
            assert!((0.4..2.5).contains(&(tile.width() / tile.height())), "{tile:?}");
        }
    }
}
