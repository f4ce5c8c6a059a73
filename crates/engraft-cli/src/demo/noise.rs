//! What happens to an image on its way to a web page: blur, noise, fading, cropping, a crooked scan.

use image::{
    Pixel, RgbImage,
    imageops::{self, FilterType},
};

use super::{Rng, draws::Draws};

/// Damage of one image; most have little or none. Every class draws from the same distribution.
pub struct Noise {
    /// Parts of the width or height cut away: left, top, right, bottom.
    crop: [f32; 4],
    /// Size that the image is shrunk to and enlarged from again, as a fraction.
    shrink: f32,
    grey: bool,
    /// Contrast and brightness, each with 1 for unchanged and 0 for none.
    contrast: f32,
    brightness: f32,
    /// Standard deviation in grey levels.
    grain: f32,
}

impl Noise {
    pub fn draw(rng: &mut Rng) -> Noise {
        let cropped = rng.chance(0.1);
        Noise {
            crop: std::array::from_fn(|_| if cropped { rng.between(0.0, 0.09) } else { 0.0 }),
            shrink: if rng.chance(0.15) { rng.between(0.4, 0.9) } else { 1.0 },
            grey: rng.chance(0.08),
            contrast: if rng.chance(0.08) { rng.between(0.55, 0.9) } else { 1.0 },
            brightness: if rng.chance(0.08) { rng.between(0.75, 1.0) } else { 1.0 },
            grain: if rng.chance(0.15) { rng.between(2.0, 10.0) } else { 0.0 },
        }
    }

    pub fn apply(&self, image: RgbImage, rng: &mut Rng) -> RgbImage {
        let mut image = blurred(cropped(image, self.crop), self.shrink);
        if self.grey {
            image.pixels_mut().for_each(|pixel| pixel.0 = [pixel.to_luma().0[0]; 3]);
        }
        if self.contrast < 1.0 || self.brightness < 1.0 {
            let level = |value: u8| (128.0 + (f32::from(value) - 128.0) * self.contrast) * self.brightness;
            image.iter_mut().for_each(|value| *value = level(*value) as u8);
        }
        if self.grain > 0.0 {
            add_grain(&mut image, self.grain, rng);
        }
        image
    }
}

fn cropped(image: RgbImage, crop: [f32; 4]) -> RgbImage {
    if crop == [0.0; 4] {
        return image;
    }
    let (width, height) = (image.width() as f32, image.height() as f32);
    let (left, top) = (width * crop[0], height * crop[1]);
    let (kept_width, kept_height) = (width * (1.0 - crop[0] - crop[2]), height * (1.0 - crop[1] - crop[3]));
    imageops::crop_imm(&image, left as u32, top as u32, kept_width as u32, kept_height as u32).to_image()
}

fn blurred(image: RgbImage, shrink: f32) -> RgbImage {
    if shrink >= 1.0 {
        return image;
    }
    let (width, height) = image.dimensions();
    let small_side = |side: u32| (side as f32 * shrink) as u32;
    let small = imageops::resize(&image, small_side(width), small_side(height), FilterType::Triangle);
    imageops::resize(&small, width, height, FilterType::Triangle)
}

fn add_grain(image: &mut RgbImage, deviation: f32, rng: &mut Rng) {
    for pixel in image.pixels_mut() {
        let shift = deviation * rng.quick_normal();
        pixel.0 = pixel.0.map(|value| (f32::from(value) + shift).clamp(0.0, 255.0) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Noise =
        Noise { crop: [0.0; 4], shrink: 1.0, grey: false, contrast: 1.0, brightness: 1.0, grain: 0.0 };

    fn checkered() -> RgbImage {
        RgbImage::from_fn(40, 30, |x, y| {
            image::Rgb(if (x / 5 + y / 5) % 2 == 0 { [200, 100, 50] } else { [20; 3] })
        })
    }

    fn after(noise: Noise) -> RgbImage {
        noise.apply(checkered(), &mut Rng::new(1))
    }

    #[test]
    fn each_kind_of_damage_does_what_it_says() {
        assert_eq!(after(NONE), checkered());
        assert_eq!(after(Noise { crop: [0.125, 0.0, 0.125, 0.5], ..NONE }).dimensions(), (30, 15));
        assert_eq!(after(Noise { brightness: 0.5, ..NONE }).get_pixel(0, 0).0, [100, 50, 25]);
        let grey = after(Noise { grey: true, ..NONE });
        assert!(grey.pixels().all(|pixel| pixel.0[0] == pixel.0[1] && pixel.0[1] == pixel.0[2]));
        let blurred = after(Noise { shrink: 0.4, ..NONE });
        assert_eq!(blurred.dimensions(), (40, 30));
        assert_ne!(blurred, checkered());
    }

    #[test]
    fn grain_has_the_stated_deviation() {
        let flat = RgbImage::from_pixel(200, 200, image::Rgb([128; 3]));
        let grainy = Noise { grain: 8.0, ..NONE }.apply(flat, &mut Rng::new(2));
        let squares = grainy.pixels().map(|pixel| (f32::from(pixel.0[0]) - 128.0).powi(2));
        let deviation = (squares.sum::<f32>() / 40_000.0).sqrt();
        assert!((deviation - 8.0).abs() < 0.5, "{deviation}");
    }
}
