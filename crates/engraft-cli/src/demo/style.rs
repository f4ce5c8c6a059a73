//! How one image looks whatever chart it shows: size, colours, letters and lines.
//!
//! Every class draws from the distributions of this file, so that none of them gives a class away.

use tiny_skia::{Color, Point};

use super::{
    Rng,
    canvas::{Canvas, Fill, Text},
    color::{Palette, brightness, hsl, mix, readable_on, rgb, with_alpha},
    draws::Draws,
    shape::Shape,
    text::{Font, Typeface},
};

/// The look of one image.
pub struct Style {
    /// Width and height.
    pub size_px: (u32, u32),
    pub background: Fill,
    /// Fills the plot behind the marks.
    pub panel: Option<Color>,
    /// Text and axes.
    pub ink: Color,
    /// Grid lines and frames.
    pub faint: Color,
    pub palette: Palette,
    pub font: Font,
    pub text_px: f32,
    pub line_px: f32,
    pub grid: Grid,
    /// Whether marks carry their value or name.
    pub labelled: bool,
    /// Radius of the corners of bars and tiles.
    pub corner_px: f32,
    outline: Option<(Color, f32)>,
    alpha: f32,
    gloss: f32,
}

/// The lines behind the marks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Grid {
    None,
    Solid,
    Dashed,
}

impl Style {
    pub fn draw(rng: &mut Rng) -> Style {
        let size_px = draw_size(rng);
        let (background, base) = draw_background(rng);
        let dark = brightness(base) < 0.5;
        let strength = rng.between(0.65, 1.0);
        let ink = mix(base, readable_on(base), strength);
        let short_side = size_px.0.min(size_px.1) as f32;
        Style {
            size_px,
            background,
            panel: rng.chance(0.2).then(|| mix(base, ink, rng.between(0.03, 0.12))),
            ink,
            faint: mix(base, ink, rng.between(0.12, 0.45)),
            palette: Palette::draw(rng, dark),
            font: draw_font(rng),
            text_px: (short_side * rng.between(0.03, 0.05)).clamp(8.0, 19.0),
            line_px: rng.between(0.7, 1.8),
            grid: *rng.pick_weighted(&[(3, Grid::None), (4, Grid::Solid), (2, Grid::Dashed)]),
            labelled: rng.chance(0.5),
            corner_px: if rng.chance(0.2) { rng.between(2.0, 8.0) } else { 0.0 },
            outline: draw_outline(rng, base, ink),
            alpha: if rng.chance(0.3) { rng.between(0.5, 0.9) } else { 1.0 },
            gloss: if rng.chance(0.2) { rng.between(0.1, 0.35) } else { 0.0 },
        }
    }

    /// Paints a bar, slice, bubble or tile.
    pub fn mark(&self, canvas: &mut Canvas, shape: &Shape, color: Color) {
        self.translucent_mark(canvas, shape, color, 1.0);
    }

    /// As [`mark`](Style::mark), where `alpha` lets what is behind shine through.
    pub fn translucent_mark(&self, canvas: &mut Canvas, shape: &Shape, color: Color, alpha: f32) {
        let alpha = alpha * self.alpha;
        let lit = with_alpha(mix(color, Color::WHITE, self.gloss), alpha);
        let shaded = with_alpha(mix(color, Color::BLACK, self.gloss), alpha);
        let plain = Fill::Plain(with_alpha(color, alpha));
        canvas.fill(shape, if self.gloss > 0.0 { Fill::Vertical(lit, shaded) } else { plain });
        if let (Some((color, width_px)), Some(path)) = (self.outline, shape) {
            // A thin bar must not vanish under its own outline.
            let thickness = path.bounds().width().min(path.bounds().height());
            canvas.stroke(shape, color, width_px.min(0.15 * thickness));
        }
    }

    /// A line of the grid, if the style has one.
    pub fn grid_line(&self, canvas: &mut Canvas, shape: &Shape) {
        match self.grid {
            Grid::None => {}
            Grid::Solid => canvas.stroke(shape, self.faint, self.line_px),
            Grid::Dashed => canvas.stroke_dashed(shape, self.faint, self.line_px, 4.0),
        }
    }

