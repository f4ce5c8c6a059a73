//! The contact sheet: one row for each image, the image itself first and its copies beside it.

use engraft::{Image, Preview};
use tiny_skia::{Color, Point};

use crate::demo::{
    canvas::{Canvas, Text},
    text::{Font, Typeface},
};

const MARGIN_PX: usize = 12;
const GAP_PX: usize = 6;
const LABEL_PX: usize = 18;
const TEXT_PX: f32 = 12.0;

/// So that a label has room on a sheet of tiny images.
const MIN_WIDTH_PX: usize = 360;

/// Draws the sheet; every row is labelled with class and file, every column with the number of its copy.
pub fn draw(previews: &[Preview]) -> Image {
    let columns = previews.iter().map(|preview| preview.tiles.len()).max().unwrap_or(0);
    let tile_px = previews.first().and_then(|preview| preview.tiles.first()).map_or(0, |tile| tile.width);
    let (step_px, row_px) = (tile_px + GAP_PX, LABEL_PX + tile_px + GAP_PX);
    let width = (2 * MARGIN_PX + columns * step_px).max(MIN_WIDTH_PX);
    let height = 2 * MARGIN_PX + LABEL_PX + previews.len() * row_px;
    let mut canvas = Canvas::new(width as u32, height as u32, Color::WHITE);
    for column in 0..columns {
        label(&mut canvas, &column_name(column), MARGIN_PX + column * step_px, MARGIN_PX, step_px);
    }
    for (row, preview) in previews.iter().enumerate() {
        let top = MARGIN_PX + LABEL_PX + row * row_px;
        label(&mut canvas, &row_name(preview), MARGIN_PX, top, width - 2 * MARGIN_PX);
        for (column, tile) in preview.tiles.iter().enumerate() {
            let left = MARGIN_PX + column * step_px;
            canvas.put_picture(left, top + LABEL_PX, (tile.width, tile.height), &tile.pixels);
        }
    }
    let image = canvas.into_image();
    Image { width, height, pixels: image.into_raw() }
}

fn column_name(column: usize) -> String {
    match column.checked_sub(1) {
        None => "original".to_owned(),
        Some(copy) => format!("copy {copy}"),
    }
}

fn row_name(preview: &Preview) -> String {
    format!("{}: {}", preview.class, preview.file)
}

/// Writes text into a line of the sheet, shortened to its room.
fn label(canvas: &mut Canvas, content: &str, left: usize, top: usize, room_px: usize) {
    let font = Font { typeface: Typeface::Sans, weight: 0.03, stretch: 1.0, slant: 0.0 };
    let content = shortened(content, |text| font.width(text, TEXT_PX) <= room_px as f32);
    let text = Text {
        content: &content,
        font,
        size_px: TEXT_PX,
        color: Color::BLACK,
        anchor: (0.0, 0.5),
        angle_deg: 0.0,
    };
    canvas.write(&text, Point::from_xy(left as f32, (top + LABEL_PX / 2) as f32));
}

/// The whole text, or as much of its beginning as fits before three dots.
fn shortened(text: &str, fits: impl Fn(&str) -> bool) -> String {
    if fits(text) {
        return text.to_owned();
    }
    let letters: Vec<char> = text.chars().collect();
    let beginning = |len: usize| letters[..len].iter().collect::<String>() + "...";
    (0..letters.len()).rev().map(beginning).find(|text| fits(text)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preview(side: usize, tiles: usize) -> Preview {
        let tile = Image::new(side, side, [200, 0, 0].repeat(side * side)).unwrap();
        Preview { class: "ant".to_owned(), file: "ant/1.jpg".to_owned(), tiles: vec![tile; tiles] }
    }

    #[test]
    fn every_tile_and_label_is_on_the_sheet() {
        let sheet = draw(&[preview(100, 4), preview(100, 4)]);
        assert_eq!((sheet.width, sheet.height), (24 + 4 * 106, 24 + 18 + 2 * 124));
        let pixels = sheet.pixels.as_chunks::<3>().0;
        let red = pixels.iter().filter(|pixel| **pixel == [200, 0, 0]).count();
        assert_eq!(red, 8 * 100 * 100);
        let first_row = &pixels[..(MARGIN_PX + LABEL_PX) * sheet.width];
        let dark = first_row.iter().filter(|pixel| pixel[0] < 128).count();
        assert!(dark > 100, "{dark} dark pixels in the heading");
    }

    #[test]
    fn tiny_tiles_and_no_tiles_still_make_a_sheet() {
        assert_eq!(draw(&[preview(1, 2)]).width, MIN_WIDTH_PX);
        assert_eq!(draw(&[]).width, MIN_WIDTH_PX);
    }

    #[test]
    fn long_labels_are_shortened() {
        for (room, want) in [(9, "chart.png"), (8, "chart..."), (3, "..."), (2, "")] {
            assert_eq!(shortened("chart.png", |text| text.len() <= room), want, "{room}");
        }
    }
}
