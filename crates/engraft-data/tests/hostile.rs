//! Broken and hostile files of every format: an error or the whole image, never a panic, never half an image.

// Helpers of tests fail like tests; clippy knows that of test functions only.
#![allow(clippy::unwrap_used)]

use std::io::Cursor;

use engraft_data::{DecodeError, Image, Limits, Rng, decode};
use image::{
    ColorType, DynamicImage, ImageEncoder, ImageFormat, Rgba, RgbaImage,
    codecs::{gif::GifEncoder, jpeg::JpegEncoder},
};

const WIDTH: u32 = 9;
const HEIGHT: u32 = 20;

/// One tiny picture in every format, some in several kinds.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let picture =
        RgbaImage::from_fn(WIDTH, HEIGHT, |x, y| Rgba([x as u8 * 28, y as u8 * 12, 200, 255 - y as u8]));
    let rgba = DynamicImage::ImageRgba8(picture);
    let mut files = vec![
        ("png", encoded(&rgba, ImageFormat::Png)),
        ("png of 16 bits", encoded(&DynamicImage::ImageRgb16(rgba.to_rgb16()), ImageFormat::Png)),
        ("webp", encoded(&rgba, ImageFormat::WebP)),
        ("bmp", encoded(&DynamicImage::ImageRgb8(rgba.to_rgb8()), ImageFormat::Bmp)),
        ("tiff", encoded(&rgba, ImageFormat::Tiff)),
        ("grey tiff of 16 bits", encoded(&DynamicImage::ImageLuma16(rgba.to_luma16()), ImageFormat::Tiff)),
        ("pnm", encoded(&DynamicImage::ImageRgb8(rgba.to_rgb8()), ImageFormat::Pnm)),
        ("jpeg", encoded(&DynamicImage::ImageRgb8(rgba.to_rgb8()), ImageFormat::Jpeg)),
        ("ascii pnm", b"P2 2 3 255 1 20 255 0 99 7\n".to_vec()),
    ];
    let mut gif = Vec::new();
    GifEncoder::new(&mut gif).encode_frame(image::Frame::new(rgba.to_rgba8())).unwrap();
    files.push(("gif", gif));
    let mut grey_jpeg = Vec::new();
    let grey = rgba.to_luma8();
    JpegEncoder::new(&mut grey_jpeg).write_image(&grey, WIDTH, HEIGHT, ColorType::L8.into()).unwrap();
    files.push(("grey jpeg", grey_jpeg));
    files.push(("float tiff", float_tiff()));
    files
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn float_tiff() -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let samples: Vec<f32> = (0..WIDTH * HEIGHT).map(|i| i as f32 / 180.0).collect();
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).unwrap();
    encoder.write_image::<tiff::encoder::colortype::Gray32Float>(WIDTH, HEIGHT, &samples).unwrap();
    bytes.into_inner()
}

fn tight_limits() -> Limits {
    Limits { max_pixels: 10_000, max_file_bytes: 100_000, max_decode_bytes: 1 << 20 }
}

fn decode_tightly(bytes: &[u8]) -> Result<Image, DecodeError> {
    decode(bytes, &tight_limits())
}

#[test]
fn a_file_cut_at_any_byte_is_an_error_or_the_whole_image() {
    for (name, bytes) in files() {
        let whole = decode_tightly(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut last_error = 0;
        for len in 0..bytes.len() {
            match decode_tightly(&bytes[..len]) {
                Ok(image) => assert!(image == whole, "{name} cut at {len} of {}", bytes.len()),
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    last_error = len;
                }
            }
        }
        assert!(last_error + 32 > bytes.len(), "{name} needs only {last_error} of {} bytes", bytes.len());
    }
}

#[test]
fn a_file_cut_in_its_pixels_is_called_truncated() {
    for (name, bytes) in files() {
        let error = decode_tightly(&bytes[..bytes.len() * 3 / 4]).unwrap_err();
        assert!(matches!(error, DecodeError::Truncated { .. }), "{name}: {error}");
    }
}

#[test]
fn changed_bytes_never_panic() {
    let mut rng = Rng::new(1);
    for (_, bytes) in files() {
        for _ in 0..2000 {
            let mut changed = bytes.clone();
            for _ in 0..=rng.below(3) {
                changed[rng.below(bytes.len())] = rng.next_u64() as u8;
            }
            if let Ok(image) = decode_tightly(&changed) {
                assert_eq!(image.pixels.len(), image.width * image.height * 3);
            }
        }
    }
}

fn bmp_of_60000_squared() -> [u8; 54] {
    let mut bytes = [0; 54];
    bytes[..2].copy_from_slice(b"BM");
    for (offset, value) in [(10, 54u32), (14, 40), (18, 60_000), (22, 60_000), (26, 1 | 24 << 16)] {
        bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

#[test]
fn a_size_beyond_the_limit_is_refused_by_its_header() {
    let bombs: [(&str, &[u8], u64); 4] = [
        ("gif", b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x01\0\0;", 65535 * 65535),
        ("pnm", b"P6 100000 200000 255\n", 100_000 * 200_000),
        (
            "png",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\0\0\0",
            0x7fff_ffff * 0x7fff_ffff,
        ),
        ("bmp", &bmp_of_60000_squared(), 60_000 * 60_000),
    ];
    for (name, bytes, pixels) in bombs {
        let want = DecodeError::TooLarge { found: pixels, limit: 100_000_000, unit: "pixels" };
        assert_eq!(decode(bytes, &Limits::default()), Err(want), "{name}");
    }
}

#[test]
fn a_size_of_zero_is_an_error() {
    for bytes in
        [&b"P6 0 5 255\n"[..], b"P6 5 0 255\n", b"GIF89a\0\0\0\0\0\0\0,\0\0\0\0\0\0\0\0\0\x02\x01\0\0;"]
    {
        let error = decode_tightly(bytes).unwrap_err();
        assert!(matches!(error, DecodeError::Corrupt { .. } | DecodeError::Truncated { .. }), "{error}");
    }
}

#[test]
fn what_is_not_an_image_is_named() {
    let cases: [(&[u8], &str, &str); 4] = [
        (b"", "empty", "the file is empty"),
        (b"<html>", "not_an_image", "not an image: it looks like an html page"),
        (b"\0\0\0\x18ftypheic", "unsupported", "unsupported image: heic"),
        (b"P6 9 9", "truncated", "truncated pbm: the file ends before the image does"),
    ];
    for (bytes, kind, message) in cases {
        let error = decode_tightly(bytes).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
    }
}

#[test]
fn a_jpeg_without_its_end_marker_or_with_garbage_behind_is_used() {
    let (_, jpeg) = files().into_iter().find(|(name, _)| *name == "jpeg").unwrap();
    let whole = decode_tightly(&jpeg).unwrap();
    assert_eq!(decode_tightly(&jpeg[..jpeg.len() - 2]).as_ref(), Ok(&whole));
    assert_eq!(decode_tightly(&[&jpeg[..], &[0x55; 500]].concat()).as_ref(), Ok(&whole));
}
