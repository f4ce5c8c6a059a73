//! Colours and the palettes that the charts of one image share.

use tiny_skia::Color;

use super::{Rng, draws::Draws};

/// How many colours a palette holds before it repeats.
const PALETTE_LEN: usize = 12;

/// The colours of an image's marks, in order.
pub struct Palette(Vec<Color>);

impl Palette {
    /// Any of the looks that are common on the web; on a dark background the colours are lighter.
    pub fn draw(rng: &mut Rng, dark_background: bool) -> Palette {
        let lift = if dark_background { 0.12 } else { 0.0 };
        let scheme = *rng.pick_weighted(SCHEMES);
        Palette(scheme(rng, lift))
    }

    /// Colour `index`, repeating after the last.
    pub fn color(&self, index: usize) -> Color {
        self.0[index % self.0.len()]
    }
}

/// Opaque, each part in `0..=255`.
pub fn rgb(red: u8, green: u8, blue: u8) -> Color {
    Color::from_rgba8(red, green, blue, 255)
}

/// The colour with the given opacity, in `[0, 1]`.
pub fn with_alpha(color: Color, alpha: f32) -> Color {
    let mut faded = color;
    faded.set_alpha(alpha);
    faded
}

/// `share` of `to` mixed into `from`; opaque.
pub fn mix(from: Color, to: Color, share: f32) -> Color {
    let part = |a: f32, b: f32| ((a + (b - a) * share) * 255.0).round() as u8;
    rgb(part(from.red(), to.red()), part(from.green(), to.green()), part(from.blue(), to.blue()))
}

/// Perceived brightness in `[0, 1]` (Rec. 601 weights).
pub fn brightness(color: Color) -> f32 {
    0.299 * color.red() + 0.587 * color.green() + 0.114 * color.blue()
}

/// Black or white, whichever reads better on `background`.
pub fn readable_on(background: Color) -> Color {
    if brightness(background) > 0.55 { rgb(25, 25, 25) } else { Color::WHITE }
}

/// Hue in turns, saturation and lightness in `[0, 1]`, each clamped or wrapped into range.
pub fn hsl(hue: f32, saturation: f32, lightness: f32) -> Color {
    let (s, l) = (saturation.clamp(0.0, 1.0), lightness.clamp(0.0, 1.0));
    let reach = s * l.min(1.0 - l);
    let part = |offset: f32| {
        let k = (offset + hue.rem_euclid(1.0) * 12.0) % 12.0;
        ((l - reach * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0)) * 255.0).round() as u8
    };
    rgb(part(0.0), part(8.0), part(4.0))
}

/// Draws the colours of a palette, `lift` lighter than on a white background.
type Scheme = fn(&mut Rng, lift: f32) -> Vec<Color>;

const SCHEMES: &[(u32, Scheme)] =
    &[(4, hues), (3, pastel), (3, shades), (2, two_ended), (4, office), (2, primaries), (1, greys)];

fn wheel(rng: &mut Rng, saturation: f32, lightness: f32) -> Vec<Color> {
    let start = rng.uniform() as f32;
    // The golden ratio keeps neighbours in the palette far apart in hue.
    let step = *rng.pick(&[0.618, 0.382, 1.0 / 7.0, 1.0 / 12.0]);
    (0..PALETTE_LEN)
        .map(|i| hsl(start + step * i as f32, saturation, lightness + rng.between(-0.08, 0.08)))
        .collect()
}

fn hues(rng: &mut Rng, lift: f32) -> Vec<Color> {
    let (saturation, lightness) = (rng.between(0.45, 0.85), rng.between(0.42, 0.58));
    wheel(rng, saturation, lightness + lift)
}

fn pastel(rng: &mut Rng, lift: f32) -> Vec<Color> {
    let (saturation, lightness) = (rng.between(0.3, 0.7), rng.between(0.66, 0.8));
    wheel(rng, saturation, lightness - lift)
}

fn shades(rng: &mut Rng, lift: f32) -> Vec<Color> {
    let (hue, saturation) = (rng.uniform() as f32, rng.between(0.35, 0.9));
    let (dark, light) = (rng.between(0.25, 0.4), rng.between(0.65, 0.82));
    let count = rng.count(4, 7);
    (0..count).map(|i| hsl(hue, saturation, dark + lift + (light - dark) * i as f32 / count as f32)).collect()
}

fn two_ended(rng: &mut Rng, lift: f32) -> Vec<Color> {
    let first = rng.uniform() as f32;
    let ends = [hsl(first, 0.7, 0.45 + lift), hsl(first + rng.between(0.2, 0.5), 0.7, 0.5 + lift)];
    let count = rng.count(4, 8);
    (0..count).map(|i| mix(ends[0], ends[1], i as f32 / (count - 1) as f32)).collect()
}

/// Blue, orange, grey, gold, ...: the order of hues that spreadsheet programs start from, varied a little.
fn office(rng: &mut Rng, lift: f32) -> Vec<Color> {
    const HUES: [(f32, f32); 8] = [
        (0.6, 0.6),
        (0.07, 0.8),
        (0.0, 0.0),
        (0.125, 0.9),
        (0.33, 0.4),
        (0.78, 0.35),
        (0.98, 0.6),
        (0.5, 0.5),
    ];
    let (shift, lightness) = (rng.between(-0.03, 0.03), rng.between(0.42, 0.58) + lift);
    let mut colors: Vec<_> = HUES.iter().map(|&(hue, s)| hsl(hue + shift, s, lightness)).collect();
    let start = rng.below(HUES.len());
    colors.rotate_left(start);
    colors
}

fn primaries(rng: &mut Rng, lift: f32) -> Vec<Color> {
    let mut colors: Vec<_> = (0..6).map(|i| hsl(i as f32 / 6.0, 1.0, 0.48 + lift)).collect();
    let start = rng.below(6);
    colors.rotate_left(start);
    colors
}

fn greys(rng: &mut Rng, lift: f32) -> Vec<Color> {
    let hue = rng.uniform() as f32;
    let mut colors: Vec<_> = (0..5).map(|i| hsl(hue, 0.06, 0.3 + lift + 0.1 * i as f32)).collect();
    let accent = rng.below(colors.len());
    colors[accent] = hsl(hue, 0.75, 0.5);
    colors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hsl_gives_the_primary_colours() {
        let third = 1.0 / 3.0;
        for (hue, want) in
            [(0.0, (255, 0, 0)), (third, (0, 255, 0)), (2.0 * third, (0, 0, 255)), (-third, (0, 0, 255))]
        {
            assert_eq!(hsl(hue, 1.0, 0.5), rgb(want.0, want.1, want.2), "hue {hue}");
        }
        assert_eq!(hsl(0.3, 0.0, 1.0), Color::WHITE);
    }

    #[test]
    fn text_contrasts_with_what_it_stands_on() {
        for (background, want) in [(Color::WHITE, 0.1), (Color::BLACK, 1.0), (rgb(20, 20, 120), 1.0)] {
            assert!((brightness(readable_on(background)) - want).abs() < 0.1, "{background:?}");
        }
    }

    #[test]
    fn every_palette_has_several_colours() {
        for &(_, scheme) in SCHEMES {
            for seed in 0..20 {
                let colors = scheme(&mut Rng::new(seed), 0.0);
                assert!(colors.len() >= 4 && colors[0] != colors[1] && colors[1] != colors[2], "{colors:?}");
            }
        }
    }
}
