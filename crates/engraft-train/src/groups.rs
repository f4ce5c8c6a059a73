//! Images that are the same picture: one group for folds, and a leak where training and test share one.

use std::{collections::HashMap, hash::Hash};

/// A group for each image, numbered by first appearance. Images with the same bytes or the same decoded pixels are in
/// one group, also through a chain of others.
///
/// # Panics
/// If the lists differ in length.
pub fn group_ids<B: Eq + Hash, P: Eq + Hash>(byte_hashes: &[B], pixel_hashes: &[P]) -> Vec<usize> {
    assert_eq!(byte_hashes.len(), pixel_hashes.len(), "each image has both hashes");
    let mut parents: Vec<usize> = (0..byte_hashes.len()).collect();
    join_equal(byte_hashes, &mut parents);
    join_equal(pixel_hashes, &mut parents);
    let mut numbers = HashMap::new();
    (0..parents.len())
        .map(|image| {
            let next = numbers.len();
            *numbers.entry(root(&mut parents, image)).or_insert(next)
        })
        .collect()
}

/// Pairs `(test, train)` of equal keys: the first training image that each test image repeats.
pub fn leaks<K: Eq + Hash>(train: &[K], test: &[K]) -> Vec<(usize, usize)> {
    let mut first = HashMap::new();
    for (index, key) in train.iter().enumerate() {
        first.entry(key).or_insert(index);
    }
    test.iter().enumerate().filter_map(|(index, key)| first.get(key).map(|&train| (index, train))).collect()
}

/// Joins the sets of images with equal keys.
fn join_equal<K: Eq + Hash>(keys: &[K], parents: &mut [usize]) {
    let mut first = HashMap::new();
    for (image, key) in keys.iter().enumerate() {
        let earlier = *first.entry(key).or_insert(image);
        let (a, b) = (root(parents, earlier), root(parents, image));
        parents[a.max(b)] = a.min(b);
    }
}

/// The first image of the set, shortening the path to it.
fn root(parents: &mut [usize], mut image: usize) -> usize {
    while parents[image] != image {
        parents[image] = parents[parents[image]];
        image = parents[image];
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_spreads_through_chains() {
        for (bytes, pixels, want) in [
            ("abc", "xyz", vec![0, 1, 2]),
            ("aab", "xyz", vec![0, 0, 1]),
            ("abc", "xyx", vec![0, 1, 0]),
            // 0 and 2 share bytes, 2 and 1 pixels.
            ("abacd", "xyyzw", vec![0, 0, 0, 1, 2]),
            ("abba", "xxyy", vec![0, 0, 0, 0]),
            ("", "", vec![]),
        ] {
            let keys = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(group_ids(&keys(bytes), &keys(pixels)), want, "{bytes} {pixels}");
        }
    }

    #[test]
    fn a_leak_names_the_first_training_image() {
        assert_eq!(leaks(&["a", "b", "b"], &["c", "b", "a", "b"]), [(1, 1), (2, 0), (3, 1)]);
        assert_eq!(leaks::<u8>(&[], &[1]), []);
    }
}
