//! Pictures as pixels.

use anyhow::{Context, Result};
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use tiny_skia::{Color, FillRule, Paint, PathBuilder, Pixmap, Rect, Stroke, Transform};

use super::layout::{LayerBox, Picture, TEXT_PX};
use crate::demo::text::{Font, Typeface};

/// Pixels per unit of the layout where that gives a picture of a usual size.
const SCALE: f32 = 2.0;

/// Most pixels of a picture; larger networks are drawn smaller.
const MOST_PIXELS: f32 = 60e6;

/// Longest side of a picture, in pixels; many viewers refuse more.
const LONGEST_SIDE_PX: f32 = 30_000.0;

const FONT: Font = Font { typeface: Typeface::Mono, weight: 0.0, stretch: 1.0, slant: 0.0 };

const TIP_PX: f32 = 5.0;

/// The picture as a PNG file.
///
/// # Errors
/// If the encoder fails.
pub fn draw(picture: &Picture) -> Result<Vec<u8>> {
    let [width, height] = picture.size;
    let fitting = (MOST_PIXELS / (width * height)).sqrt().min(LONGEST_SIDE_PX / width.max(height));
    let scale = SCALE.min(fitting);
    let side = |len: f32| (len * scale).ceil().max(1.0) as u32;
    let mut pixmap = Pixmap::new(side(width), side(height)).context("the picture is too large")?;
    pixmap.fill(Color::WHITE);
    let to_px = Transform::from_scale(scale, scale);
    picture.lines.iter().for_each(|line| draw_line(&mut pixmap, line, to_px));
    picture.boxes.iter().for_each(|place| draw_box(&mut pixmap, place, to_px));
    encode(&pixmap)
}

fn encode(pixmap: &Pixmap) -> Result<Vec<u8>> {
    // The ground is opaque, so that no pixel is transparent.
    let rgb: Vec<u8> =
        pixmap.pixels().iter().flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]).collect();
    let mut png = Vec::new();
    let encoder = PngEncoder::new(&mut png);
    let encoded = encoder.write_image(&rgb, pixmap.width(), pixmap.height(), ExtendedColorType::Rgb8);
    encoded.context("the picture cannot be encoded")?;
    Ok(png)
}

fn paint([red, green, blue]: [u8; 3]) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, 255);
    paint
}

fn draw_line(pixmap: &mut Pixmap, line: &[[f32; 2]], to_px: Transform) {
    let mut builder = PathBuilder::new();
    for (index, &[x, y]) in line.iter().enumerate() {
        if index == 0 { builder.move_to(x, y) } else { builder.line_to(x, y) }
    }
    let stroke = Stroke { width: 1.0, ..Stroke::default() };
    if let Some(path) = builder.finish() {
        pixmap.stroke_path(&path, &paint([85; 3]), &stroke, to_px, None);
    }
    let mut tip = PathBuilder::new();
    if let Some(&[x, y]) = line.last() {
        tip.move_to(x, y);
        tip.line_to(x - TIP_PX / 2.0, y - TIP_PX);
        tip.line_to(x + TIP_PX / 2.0, y - TIP_PX);
        tip.close();
    }
    if let Some(path) = tip.finish() {
        pixmap.fill_path(&path, &paint([85; 3]), FillRule::Winding, to_px, None);
    }
}

fn draw_box(pixmap: &mut Pixmap, place: &LayerBox, to_px: Transform) {
    let ([x, y], [width, height]) = (place.corner, place.size);
    if let Some(rect) = Rect::from_xywh(x, y, width, height) {
        let path = PathBuilder::from_rect(rect);
        pixmap.fill_path(&path, &paint(place.fill), FillRule::Winding, to_px, None);
        pixmap.stroke_path(&path, &paint([119; 3]), &Stroke::default(), to_px, None);
    }
    for (index, text) in place.label.iter().enumerate() {
        let left = x + (width - FONT.width(text, TEXT_PX)) / 2.0;
        let baseline = y + height * (0.41 + 0.41 * index as f32);
        if let Some(outline) = FONT.outline(text, TEXT_PX) {
            let to_place = to_px.pre_translate(left, baseline);
            pixmap.fill_path(&outline, &paint([20; 3]), FillRule::Winding, to_place, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::super::{layout::lay_out, tests::layer};
    use super::*;

    fn decode(png: &[u8]) -> RgbImage {
        image::load_from_memory(png).unwrap().to_rgb8()
    }

    #[test]
    fn boxes_lines_and_ground_have_their_colours() {
        let picture = lay_out(&[layer("a", &[]), layer("b", &["a"])]);
        let pixels = decode(&draw(&picture).unwrap());
        let at = |x: f32, y: f32| pixels.get_pixel((x * SCALE) as u32, (y * SCALE) as u32).0;
        let [left, top] = picture.boxes[0].corner;
        assert_eq!(at(left + 3.0, top + 3.0), picture.boxes[0].fill);
        assert_eq!(at(1.0, 1.0), [255; 3]);
        let [x, y] = picture.lines[0][0];
        assert!(at(x, y + 6.0)[0] < 200, "the line is drawn");
    }

    #[test]
    fn a_huge_network_is_drawn_smaller() {
        let picture = Picture { size: [4000.0, 90_000.0], boxes: Vec::new(), lines: Vec::new() };
        let pixels = decode(&draw(&picture).unwrap());
        assert!(pixels.height() <= LONGEST_SIDE_PX as u32 + 1, "{}", pixels.height());
    }
}
