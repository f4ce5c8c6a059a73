//! ZCA whitening: decorrelates values over a data set, and stays as close to the image as that allows.

use super::{StandardizeError, eigen::symmetric_eigen};

/// The whitening map, kept as its factors: as one matrix it would have a row and a column for every value of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Whitening {
    values: usize,
    /// Per direction of the data: a unit vector and the factor along it.
    directions: Vec<(Vec<f64>, f64)>,
}

/// The smaller of images and values per image: an eigenproblem of this size takes some ten seconds.
const MAX_RANK: usize = 1024;

/// 800 MB of directions.
const MAX_DIRECTION_VALUES: usize = 100_000_000;

const LIMIT: &str = "1024 of one or the other, and 100 million values together";

impl Whitening {
    /// Learns from one row of values per image.
    ///
    /// Directions in which the data does not vary beyond the precision of its floats are left out; Keras divides their
    /// rounding errors by `epsilon`.
    ///
    /// Source: Keras' `ImageDataGenerator.fit`, the singular vectors of the data; here from the smaller of both products
    /// of the data with itself.
    pub fn fit(rows: &[Vec<f64>], epsilon: f64) -> Result<Whitening, StandardizeError> {
        let (images, values) = (rows.len(), rows[0].len());
        let rank = images.min(values);
        if rank > MAX_RANK || rank.saturating_mul(values) > MAX_DIRECTION_VALUES {
            return Err(StandardizeError::TooLarge { images, values, limit: LIMIT });
        }
        let pairs = if values <= images { from_covariance(rows) } else { from_gram(rows) };
        let largest = pairs.iter().map(|(singular, _)| *singular).fold(0.0, f64::max);
        let smallest = largest * images.max(values) as f64 * f64::from(f32::EPSILON);
        let kept = pairs.into_iter().filter(|(singular, _)| *singular > smallest);
        let factor = |singular: f64| (images as f64).sqrt() / (singular + epsilon);
        let directions = kept.map(|(singular, direction)| (direction, factor(singular))).collect();
        Ok(Whitening { values, directions })
    }

    /// Whitens the values of one image of `(height, width)`.
    pub fn apply(&self, values: &mut [f64], found: (usize, usize)) -> Result<(), StandardizeError> {
        if values.len() != self.values {
            return Err(StandardizeError::Size { found, expected: (self.values / 3 / found.1, found.1) });
        }
        let mut out = vec![0.0; values.len()];
        for (direction, factor) in &self.directions {
            add_scaled(&mut out, direction, factor * dot(direction, values));
        }
        values.copy_from_slice(&out);
        Ok(())
    }
}

/// Singular values and right singular vectors, from the products of columns.
fn from_covariance(rows: &[Vec<f64>]) -> Vec<(f64, Vec<f64>)> {
    let values = rows[0].len();
    let mut products = vec![vec![0.0; values]; values];
    for row in rows {
        for (products, &value) in products.iter_mut().zip(row) {
            add_scaled(products, row, value);
        }
    }
    symmetric_eigen(products).into_iter().map(|(square, vector)| (square.max(0.0).sqrt(), vector)).collect()
}

/// The same from the products of rows, whose eigenvectors are the left singular vectors.
fn from_gram(rows: &[Vec<f64>]) -> Vec<(f64, Vec<f64>)> {
    let products = rows.iter().map(|one| rows.iter().map(|other| dot(one, other)).collect()).collect();
    let right = |(square, left): (f64, Vec<f64>)| {
        let singular = square.max(0.0).sqrt();
        let mut vector = vec![0.0; rows[0].len()];
        if singular > 0.0 {
            rows.iter().zip(&left).for_each(|(row, share)| add_scaled(&mut vector, row, share / singular));
        }
        (singular, vector)
    };
    symmetric_eigen(products).into_iter().map(right).collect()
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

fn add_scaled(sum: &mut [f64], vector: &[f64], scale: f64) {
    sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += scale * value);
}
