//! From the samples a decoder gives to RGB of 8 bits: depth, grey, and alpha on white.

use image::ColorType;

/// Converts `samples`, `[pixel_count, channels]` of `color` in native byte order, to `[pixel_count, 3]` of 8 bits.
///
/// 16 bits are divided by 257 and rounded; grey becomes three equal channels; alpha is composited on white.
/// Floats are taken as 0..=1 where none exceeds 1, else as 0..=255. An image of three channels or more is
/// converted in place, so the peak memory is that of `samples`.
///
/// # Errors
/// In words, if floats are not finite or exceed 255, or if `color` is not known.
pub fn rgb8_from_samples(color: ColorType, samples: Vec<u8>) -> Result<Vec<u8>, String> {
    match color {
        ColorType::L8 => Ok(samples.iter().flat_map(|&grey| [grey; 3]).collect()),
        ColorType::La8 => Ok(spread(&samples, |[grey, alpha]: [u8; 2]| [on_white8(grey, alpha); 3])),
        ColorType::Rgb8 => Ok(samples),
        ColorType::Rgba8 => Ok(pack(samples, |[r, g, b, a]: [u8; 4]| [r, g, b].map(|c| on_white8(c, a)))),
        ColorType::L16 => Ok(spread(&samples, |bytes: [u8; 2]| [rounded8(u16::from_ne_bytes(bytes)); 3])),
        ColorType::La16 => Ok(spread(&samples, |bytes: [u8; 4]| {
            let [grey, alpha] = words::<4, 2>(bytes);
            [on_white16(grey, alpha); 3]
        })),
        ColorType::Rgb16 => Ok(pack(samples, |bytes: [u8; 6]| words::<6, 3>(bytes).map(rounded8))),
        ColorType::Rgba16 => Ok(pack(samples, |bytes: [u8; 8]| {
            let [r, g, b, a] = words::<8, 4>(bytes);
            [r, g, b].map(|c| on_white16(c, a))
        })),
        ColorType::Rgb32F => {
            let scale = float_scale(&samples, 3)?;
            Ok(pack(samples, |bytes: [u8; 12]| floats::<12, 3>(bytes).map(|c| float8(c * scale))))
        }
        ColorType::Rgba32F => {
            let scale = float_scale(&samples, 4)?;
            Ok(pack(samples, |bytes: [u8; 16]| {
                let [r, g, b, a] = floats::<16, 4>(bytes);
                let alpha = a.clamp(0.0, 1.0);
                [r, g, b].map(|c| float8((c * scale).clamp(0.0, 255.0) * alpha + 255.0 * (1.0 - alpha)))
            }))
        }
        other => Err(format!("samples of type {other:?}")),
    }
}

/// Grey floats, 0..=1 or 0..=255 as in [`rgb8_from_samples`], to RGB of 8 bits.
///
/// # Errors
/// In words, if a value is not finite or exceeds 255.
pub fn rgb8_from_grey_floats(values: &[f32]) -> Result<Vec<u8>, String> {
    let scale = scale_for_max(values.iter().copied())?;
    Ok(values.iter().flat_map(|&value| [float8(value * scale); 3]).collect())
}

/// Nearest of 256 levels: 65535 is 255 * 257.
pub fn rounded8(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}

