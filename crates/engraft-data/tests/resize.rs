//! Resizing against goldens made by Pillow (`reference/resize.py`), and the geometry of the fits.

// Helpers of tests fail like tests; clippy knows that of test functions only.
#![allow(clippy::unwrap_used)]

use engraft_data::{Filter, Fit, Image, fit_image, resize_image};
use engraft_testing::{Golden, noise_u8};

fn golden_image(golden: &Golden, name: &str) -> Image {
    let shape = golden.shape(name);
    Image::new(shape[1], shape[0], golden.u8(name)).unwrap()
}

fn assert_within_one_level(got: &Image, want: &Image, name: &str) {
    assert_eq!((got.width, got.height), (want.width, want.height), "{name}");
    let worst = got.pixels.iter().zip(&want.pixels).map(|(got, want)| got.abs_diff(*want)).max();
    assert!(worst <= Some(1), "{name}: {worst:?} levels apart");
}

#[test]
fn resizing_equals_pillow_within_one_level() {
    let golden = Golden::open("data/resize");
    let mut compared = 0;
    for name in golden.names() {
        let [source, filter, size] = name.split('/').collect::<Vec<_>>()[..] else { continue };
        let image = golden_image(&golden, &format!("{source}/source"));
        let (width, height) = size.split_once('x').unwrap();
        let (width, height) = (width.parse().unwrap(), height.parse().unwrap());
        let got = resize_image(&image, width, height, filter.parse().unwrap());
        assert_within_one_level(&got, &golden_image(&golden, &name), &name);
        compared += 1;
    }
    assert_eq!(compared, 6 * 4 * 5);
}

#[test]
fn crop_equals_resizing_everything_and_cutting_out_the_centre() {
    let golden = Golden::open("data/resize");
    let mut compared = 0;
    for name in golden.names() {
        let [source, "crop", filter, side] = name.split('/').collect::<Vec<_>>()[..] else { continue };
        let image = golden_image(&golden, &format!("{source}/source"));
        let got = fit_image(&image, side.parse().unwrap(), Fit::Crop, filter.parse().unwrap());
        assert_within_one_level(&got, &golden_image(&golden, &name), &name);
        compared += 1;
    }
    assert_eq!(compared, 6 * 4 * 2 + 4);
}

#[test]
fn stretch_is_a_plain_resize() {
    let image = Image::new(13, 7, noise_u8(1, 13 * 7 * 3)).unwrap();
    for &filter in Filter::ALL {
        assert_eq!(fit_image(&image, 10, Fit::Stretch, filter), resize_image(&image, 10, 10, filter));
    }
}

#[test]
fn pad_centres_the_whole_image_on_white() {
    let image = Image::new(20, 10, vec![0; 600]).unwrap();
    let padded = fit_image(&image, 11, Fit::Pad, Filter::Bicubic);
    let is_black_row: Vec<bool> =
        padded.pixels.chunks(33).map(|row| row.iter().all(|&value| value == 0)).collect();
    let is_white_row: Vec<bool> =
        padded.pixels.chunks(33).map(|row| row.iter().all(|&value| value == 255)).collect();
    // 11 / 20 of 10 rows are 5.5, rounded to 6; of the 5 white rows 2 stand above.
    assert_eq!(is_black_row, [false, false, true, true, true, true, true, true, false, false, false]);
    assert!(is_black_row.iter().zip(is_white_row).all(|(black, white)| *black != white));
}

#[test]
fn any_shape_fills_the_square() {
    for (width, height) in [(1, 5000), (5000, 1), (1, 1), (3, 2), (224, 224), (256, 256)] {
        let image = Image::new(width, height, vec![7; width * height * 3]).unwrap();
        for &fit in Fit::ALL {
            for &filter in Filter::ALL {
                let square = fit_image(&image, 224, fit, filter);
                assert_eq!((square.width, square.height), (224, 224), "{fit} {filter}");
                let want = if fit == Fit::Pad { &[7, 255][..] } else { &[7] };
                assert!(
                    square.pixels.iter().all(|value| want.contains(value)),
                    "{width}x{height} {fit} {filter}"
                );
            }
        }
    }
}
