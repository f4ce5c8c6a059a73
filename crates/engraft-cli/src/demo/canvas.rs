//! A surface to fill, stroke and write on.

use image::RgbImage;
use tiny_skia::{
    Color, ColorU8, FillRule, GradientStop, LineCap, LineJoin, LinearGradient, Paint, Path, Pixmap, Point,
    Shader, SpreadMode, Stroke, StrokeDash, Transform,
};

use super::{shape::Shape, text::Font};

/// An image being drawn; always opaque.
pub struct Canvas {
    pixmap: Pixmap,
}

/// What a shape is filled with.
#[derive(Clone, Copy, Debug)]
pub enum Fill {
    Plain(Color),
    /// From the first colour at the top of the shape to the second at its bottom.
    Vertical(Color, Color),
}

/// A line of text to be written.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    pub content: &'a str,
    pub font: Font,
    pub size_px: f32,
    pub color: Color,
    /// Which point of the text stands at the given place: fractions of its width and of its capital height,
    /// `(0, 0)` top left, `(1, 1)` bottom right.
    pub anchor: (f32, f32),
    /// Clockwise, in degrees.
    pub angle_deg: f32,
}

impl Canvas {
    /// A canvas of at least 1 x 1 pixels in one colour.
    pub fn new(width_px: u32, height_px: u32, color: Color) -> Canvas {
        let mut pixmap =
            Pixmap::new(width_px.max(1), height_px.max(1)).expect("the size is small and positive");
        pixmap.fill(color);
        Canvas { pixmap }
    }

    pub fn fill(&mut self, shape: &Shape, fill: Fill) {
        if let Some(path) = shape {
            let paint = Paint { shader: fill.shader(path), anti_alias: true, ..Paint::default() };
            self.pixmap.fill_path(path, &paint, FillRule::Winding, Transform::identity(), None);
        }
    }

    pub fn stroke(&mut self, shape: &Shape, color: Color, width_px: f32) {
        self.stroke_with(shape, color, Stroke { width: width_px, ..Stroke::default() });
    }

    /// A broken line with dashes and gaps of `dash_px`.
    pub fn stroke_dashed(&mut self, shape: &Shape, color: Color, width_px: f32, dash_px: f32) {
        let dash = StrokeDash::new(vec![dash_px, dash_px], 0.0);
        self.stroke_with(shape, color, Stroke { width: width_px, dash, ..Stroke::default() });
    }

    pub fn write(&mut self, text: &Text, at: Point) {
        let Some(outline) = text.font.outline(text.content, text.size_px) else { return };
        let width = text.font.width(text.content, text.size_px);
        let rise = text.font.cap_height(text.size_px);
        let placed = Transform::from_translate(-text.anchor.0 * width, (1.0 - text.anchor.1) * rise)
            .post_rotate(text.angle_deg)
            .post_translate(at.x, at.y);
        let shape = outline.transform(placed);
        self.fill(&shape, Fill::Plain(text.color));
        if text.font.weight > 0.0 {
            self.stroke(&shape, text.color, text.font.weight * text.size_px);
        }
    }

    /// Puts RGB pixels of `(width, height)` where their top left corner stands at `(left, top)`; what lies beyond the canvas
    /// is left out.
    pub fn put_picture(&mut self, left: usize, top: usize, (width, height): (usize, usize), rgb: &[u8]) {
        let canvas_width = self.pixmap.width() as usize;
        let visible = width.min(canvas_width.saturating_sub(left));
        let rows = self.pixmap.pixels_mut().chunks_exact_mut(canvas_width).skip(top).take(height);
        for (row, colors) in rows.zip(rgb.chunks_exact(3 * width)) {
            for (pixel, [red, green, blue]) in
                row.iter_mut().skip(left).take(visible).zip(colors.as_chunks().0)
            {
                *pixel = ColorU8::from_rgba(*red, *green, *blue, 255).premultiply();
            }
        }
    }

    /// The finished image.
    pub fn into_image(self) -> RgbImage {
        let (width, height) = (self.pixmap.width(), self.pixmap.height());
        let rgb = self.pixmap.data().chunks_exact(4).flat_map(|rgba| [rgba[0], rgba[1], rgba[2]]).collect();
        RgbImage::from_raw(width, height, rgb).expect("three bytes a pixel were collected")
    }

    fn stroke_with(&mut self, shape: &Shape, color: Color, stroke: Stroke) {
        if let Some(path) = shape {
            let paint = Paint { shader: Shader::SolidColor(color), anti_alias: true, ..Paint::default() };
            let stroke = Stroke { line_cap: LineCap::Butt, line_join: LineJoin::Round, ..stroke };
            self.pixmap.stroke_path(path, &paint, &stroke, Transform::identity(), None);
        }
    }
}

impl Fill {
    fn shader(self, path: &Path) -> Shader<'static> {
        let (from, to) = match self {
            Fill::Plain(color) => return Shader::SolidColor(color),
            Fill::Vertical(from, to) => (from, to),
        };
        let (top, bottom) = (path.bounds().top(), path.bounds().bottom());
        let stops = vec![GradientStop::new(0.0, from), GradientStop::new(1.0, to)];
        let (start, end) = (Point::from_xy(0.0, top), Point::from_xy(0.0, bottom));
        LinearGradient::new(start, end, stops, SpreadMode::Pad, Transform::identity())
            .unwrap_or(Shader::SolidColor(from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{color::rgb, shape::Area, text::Typeface};

    fn dark_pixels(image: &RgbImage) -> usize {
        image.pixels().filter(|pixel| pixel.0[0] < 128).count()
    }

    #[test]
    fn a_filled_area_covers_its_pixels_and_no_others() {
        let mut canvas = Canvas::new(20, 10, Color::WHITE);
        canvas.fill(&Area::new(2.0, 3.0, 5.0, 4.0).outline(), Fill::Plain(rgb(0, 0, 200)));
        let image = canvas.into_image();
        assert_eq!(image.get_pixel(2, 3).0, [0, 0, 200]);
        assert_eq!(image.get_pixel(7, 3).0, [255, 255, 255]);
        assert_eq!(dark_pixels(&image), 20);
    }

    #[test]
    fn a_vertical_fill_runs_from_top_to_bottom() {
        let mut canvas = Canvas::new(4, 100, Color::WHITE);
        canvas.fill(&Area::new(0.0, 0.0, 4.0, 100.0).outline(), Fill::Vertical(Color::WHITE, Color::BLACK));
        let image = canvas.into_image();
        assert!(image.get_pixel(1, 2).0[0] > 240 && image.get_pixel(1, 97).0[0] < 15);
    }

    #[test]
    fn text_is_written_where_its_anchor_stands() {
        let font = Font { typeface: Typeface::Sans, weight: 0.05, stretch: 1.0, slant: 0.0 };
        for (anchor, angle_deg, columns) in
            [((0.0, 0.5), 0.0, 50..100), ((1.0, 0.5), 0.0, 0..50), ((0.5, 0.5), 90.0, 40..60)]
        {
            let mut canvas = Canvas::new(100, 100, Color::WHITE);
            let text = Text { content: "Hill", font, size_px: 20.0, color: Color::BLACK, anchor, angle_deg };
            canvas.write(&text, Point::from_xy(50.0, 50.0));
            let image = canvas.into_image();
            let outside =
                image.enumerate_pixels().filter(|(x, _, p)| p.0[0] < 128 && !columns.contains(x)).count();
            assert!(dark_pixels(&image) > 60 && outside == 0, "anchor {anchor:?}: {outside} outside");
        }
    }
}
