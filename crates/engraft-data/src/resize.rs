//! Bringing an image to the input size of a network.

use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image as ResizeImage, ImageRef},
};

use crate::{image::Image, named::named_enum};

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
/// Memory beside the result is bounded by the longer side of `image` times `side_px`, whatever its shape: `crop`
/// resizes only the part of the source that will be seen.
///
/// Equal to Pillow's `Image.resize(size, filter, box)` within 1 grey level, where for `crop` the box is the
/// seen square in source coordinates; that is the same as resizing everything and cropping after it.
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

fn resize(image: &Image, source: SourceBox, (width, height): (usize, usize), filter: Filter) -> Image {
    let (source_width, source_height) = (image.width as u32, image.height as u32);
    let view = ImageRef::new(source_width, source_height, &image.pixels, PixelType::U8x3);
    let view = view.expect("an image holds its pixels");
    let mut resized = ResizeImage::new(width as u32, height as u32, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(algorithm(filter)).crop(
        source.left,
        source.top,
        source.width,
        source.height,
    );
    Resizer::new().resize(&view, &mut resized, &options).expect("the box lies within the image");
    Image { width, height, pixels: resized.into_vec() }
}

fn algorithm(filter: Filter) -> ResizeAlg {
    match filter {
        Filter::Nearest => ResizeAlg::Nearest,
        Filter::Bilinear => ResizeAlg::Convolution(FilterType::Bilinear),
        Filter::Bicubic => ResizeAlg::Convolution(FilterType::CatmullRom),
        Filter::Lanczos => ResizeAlg::Convolution(FilterType::Lanczos3),
    }
}

fn on_white_square(image: &Image, side_px: usize) -> Image {
    let mut pixels = vec![255; side_px * side_px * 3];
    let (left, top) = ((side_px - image.width) / 2, (side_px - image.height) / 2);
    for (y, row) in image.pixels.chunks_exact(image.width * 3).enumerate() {
        pixels[((top + y) * side_px + left) * 3..][..row.len()].copy_from_slice(row);
    }
    Image { width: side_px, height: side_px, pixels }
}