    /// Centred text in the size and colour of labels, to be varied with struct update syntax.
    pub fn text<'a>(&self, content: &'a str) -> Text<'a> {
        let (font, size_px, color) = (self.font, self.text_px, self.ink);
        Text { content, font, size_px, color, anchor: (0.5, 0.5), angle_deg: 0.0 }
    }

    /// Writes `content` on a mark of the given colour.
    pub fn write_on(&self, canvas: &mut Canvas, content: &str, mark: Color, at: Point) {
        canvas.write(&Text { color: readable_on(mark), ..self.text(content) }, at);
    }

    /// Length of `content` at the size of labels, in pixels.
    pub fn text_width(&self, content: &str) -> f32 {
        self.font.width(content, self.text_px)
    }
}

fn draw_size(rng: &mut Rng) -> (u32, u32) {
    let area_side = rng.between(210.0, 520.0);
    let aspect: f32 = match rng.below(4) {
        0 => 1.0,
        1 => 4.0 / 3.0,
        _ => rng.between(0.8, 1.8),
    };
    let side = |factor: f32| (area_side * factor).clamp(180.0, 700.0) as u32;
    (side(aspect.sqrt()), side(1.0 / aspect.sqrt()))
}

/// The background and the colour that stands for it where contrast is judged.
fn draw_background(rng: &mut Rng) -> (Fill, Color) {
    let hue = rng.uniform() as f32;
    let base = match rng.below(20) {
        0..=11 => Color::WHITE,
        12..=14 => hsl(hue, rng.between(0.0, 0.5), rng.between(0.93, 0.98)),
        15..=16 => hsl(hue, rng.between(0.0, 0.5), rng.between(0.8, 0.93)),
        17 => Color::BLACK,
        _ => hsl(hue, rng.between(0.0, 0.4), rng.between(0.1, 0.25)),
    };
    let end = mix(base, hsl(hue, 0.4, 0.6), rng.between(0.1, 0.4));
    let fill = if rng.chance(0.12) { Fill::Vertical(base, end) } else { Fill::Plain(base) };
    (fill, base)
}

fn draw_font(rng: &mut Rng) -> Font {
    Font {
        typeface: *rng.pick_weighted(&[(6, Typeface::Sans), (1, Typeface::Mono)]),
        weight: *rng.pick(&[0.0, 0.02, 0.035, 0.035, 0.05]),
        stretch: rng.between(0.85, 1.1),
        slant: if rng.chance(0.06) { 0.2 } else { 0.0 },
    }
}

fn draw_outline(rng: &mut Rng, base: Color, ink: Color) -> Option<(Color, f32)> {
    let width_px = rng.between(0.6, 2.5);
    match rng.below(5) {
        0 | 1 => None,
        2 | 3 => Some((base, width_px)),
        _ => Some((if rng.chance(0.5) { ink } else { rgb(40, 40, 40) }, width_px)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_vary_within_their_bounds() {
        let sizes: Vec<_> = (0..200).map(|seed| Style::draw(&mut Rng::new(seed)).size_px).collect();
        assert!(
            sizes.iter().all(|&(w, h)| (180..=700).contains(&w) && (180..=700).contains(&h)),
            "{sizes:?}"
        );
        let aspects: Vec<_> = sizes.iter().map(|&(w, h)| w as f32 / h as f32).collect();
        assert!(aspects.iter().any(|&a| a < 0.9) && aspects.iter().any(|&a| a > 1.5), "{aspects:?}");
    }

    #[test]
    fn text_reads_on_the_background() {
        for seed in 0..200 {
            let style = Style::draw(&mut Rng::new(seed));
            let (Fill::Plain(base) | Fill::Vertical(base, _)) = style.background;
            let contrast = (brightness(base) - brightness(style.ink)).abs();
            assert!(contrast > 0.4, "seed {seed}: contrast {contrast}");
        }
    }
}
