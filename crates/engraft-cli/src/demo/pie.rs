//! Pie charts: whole, as rings or halves, tilted, with slices pulled out, sometimes two.

use std::f32::consts::{FRAC_PI_2, PI, TAU};

use tiny_skia::{Color, Point};

use super::{
    Rng,
    canvas::{Canvas, Fill, Text},
    color::mix,
    draws::Draws,
    frame,
    shape::{Area, Sector, polar, polyline},
    style::Style,
    words,
};

pub fn draw(canvas: &mut Canvas, style: &Style, rng: &mut Rng) {
    let slices = rng.count(2, 9);
    let names = words::names(rng, slices);
    let area = frame::draw(canvas, style, &names, rng);
    if area.width() > 1.5 * area.height() && rng.chance(0.3) {
        let (left, right) = area.split_columns(0.5);
        Pie::draw(slices, rng).paint(canvas, style, left.inset(4.0), &names);
        Pie::draw(slices, rng).paint(canvas, style, right.inset(4.0), &names);
    } else {
        Pie::draw(slices, rng).paint(canvas, style, area, &names);
    }
}

struct Pie {
    /// Adding up to 1.
    shares: Vec<f32>,
    /// First and last angle of the whole.
    angles: (f32, f32),
    /// Radius of the hole as a fraction of the outer radius.
    hole: f32,
    tilt: f32,
    /// How far each slice is pulled out, as a fraction of the radius.
    pulled: Vec<f32>,
    labels: Labels,
    percent: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Labels {
    Inside,
    Outside,
}

impl Pie {
    fn draw(slices: usize, rng: &mut Rng) -> Pie {
        let half = rng.chance(0.06);
        let turned = if rng.chance(0.5) { 0.0 } else { rng.between(0.0, TAU) };
        let start = if half { -FRAC_PI_2 } else { turned };
        let tilt = if rng.chance(0.15) && !half { rng.between(0.45, 0.8) } else { 1.0 };
        let all_pulled = if rng.chance(0.08) { rng.between(0.03, 0.12) } else { 0.0 };
        let mut pulled = vec![all_pulled; slices];
        if rng.chance(0.15) {
            pulled[rng.below(slices)] = rng.between(0.08, 0.2);
        }
        Pie {
            shares: draw_shares(slices, rng),
            angles: (start, start + if half { PI } else { TAU }),
            hole: if rng.chance(0.33) { rng.between(0.3, 0.78) } else { 0.0 },
            tilt,
            pulled,
            labels: if rng.chance(0.5) { Labels::Inside } else { Labels::Outside },
            percent: rng.chance(0.6),
        }
    }

    fn paint(&self, canvas: &mut Canvas, style: &Style, area: Area, names: &[String]) {
        let margin = if style.labelled && self.labels == Labels::Outside { style.text_px * 2.5 } else { 2.0 };
        let pull = self.pulled.iter().copied().fold(0.0, f32::max);
        let radius = (area.inset(margin).short_side() / 2.0 / (1.0 + pull)).max(area.short_side() * 0.2);
        let sectors = self.sectors(area.center(), radius);
        if self.tilt < 1.0 {
            self.paint_walls(canvas, style, &sectors, radius * 0.22);
        }
        for (i, sector) in sectors.iter().enumerate() {
            style.mark(canvas, &sector.outline(), style.palette.color(i));
        }
        if style.labelled {
            for (i, sector) in sectors.iter().enumerate() {
                self.write_label(canvas, style, area, sector, i, &names[i]);
            }
        }
    }

    fn sectors(&self, center: Point, radius: f32) -> Vec<Sector> {
        let mut angle = self.angles.0;
        let turn = self.angles.1 - self.angles.0;
        let sector = |(&share, &pulled): (&f32, &f32)| {
            let angles = (angle, angle + share * turn);
            angle = angles.1;
            let center = polar(center, pulled * radius, (angles.0 + angles.1) / 2.0);
            Sector { center, radii: (self.hole * radius, radius), angles, tilt: self.tilt }
        };
        self.shares.iter().zip(&self.pulled).map(sector).collect()
    }

    fn paint_walls(&self, canvas: &mut Canvas, style: &Style, sectors: &[Sector], depth: f32) {
        for (i, sector) in sectors.iter().enumerate() {
            let dark = mix(style.palette.color(i), Color::BLACK, 0.35);
            // A slice may pass the top and come round again.
            for turn in [-TAU, 0.0] {
                let angles = (sector.angles.0 + turn, sector.angles.1 + turn);
                canvas.fill(&Sector { angles, ..*sector }.wall(depth), Fill::Plain(dark));
            }
        }
    }

    fn write_label(
        &self,
        canvas: &mut Canvas,
        style: &Style,
        area: Area,
        sector: &Sector,
        i: usize,
        name: &str,
    ) {
        let share = format!("{:.0}%", self.shares[i] * 100.0);
        let label = if self.percent { &share } else { name };
        let radius = sector.radii.1;
        if self.labels == Labels::Inside {
            let at = sector.middle((sector.radii.0 + radius) / 2.0 + radius * 0.1);
            if self.shares[i] > 0.06 && style.text_width(label) < radius * 0.8 {
                style.write_on(canvas, label, style.palette.color(i), at);
            }
            return;
        }
        let at = sector.middle(radius + style.text_px * 1.1);
        let right = sector.mid_angle().sin() >= 0.0;
        let (anchor, room) = if right { (0.0, area.right - at.x) } else { (1.0, at.x - area.left) };
        if style.text_width(label) < room + style.text_px {
            canvas.stroke(&polyline(&[sector.middle(radius), at]), style.faint, style.line_px);
            canvas.write(&Text { anchor: (anchor, 0.5), ..style.text(label) }, at);
        }
    }
}

/// Shares of the whole, none too thin to be seen, sometimes sorted.
fn draw_shares(slices: usize, rng: &mut Rng) -> Vec<f32> {
    let unevenness = rng.between(0.5, 2.5);
    let mut shares: Vec<f32> = (0..slices).map(|_| 0.05 + (rng.uniform() as f32).powf(unevenness)).collect();
    if rng.chance(0.5) {
        shares.sort_by(|a, b| b.total_cmp(a));
    }
    let total: f32 = shares.iter().sum();
    shares.iter().map(|share| share / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_fill_the_whole() {
        for seed in 0..50 {
            let pie = Pie::draw(5, &mut Rng::new(seed));
            assert!((pie.shares.iter().sum::<f32>() - 1.0).abs() < 1e-5, "seed {seed}");
            let sectors = pie.sectors(Point::from_xy(50.0, 50.0), 40.0);
            assert_eq!(sectors.len(), 5);
            assert!((sectors[4].angles.1 - pie.angles.1).abs() < 1e-4, "seed {seed}");
            for pair in sectors.windows(2) {
                assert_eq!(pair[0].angles.1, pair[1].angles.0, "seed {seed}");
            }
        }
    }
}
