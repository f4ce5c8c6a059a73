//! Bringing an image to the input size of a network.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image as ResizeImage, ImageRef},
};

use crate::{decode::rounded8, image::Image, named::named_enum};

named_enum! {
    /// How an image of any shape fills a square.
    pub enum Fit {
        /// Both sides to the side of the square; the shape changes.
        Stretch = "stretch",
        /// The short side to round(side / 0.875), then the centre; the margins are lost.
        Crop = "crop",
        /// The long side to the side of the square, white around, the image in the centre.
        Pad = "pad",
    }
}

named_enum! {
    /// How pixels are weighed when an image is resized: the filters of Pillow, with its antialiasing.
    pub enum Filter {
        /// The pixel at the place; no antialiasing.
        Nearest = "nearest",
        /// Triangle.
        Bilinear = "bilinear",
        /// Catmull-Rom, a = -0.5.
        Bicubic = "bicubic",
        /// Lanczos with three lobes.
        Lanczos = "lanczos",
    }
}

/// Lanczos has three lobes, in source pixels at most one result pixel wide each.
const LARGEST_FILTER_RADIUS: f64 = 3.0;

/// 60 MB of rows that have their final width.
const MAX_INTERMEDIATE_PIXELS: usize = 20_000_000;

/// 6 MB in 16 bits.
const BAND_PIXELS: usize = 1_000_000;

