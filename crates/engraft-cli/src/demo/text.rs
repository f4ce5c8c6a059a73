//! Text as outlines, from two bundled typefaces in any weight, width and slant.
//!
//! One light typeface gives every weight: heavier ones are the light outline with a stroke around it.

use std::sync::LazyLock;

use tiny_skia::{Path, PathBuilder, Transform};
use ttf_parser::{Face, OutlineBuilder};

static SANS: LazyLock<Face<'static>> = LazyLock::new(|| parse(epaint_default_fonts::UBUNTU_LIGHT));
static MONO: LazyLock<Face<'static>> = LazyLock::new(|| parse(epaint_default_fonts::HACK_REGULAR));

/// The bundled typefaces; their licences are in `LICENSES/`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Typeface {
    /// Ubuntu Light.
    Sans,
    /// Hack.
    Mono,
}

/// How letters look, apart from their size.
#[derive(Clone, Copy, Debug)]
pub struct Font {
    pub typeface: Typeface,
    /// Width of the stroke that thickens the outline, as a fraction of the size; 0 is the lightest.
    pub weight: f32,
    /// Horizontal scale; 1 is as designed.
    pub stretch: f32,
    /// Rightward lean per unit of height; 0 is upright.
    pub slant: f32,
}

impl Font {
    /// The same letters, bold.
    pub fn bold(&self) -> Font {
        Font { weight: self.weight.max(0.03) + 0.035, ..*self }
    }

    /// Length of a line of text in pixels.
    pub fn width(&self, text: &str, size_px: f32) -> f32 {
        let face = self.face();
        let units: f32 = text.chars().map(|letter| advance(face, letter)).sum();
        units * self.stretch * size_px / f32::from(face.units_per_em())
    }

    /// Height of a capital letter in pixels.
    pub fn cap_height(&self, size_px: f32) -> f32 {
        let face = self.face();
        f32::from(face.capital_height().unwrap_or(700)) * size_px / f32::from(face.units_per_em())
    }

    /// The outline of a line of text that starts at (0, 0), baseline at 0; `None` where nothing is visible.
    ///
    /// A letter that the typeface lacks is left out.
    pub fn outline(&self, text: &str, size_px: f32) -> Option<Path> {
        let face = self.face();
        let mut pen = Pen { path: PathBuilder::new(), x: 0.0 };
        for letter in text.chars() {
            if let Some(glyph) = face.glyph_index(letter) {
                face.outline_glyph(glyph, &mut pen);
            }
            pen.x += advance(face, letter);
        }
        let scale = size_px / f32::from(face.units_per_em());
        // Font units grow upward, pixels downward.
        let to_px = Transform::from_row(scale * self.stretch, 0.0, scale * self.slant, -scale, 0.0, 0.0);
        pen.path.finish()?.transform(to_px)
    }

    fn face(&self) -> &'static Face<'static> {
        match self.typeface {
            Typeface::Sans => &SANS,
            Typeface::Mono => &MONO,
        }
    }
}

fn parse(bytes: &'static [u8]) -> Face<'static> {
    Face::parse(bytes, 0).expect("the bundled typefaces are valid")
}

/// Width of one letter in font units.
fn advance(face: &Face, letter: char) -> f32 {
    face.glyph_index(letter).and_then(|glyph| face.glyph_hor_advance(glyph)).map_or(0.0, f32::from)
}

/// Collects glyph outlines, each moved to its place in the line.
struct Pen {
    path: PathBuilder,
    x: f32,
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.path.move_to(self.x + x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.path.line_to(self.x + x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.path.quad_to(self.x + x1, y1, self.x + x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.path.cubic_to(self.x + x1, y1, self.x + x2, y2, self.x + x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Font = Font { typeface: Typeface::Sans, weight: 0.0, stretch: 1.0, slant: 0.0 };

    #[test]
    fn every_printable_letter_has_an_outline_in_both_typefaces() {
        for typeface in [Typeface::Sans, Typeface::Mono] {
            let font = Font { typeface, ..PLAIN };
            for letter in '!'..='~' {
                assert!(font.outline(&letter.to_string(), 12.0).is_some(), "{typeface:?} {letter}");
            }
        }
    }

    #[test]
    fn outlines_lie_within_the_measured_box() {
        let bounds = PLAIN.outline("HxH", 40.0).unwrap().bounds();
        assert!(bounds.left() >= 0.0 && bounds.right() <= PLAIN.width("HxH", 40.0), "{bounds:?}");
        assert!((bounds.height() - PLAIN.cap_height(40.0)).abs() < 1.0, "{bounds:?}");
    }

    #[test]
    fn stretch_widens_and_slant_leans() {
        let wide = Font { stretch: 1.5, ..PLAIN };
        assert!((wide.width("abc", 10.0) / PLAIN.width("abc", 10.0) - 1.5).abs() < 1e-4);
        let slanted = Font { slant: 0.3, ..PLAIN }.outline("l", 40.0).unwrap().bounds();
        assert!(slanted.width() > PLAIN.outline("l", 40.0).unwrap().bounds().width() + 5.0);
    }

    #[test]
    fn blank_text_has_no_outline() {
        assert!(PLAIN.outline("  ", 12.0).is_none());
    }
}
