//! EXIF orientation, against the positions that the EXIF standard gives to the first row and the first column.

// Helpers of tests fail like tests; clippy knows that of test functions only.
#![allow(clippy::unwrap_used)]

use engraft_data::{Image, Limits, decode};
use image::{
    ExtendedColorType, ImageEncoder,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
};

/// Three columns, two rows; the red channel tells the pixels apart.
const STORED: [u8; 18] = [0, 9, 9, 1, 9, 9, 2, 9, 9, 3, 9, 9, 4, 9, 9, 5, 9, 9];

/// A little-endian EXIF block with nothing but the orientation.
fn exif(orientation: u8) -> Vec<u8> {
    let entry = [0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
    [&b"II*\0\x08\0\0\0\x01\0"[..], &entry, &[0; 4]].concat()
}

fn encode(mut encoder: impl ImageEncoder, pixels: &[u8], width: u32, orientation: u8) {
    encoder.set_exif_metadata(exif(orientation)).unwrap();
    let height = pixels.len() as u32 / 3 / width;
    encoder.write_image(pixels, width, height, ExtendedColorType::Rgb8).unwrap();
}

fn red(image: &Image) -> Vec<u8> {
    image.pixels.iter().step_by(3).copied().collect()
}

#[test]
fn each_orientation_turns_the_pixels_as_the_standard_says() {
    let cases: [(u8, usize, [u8; 6]); 10] = [
        (1, 3, [0, 1, 2, 3, 4, 5]),
        (2, 3, [2, 1, 0, 5, 4, 3]),
        (3, 3, [5, 4, 3, 2, 1, 0]),
        (4, 3, [3, 4, 5, 0, 1, 2]),
        (5, 2, [0, 3, 1, 4, 2, 5]),
        (6, 2, [3, 0, 4, 1, 5, 2]),
        (7, 2, [5, 2, 4, 1, 3, 0]),
        (8, 2, [2, 5, 1, 4, 0, 3]),
        (0, 3, [0, 1, 2, 3, 4, 5]),
        (99, 3, [0, 1, 2, 3, 4, 5]),
    ];
    for (orientation, width, want) in cases {
        let (mut png, mut webp) = (Vec::new(), Vec::new());
        encode(PngEncoder::new(&mut png), &STORED, 3, orientation);
        encode(WebPEncoder::new_lossless(&mut webp), &STORED, 3, orientation);
        for bytes in [png, webp] {
            let image = decode(&bytes, &Limits::default()).unwrap();
            assert_eq!((image.width, red(&image)), (width, want.to_vec()), "orientation {orientation}");
        }
    }
}

#[test]
fn jpeg_is_turned_too() {
    let black_above_white = [[0; 16 * 8 * 3], [255; 16 * 8 * 3]].concat();
    let mut jpeg = Vec::new();
    encode(JpegEncoder::new(&mut jpeg), &black_above_white, 16, 6);
    let image = decode(&jpeg, &Limits::default()).unwrap();
    assert_eq!(red(&image)[..16], [[255; 8], [0; 8]].concat());
}
