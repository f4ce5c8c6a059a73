//! Splits a batch into groups of images that threads take, and sums what the groups found.
//!
//! The groups depend on the number of images alone, and their sums are added in order: so the same bytes come out for any
//! number of threads.

use std::ops::Range;

use rayon::prelude::*;

/// Most groups of a batch: enough to keep some cores busy, few enough to hold a sum for each.
const MOST_GROUPS: usize = 8;

/// The images of each group, as even as possible.
pub(super) fn groups(images: usize) -> impl Iterator<Item = Range<usize>> {
    let count = images.min(MOST_GROUPS);
    (0..count).map(move |group| group * images / count..(group + 1) * images / count)
}

/// What belongs to each group, of values that follow each other image by image.
pub(super) fn split(values: &[f32], images: usize) -> Vec<&[f32]> {
    let len = values.len() / images;
    groups(images).map(|group| &values[group.start * len..group.end * len]).collect()
}

/// What belongs to each group, to be written.
pub(super) fn split_mut<T>(mut values: &mut [T], images: usize) -> Vec<&mut [T]> {
    let len = values.len() / images;
    let mut parts = Vec::with_capacity(MOST_GROUPS);
    for group in groups(images) {
        let (part, rest) = std::mem::take(&mut values).split_at_mut(group.len() * len);
        parts.push(part);
        values = rest;
    }
    parts
}

/// Elements that a thread sums at a time.
const CHUNK: usize = 16 << 10;

/// `total` = the sum of all `parts`, each at least as long, from first to last.
pub(super) fn sum_parts(parts: &[&[f32]], total: &mut [f32]) {
    total.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, total)| {
        let range = chunk * CHUNK..chunk * CHUNK + total.len();
        total.fill(0.0);
        for part in parts {
            for (total, x) in total.iter_mut().zip(&part[range.clone()]) {
                *total += x;
            }
        }
    });
}

/// The sum over all images, from first to last, of what `add` adds to zeros for each; in double precision.
pub(super) fn sum_images(images: usize, len: usize, add: impl Fn(usize, &mut [f64]) + Sync) -> Vec<f64> {
    let mut parts = vec![0.0; images * len];
    parts.par_chunks_exact_mut(len).enumerate().for_each(|(image, sums)| add(image, sums));
    let mut total = vec![0.0; len];
    for part in parts.chunks_exact(len) {
        total.iter_mut().zip(part).for_each(|(total, x)| *total += x);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_is_in_one_group() {
        for images in 1..40 {
            let all: Vec<usize> = groups(images).flatten().collect();
            assert_eq!(all, (0..images).collect::<Vec<_>>());
            let lens: Vec<usize> = groups(images).map(|group| group.len()).collect();
            let (least, most) = (lens.iter().min().unwrap(), lens.iter().max().unwrap());
            assert!(most - least <= 1 && lens.len() <= MOST_GROUPS, "{images} images: {lens:?}");
        }
    }

    #[test]
    fn parts_are_summed() {
        let (a, b) = (vec![1.0; 40_000], vec![2.0; 40_000]);
        let mut total = vec![f32::NAN; 40_000];
        sum_parts(&[&a, &b], &mut total);
        assert!(total.iter().all(|&x| x == 3.0));
    }
}
