//! Several views of one image: the image itself, and augmented copies of it.

use engraft_data::{
    AUGMENT_REVISION, Digest, Image,
    augment::{Augmentation, FloatImage, copy_rng},
};
use serde::{Deserialize, Serialize};

/// Which views of an image are taken. View 0 is the untouched image, view `v` the augmented copy `v - 1`.
///
/// A copy is decided by the seed, the image's pixels and its number alone. It is made after the image was brought to the
/// size of the network's input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Views {
    /// Number of views, the untouched image included.
    pub count: usize,
    /// Seed of what is drawn.
    pub seed: u64,
    /// How copies are made.
    pub augment: Augmentation,
}

impl Views {
    /// Number of rows that `views` make of an image; none is the untouched image alone.
    pub fn rows(views: Option<&Views>) -> usize {
        views.map_or(1, |views| views.count.max(1))
    }

    /// What a key says of view `view`: everything that decides it but the image. The untouched image is not described, since it
    /// is the same whatever stands beside it.
    pub(crate) fn key(&self, view: usize) -> Option<String> {
        let Views { seed, augment, .. } = self;
        view.checked_sub(1).map(|copy| format!("{AUGMENT_REVISION}, {augment}, seed {seed}, copy {copy}"))
    }

    /// View `view` of the image with these pixels, of which `fitted` is what the network would see; `None` for `fitted` itself.
    pub(crate) fn draw(&self, fitted: &Image, pixel_hash: &Digest, view: usize) -> Option<Image> {
        let copy = view.checked_sub(1)?;
        let mut rng = copy_rng(self.seed, pixel_hash, copy as u64);
        Some(self.augment.apply(FloatImage::from(fitted), &mut rng).to_image())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use engraft_testing::noise_u8;

    use super::*;

    fn views(augment: &str, seed: u64) -> Views {
        Views { count: 3, seed, augment: Augmentation::parse(augment).unwrap() }
    }

    #[test]
    fn everything_that_decides_a_view_is_in_its_key() {
        let keys: Vec<Option<String>> =
            [("light", 1, 1), ("light", 1, 2), ("light", 2, 1), ("zoom=0.1", 1, 1)]
                .map(|(augment, seed, view)| views(augment, seed).key(view))
                .into();
        assert!(keys.iter().all(Option::is_some));
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len(), "{keys:?}");
        assert_eq!(views("light", 1).key(0), None);
        let same =
            views("rotation=5,width-shift=0.05,height-shift=0.05,zoom=0.05,color-jitter=0.1:0.1:0.1:0", 1);
        assert_eq!(same.key(1), views("light", 1).key(1), "a preset is what it stands for");
    }

    #[test]
    fn a_view_follows_from_seed_image_and_number() {
        let image = Image::new(6, 6, noise_u8(1, 108)).unwrap();
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let draw = |seed, hash: &Digest, view| views("zoom=0.5", seed).draw(&image, hash, view);
        assert_eq!(draw(1, &one, 0), None);
        assert_eq!(draw(1, &one, 1), draw(1, &one, 1));
        for (seed, hash, view) in [(2, &one, 1), (1, &other, 1), (1, &one, 2)] {
            assert_ne!(draw(seed, hash, view), draw(1, &one, 1), "seed {seed}, view {view}");
        }
    }
}
