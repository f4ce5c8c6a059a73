//! Plain functions that change the tones of an image, as the policies use them.

use super::{FloatImage, color::mixed};

/// Keeps the `bits` highest bits of every value, from 0 to 8.
///
/// Source: `torchvision.transforms.functional.posterize`; values are rounded to 8 bits first.
pub fn posterize(image: &mut FloatImage, bits: u32) {
    let mask = (0xff00_u32 >> bits) as u8;
    image.values.iter_mut().for_each(|value| *value = f32::from(value.round() as u8 & mask));
}

/// Inverts the values that are not below `threshold`.
///
/// Source: `torchvision.transforms.functional.solarize`.
pub fn solarize(image: &mut FloatImage, threshold: f32) {
    for value in image.values.iter_mut().filter(|value| **value >= threshold) {
        *value = 255.0 - *value;
    }
}

/// Stretches each channel to 0..=255; one without any contrast is left alone.
///
/// Source: `torchvision.transforms.functional.autocontrast`.
pub fn autocontrast(image: &mut FloatImage) {
    for channel in 0..3 {
        let values = image.pixels().iter().map(|pixel| pixel[channel]);
        let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
        if high > low {
            let scale = 255.0 / (high - low);
            for pixel in image.pixels_mut() {
                pixel[channel] = ((pixel[channel] - low) * scale).clamp(0.0, 255.0);
            }
        }
    }
}

/// Spreads each channel so that every tone is about as frequent as any other.
///
/// Source: `torchvision.transforms.functional.equalize`; values are rounded to 8 bits first.
pub fn equalize(image: &mut FloatImage) {
    for channel in 0..3 {
        let mut histogram = [0usize; 256];
        image.pixels().iter().for_each(|pixel| histogram[byte(pixel[channel])] += 1);
        let table = equalizing_table(&histogram);
        for pixel in image.pixels_mut() {
            let value = byte(pixel[channel]);
            pixel[channel] = table.map_or(value as f32, |table| f32::from(table[value]));
        }
    }
}

/// Blends with a version smoothed by 3 x 3 pixels, border pixels excepted: 0 is smooth, 1 changes nothing, above 1 is sharp.
///
/// Source: `torchvision.transforms.functional.adjust_sharpness` of a float tensor.
pub fn adjust_sharpness(image: &mut FloatImage, factor: f32) {
    let (height, width) = (image.height, image.width);
    let before = image.pixels().to_vec();
    let after = image.pixels_mut();
    for row in 1..height.saturating_sub(1) {
        for column in 1..width.saturating_sub(1) {
            let at = row * width + column;
            for channel in 0..3 {
                let smooth = smoothed(&before, width, at, channel);
                after[at][channel] = mixed(before[at][channel], smooth, factor);
            }
        }
    }
}

/// The mean of a pixel and its eight neighbours, in which it counts five times.
fn smoothed(pixels: &[[f32; 3]], width: usize, at: usize, channel: usize) -> f32 {
    let around = [at - width, at, at + width].into_iter().flat_map(|centre| [centre - 1, centre, centre + 1]);
    let sum: f32 = around.map(|at| pixels[at][channel]).sum();
    (sum + 4.0 * pixels[at][channel]) / 13.0
}

fn byte(value: f32) -> usize {
    usize::from(value.round() as u8)
}

/// The new value of each tone, `None` if the channel is too even to be spread.
fn equalizing_table(histogram: &[usize; 256]) -> Option<[u8; 256]> {
    let last = histogram.iter().rposition(|&count| count > 0)?;
    let step = histogram[..last].iter().sum::<usize>() / 255;
    if step == 0 {
        return None;
    }
    let mut table = [0; 256];
    let mut below = 0;
    for (value, &count) in table.iter_mut().zip(histogram) {
        *value = ((below + step / 2) / step).min(255) as u8;
        below += count;
    }
    Some(table)
}
