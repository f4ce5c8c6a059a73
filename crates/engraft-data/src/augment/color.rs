//! Plain functions that change colours, shared by colour jitter and by the policies.

use super::FloatImage;

/// Perceived brightness of a pixel, in the unit of its values.
///
/// Source: `torchvision.transforms.functional.rgb_to_grayscale`, the weights of ITU-R BT.601 to four digits.
pub(super) fn luma([red, green, blue]: [f32; 3]) -> f32 {
    0.2989 * red + 0.587 * green + 0.114 * blue
}

/// `share` of `value` and the rest of `other`, clipped to 0..=255; a share above 1 leads away from `other`.
pub(super) fn mixed(value: f32, other: f32, share: f32) -> f32 {
    (share * value + (1.0 - share) * other).clamp(0.0, 255.0)
}

/// Multiplies every value by `factor`: 0 is black, 1 changes nothing.
///
/// Source: `torchvision.transforms.functional.adjust_brightness` of a float tensor.
pub fn adjust_brightness(image: &mut FloatImage, factor: f32) {
    image.values.iter_mut().for_each(|value| *value = mixed(*value, 0.0, factor));
}

/// Stretches every value away from the mean luma of the image by `factor`: 0 is even grey, 1 changes nothing.
///
/// Source: `torchvision.transforms.functional.adjust_contrast` of a float tensor.
pub fn adjust_contrast(image: &mut FloatImage, factor: f32) {
    let sum: f64 = image.pixels().iter().map(|&pixel| f64::from(luma(pixel))).sum();
    let mean = (sum / image.pixels().len() as f64) as f32;
    image.values.iter_mut().for_each(|value| *value = mixed(*value, mean, factor));
}

/// Stretches every pixel away from its luma by `factor`: 0 is greyscale, 1 changes nothing.
///
/// Source: `torchvision.transforms.functional.adjust_saturation` of a float tensor.
pub fn adjust_saturation(image: &mut FloatImage, factor: f32) {
    for pixel in image.pixels_mut() {
        let grey = luma(*pixel);
        *pixel = pixel.map(|value| mixed(value, grey, factor));
    }
}

/// Turns the hue of every pixel by `turns` of the colour circle, in -0.5..=0.5.
///
/// Source: `torchvision.transforms.functional.adjust_hue` of a float tensor.
pub fn adjust_hue(image: &mut FloatImage, turns: f32) {
    for pixel in image.pixels_mut() {
        let [hue, saturation, value] = hsv_from_rgb(*pixel);
        *pixel = rgb_from_hsv([(hue + turns).rem_euclid(1.0), saturation, value]);
    }
}

/// Hue in turns and saturation in 0..=1; the value keeps the unit of the pixel.
fn hsv_from_rgb([red, green, blue]: [f32; 3]) -> [f32; 3] {
    let (high, low) = (red.max(green).max(blue), red.min(green).min(blue));
    let chroma = high - low;
    if chroma == 0.0 {
        return [0.0, 0.0, high];
    }
    let sixths = if high == red {
        (green - blue) / chroma
    } else if high == green {
        2.0 + (blue - red) / chroma
    } else {
        4.0 + (red - green) / chroma
    };
    [(sixths / 6.0).rem_euclid(1.0), chroma / high, high]
}

fn rgb_from_hsv([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    let sixths = hue * 6.0;
    let part = sixths - sixths.floor();
    let (low, falling) = (value * (1.0 - saturation), value * (1.0 - saturation * part));
    let rising = value * (1.0 - saturation * (1.0 - part));
    match sixths as u32 % 6 {
        0 => [value, rising, low],
        1 => [falling, value, low],
        2 => [low, value, rising],
        3 => [low, falling, value],
        4 => [rising, low, value],
        _ => [value, low, falling],
    }
}