fn on_white8(value: u8, alpha: u8) -> u8 {
    let [value, alpha] = [value, alpha].map(u32::from);
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

fn on_white16(value: u16, alpha: u16) -> u8 {
    let [value, alpha] = [value, alpha].map(u64::from);
    rounded8(((value * alpha + 65535 * (65535 - alpha) + 32767) / 65535) as u16)
}

fn float8(value: f32) -> u8 {
    value.round() as u8
}

/// Factor that brings the colours of float samples to 0..=255. Alpha, the fourth channel, does not take part.
fn float_scale(samples: &[u8], channels: usize) -> Result<f32, String> {
    let values = samples.as_chunks::<4>().0.iter().map(|&bytes| f32::from_ne_bytes(bytes));
    scale_for_max(values.enumerate().filter(|(i, _)| i % channels < 3).map(|(_, value)| value))
}

fn scale_for_max(values: impl Iterator<Item = f32>) -> Result<f32, String> {
    let mut max = 0.0f32;
    for value in values {
        if !value.is_finite() {
            return Err(format!("float samples of which one is {value}"));
        }
        max = max.max(value);
    }
    match max {
        max if max <= 1.0 => Ok(255.0),
        max if max <= 255.0 => Ok(1.0),
        max => Err(format!("float samples up to {max}, expected 0 to 1 or 0 to 255")),
    }
}

/// Converts pixels of `N` bytes to three bytes in the same memory, for `N` of at least 3.
fn pack<const N: usize>(mut samples: Vec<u8>, rgb: impl Fn([u8; N]) -> [u8; 3]) -> Vec<u8> {
    let pixel_count = samples.len() / N;
    for pixel in 0..pixel_count {
        let bytes = std::array::from_fn(|i| samples[pixel * N + i]);
        samples[pixel * 3..][..3].copy_from_slice(&rgb(bytes));
    }
    samples.truncate(pixel_count * 3);
    samples.shrink_to_fit();
    samples
}

/// Converts pixels of `N` bytes to three bytes in new memory.
fn spread<const N: usize>(samples: &[u8], rgb: impl Fn([u8; N]) -> [u8; 3]) -> Vec<u8> {
    samples.as_chunks::<N>().0.iter().flat_map(|&bytes| rgb(bytes)).collect()
}

fn words<const BYTES: usize, const WORDS: usize>(bytes: [u8; BYTES]) -> [u16; WORDS] {
    std::array::from_fn(|i| u16::from_ne_bytes([bytes[2 * i], bytes[2 * i + 1]]))
}

fn floats<const BYTES: usize, const FLOATS: usize>(bytes: [u8; BYTES]) -> [f32; FLOATS] {
    std::array::from_fn(|i| f32::from_ne_bytes(std::array::from_fn(|byte| bytes[4 * i + byte])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of_words(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn bytes_of_floats(floats: &[f32]) -> Vec<u8> {
        floats.iter().flat_map(|float| float.to_ne_bytes()).collect()
    }

    #[test]
    fn sixteen_bits_go_to_the_nearest_of_256_levels() {
        for value in 0..=u16::MAX {
            assert_eq!(rounded8(value), (f64::from(value) / 257.0).round() as u8, "{value}");
        }
    }

    #[test]
    fn alpha_lets_white_through() {
        for value in 0..=255u8 {
            for alpha in 0..=255u8 {
                let opacity = f64::from(alpha) / 255.0;
                let want = f64::from(value) * opacity + 255.0 * (1.0 - opacity);
                assert!((f64::from(on_white8(value, alpha)) - want).abs() <= 0.5 + 1e-9);
                let wide = on_white16(u16::from(value) * 257, u16::from(alpha) * 257);
                assert!((f64::from(wide) - want).abs() <= 0.51);
            }
        }
    }

    #[test]
    fn every_colour_type_becomes_rgb() {
        let cases = [
            (ColorType::L8, vec![7, 9], vec![7, 7, 7, 9, 9, 9]),
            (ColorType::La8, vec![7, 255, 7, 0], vec![7, 7, 7, 255, 255, 255]),
            (ColorType::Rgb8, vec![1, 2, 3], vec![1, 2, 3]),
            (ColorType::Rgba8, vec![1, 2, 3, 255, 1, 2, 3, 0], vec![1, 2, 3, 255, 255, 255]),
            (ColorType::L16, bytes_of_words(&[257, 65535]), vec![1, 1, 1, 255, 255, 255]),
            (ColorType::La16, bytes_of_words(&[514, 65535, 514, 0]), vec![2, 2, 2, 255, 255, 255]),
            (ColorType::Rgb16, bytes_of_words(&[257, 514, 771]), vec![1, 2, 3]),
            (
                ColorType::Rgba16,
                bytes_of_words(&[257, 514, 771, 65535, 0, 0, 0, 0]),
                vec![1, 2, 3, 255, 255, 255],
            ),
            (ColorType::Rgb32F, bytes_of_floats(&[0.0, 0.5, 1.0]), vec![0, 128, 255]),
            (ColorType::Rgb32F, bytes_of_floats(&[-3.0, 2.0, 254.6]), vec![0, 2, 255]),
            (
                ColorType::Rgba32F,
                bytes_of_floats(&[0.0, 0.2, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]),
                vec![0, 51, 255, 255, 255, 255],
            ),
        ];
        for (color, samples, want) in cases {
            assert_eq!(rgb8_from_samples(color, samples), Ok(want), "{color:?}");
        }
    }

    #[test]
    fn floats_outside_every_convention_are_refused() {
        for value in [256.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(rgb8_from_grey_floats(&[0.0, value]).is_err(), "{value}");
        }
        assert_eq!(rgb8_from_grey_floats(&[0.0, 1.0]), Ok(vec![0, 0, 0, 255, 255, 255]));
    }
}
