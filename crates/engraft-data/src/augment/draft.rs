//! An image on its way through a list of augmentations.

use super::{
    affine::Affine,
    float_image::FloatImage,
    resample::{Fill, resample},
};

/// An image and the geometric changes that it still waits for: they are multiplied and resampled at one go.
#[derive(Clone, Debug)]
pub struct Draft {
    image: FloatImage,
    pending: Affine,
    fill: Fill,
}

impl Draft {
    /// An image without changes; `fill` is for what geometric ones bring in from outside.
    pub fn new(image: FloatImage, fill: Fill) -> Draft {
        Draft { image, pending: Affine::IDENTITY, fill }
    }

    /// `(height, width)` in pixels, the same before and after every augmentation.
    pub fn size(&self) -> (usize, usize) {
        (self.image.height, self.image.width)
    }

    /// Adds a geometric change to those that wait.
    pub fn transform(&mut self, map: Affine) {
        self.pending = self.pending * map;
    }

    /// The image with everything done that waited.
    pub fn image(&mut self) -> &mut FloatImage {
        let pending = std::mem::replace(&mut self.pending, Affine::IDENTITY);
        match pending.mirrors() {
            Some([rows, columns]) => {
                rows.then(|| self.image.mirror_rows());
                columns.then(|| self.image.mirror_columns());
            }
            None => self.image = resample(&self.image, &pending, self.fill),
        }
        &mut self.image
    }

    /// The finished image.
    pub fn finish(mut self) -> FloatImage {
        self.image();
        self.image
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::FillMode;

    #[test]
    fn whole_flips_need_no_resampling_and_give_what_it_would() {
        let fill = Fill { mode: FillMode::Nearest, value: 0.0 };
        for (height, width) in [(4, 5), (5, 4), (1, 1)] {
            let values = (0..height * width * 3).map(|i| i as f32).collect();
            let image = FloatImage::new(height, width, values).unwrap();
            for [row, column] in [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]] {
                let map = Affine::linear([[row, 0.0], [0.0, column]]);
                let mut draft = Draft::new(image.clone(), fill);
                draft.transform(map);
                assert_eq!(draft.finish(), resample(&image, &map, fill), "{height} x {width}, {map:?}");
            }
        }
    }

    #[test]
    fn geometric_changes_blur_once_however_many_there_are() {
        let values: Vec<f32> = (0..9 * 9 * 3).map(|i| (i * 37 % 256) as f32).collect();
        let image = FloatImage::new(9, 9, values).unwrap();
        let mut draft = Draft::new(image.clone(), Fill { mode: FillMode::Constant, value: 0.0 });
        for columns in [0.5, 0.25, -0.75] {
            draft.transform(Affine::shift(0.0, columns));
        }
        assert_eq!(draft.finish(), image);
    }
}