/// A rectangle of the source in pixels, fractions included.
#[derive(Clone, Copy, Debug, PartialEq)]
struct SourceBox {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

/// Resizes `image` to a square of `side_px`.
///
/// Memory beside the result is at most 60 MB and twice one row of the source, whatever the shape: `crop` resizes only
/// the part of the source that will be seen.
///
/// Equal to `Image.resize(size, filter, box)` of Pillow up to version 12 within 1 grey level, where for `crop` the
/// box is the seen square in source coordinates; that is the same as resizing everything and cropping after it.
///
/// # Panics
/// If `side_px` is 0.
pub fn fit_image(image: &Image, side_px: usize, fit: Fit, filter: Filter) -> Image {
    assert!(side_px > 0, "an input size of 0 pixels");
    match fit {
        Fit::Stretch => resize(image, whole(image), (side_px, side_px), filter),
        Fit::Crop => resize(image, seen_by_crop(image, side_px), (side_px, side_px), filter),
        Fit::Pad => {
            let long_px = image.width.max(image.height);
            let [width, height] = [image.width, image.height].map(|len| scaled_len(len, side_px, long_px));
            on_white_square(&resize(image, whole(image), (width, height), filter), side_px)
        }
    }
}

/// Resizes all of `image` to `width` by `height` pixels, as Pillow's `Image.resize` within 1 grey level.
///
/// # Panics
/// If either is 0.
pub fn resize_image(image: &Image, width: usize, height: usize, filter: Filter) -> Image {
    assert!(width > 0 && height > 0, "an image of {width}x{height} pixels");
    resize(image, whole(image), (width, height), filter)
}

fn whole(image: &Image) -> SourceBox {
    SourceBox { left: 0.0, top: 0.0, width: image.width as f64, height: image.height as f64 }
}

/// The part of the source that stays when its short side is resized to round(side / 0.875) and the centre taken.
fn seen_by_crop(image: &Image, side_px: usize) -> SourceBox {
    let short_px = image.width.min(image.height);
    let resized_short_px = (16 * side_px + 7) / 14;
    let axis = |len: usize| {
        let resized_len = scaled_len(len, resized_short_px, short_px);
        let to_source = len as f64 / resized_len as f64;
        let left = ((resized_len - side_px) / 2) as f64 * to_source;
        // Rounding must not carry the box over the edge.
        (left, (side_px as f64 * to_source).min(len as f64 - left))
    };
    let ((left, width), (top, height)) = (axis(image.width), axis(image.height));
    SourceBox { left, top, width, height }
}

/// `len * to / from`, rounded, at least 1.
fn scaled_len(len: usize, to: usize, from: usize) -> usize {
    ((2 * len * to + from) / (2 * from)).max(1)
}

/// Rows first, then columns, as in Pillow up to version 12: between the two the values are clipped to 8 bits, so
/// the order shows at hard edges. Pillow 13 chooses the order by its cost.
///
/// Only an image so long and thin that its widened rows would not fit in memory is resized in both directions at
/// once, which `fast_image_resize` does columns first.
fn resize(image: &Image, source: SourceBox, (width, height): (usize, usize), filter: Filter) -> Image {
    let Some(filter) = convolution(filter) else {
        return nearest(image, source, (width, height));
    };
    let (top, bottom) = rows_in_reach(image, source, height);
    if width * (bottom - top) > MAX_INTERMEDIATE_PIXELS {
        return resize_box(image, source, (width, height), filter);
    }
    let rows = SourceBox { top: top as f64, height: (bottom - top) as f64, ..source };
    let widened = match filter {
        // The second pass only averages what the first is off by: the weights are positive.
        ResizeAlg::Convolution(FilterType::Bilinear) => {
            resize_box(image, rows, (width, bottom - top), filter)
        }
        _ => widen_rows(image, (top, bottom), (source.left, source.width), width, filter),
    };
    let columns = SourceBox { left: 0.0, top: source.top - top as f64, width: width as f64, ..source };
    resize_box(&widened, columns, (width, height), filter)
}

/// Rows `top..bottom` of `image`, the part of each given by `(left, width)` resized to `width` pixels.
///
/// This pass runs on 16 bits: the 8-bit one of `fast_image_resize` may be a level off, which the second pass, whose
/// weights may be negative, would double. It takes a band of rows at a time, as the whole image in 16 bits could be large.
fn widen_rows(
    image: &Image,
    (top, bottom): (usize, usize),
    (left, source_width): (f64, f64),
    width: usize,
    filter: ResizeAlg,
) -> Image {
    let row_len = image.width * 3;
    let band_rows = (BAND_PIXELS / image.width.max(width)).max(1);
    let mut resizer = Resizer::new();
    let mut pixels = Vec::with_capacity(width * (bottom - top) * 3);
    for band in image.pixels[top * row_len..bottom * row_len].chunks(band_rows * row_len) {
        let rows = band.len() / row_len;
        let samples: Vec<u8> =
            band.iter().flat_map(|&value| (u16::from(value) * 257).to_ne_bytes()).collect();
        let view = ResizeImage::from_vec_u8(image.width as u32, rows as u32, samples, PixelType::U16x3)
            .expect("the samples fill the band");
        let mut resized = ResizeImage::new(width as u32, rows as u32, PixelType::U16x3);
        let options = ResizeOptions::new().resize_alg(filter).crop(left, 0.0, source_width, rows as f64);
        resizer.resize(&view, &mut resized, &options).expect("the box lies within the band");
        pixels.extend(
            resized.buffer().as_chunks().0.iter().map(|&sample| rounded8(u16::from_ne_bytes(sample))),
        );
    }
    Image { width, height: bottom - top, pixels }
}

/// The rows of `image` that the columns of the result depend on, and maybe a few more.
fn rows_in_reach(image: &Image, source: SourceBox, height: usize) -> (usize, usize) {
    let reach = LARGEST_FILTER_RADIUS * (source.height / height as f64).max(1.0) + 1.0;
    let bottom = (source.top + source.height + reach).ceil() as usize;
    ((source.top - reach).floor().max(0.0) as usize, bottom.min(image.height))
}

fn resize_box(image: &Image, source: SourceBox, (width, height): (usize, usize), filter: ResizeAlg) -> Image {
    let view = ImageRef::new(image.width as u32, image.height as u32, &image.pixels, PixelType::U8x3)
        .expect("an image holds its pixels");
    let mut resized = ResizeImage::new(width as u32, height as u32, PixelType::U8x3);
    let SourceBox { left, top, width: box_width, height: box_height } = source;
    let options = ResizeOptions::new().resize_alg(filter).crop(left, top, box_width, box_height);
    Resizer::new().resize(&view, &mut resized, &options).expect("the box lies within the image");
    Image { width, height, pixels: resized.into_vec() }
}

fn convolution(filter: Filter) -> Option<ResizeAlg> {
    let kernel = match filter {
        Filter::Nearest => return None,
        Filter::Bilinear => FilterType::Bilinear,
        Filter::Bicubic => FilterType::CatmullRom,
        Filter::Lanczos => FilterType::Lanczos3,
    };
    Some(ResizeAlg::Convolution(kernel))
}

/// Pixels at the places that Pillow takes; a library that rounds otherwise takes a neighbour where a place falls
/// between two pixels.
fn nearest(image: &Image, source: SourceBox, (width, height): (usize, usize)) -> Image {
    let columns = nearest_indices(source.left, source.width, width, image.width);
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in nearest_indices(source.top, source.height, height, image.height) {
        let row = &image.pixels[y * image.width * 3..][..image.width * 3];
        pixels.extend(columns.iter().flat_map(|x| &row[x * 3..x * 3 + 3]));
    }
    Image { width, height, pixels }
}

/// The source index of each of `len` places, added up step by step as Pillow does, with its rounding errors.
fn nearest_indices(start: f64, source_len: f64, len: usize, limit: usize) -> Vec<usize> {
    let step = source_len / len as f64;
    let places = std::iter::successors(Some(start + step * 0.5), |place| Some(place + step));
    places.take(len).map(|place| (place as usize).min(limit - 1)).collect()
}

fn on_white_square(image: &Image, side_px: usize) -> Image {
    let mut pixels = vec![255; side_px * side_px * 3];
    let (left, top) = ((side_px - image.width) / 2, (side_px - image.height) / 2);
    for (y, row) in image.pixels.chunks_exact(image.width * 3).enumerate() {
        pixels[((top + y) * side_px + left) * 3..][..row.len()].copy_from_slice(row);
    }
    Image { width: side_px, height: side_px, pixels }
}
