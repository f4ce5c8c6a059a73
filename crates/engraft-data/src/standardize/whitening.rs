//! ZCA whitening: decorrelates values over a data set, and stays as close to the image as that allows.

use serde::{Deserialize, Serialize};

use super::{StandardizeError, eigen::symmetric_eigen};

/// The whitening map, kept as its factors: as one matrix it would have a row and a column for every value of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whitening {
    values: usize,
    /// Per direction of the data, the factor along it.
    factors: Vec<f64>,
    /// `[directions, values]`, unit vectors; kept apart from the rest in a file, since they are many.
    #[serde(skip)]
    pub directions: Vec<f32>,
}

/// The smaller of images and values per image: an eigenproblem of this size takes some minutes.
const MAX_RANK: usize = 1024;

/// 400 MB of directions.
const MAX_DIRECTION_VALUES: usize = 100_000_000;

const LIMIT: &str = "1024 of one or the other, and 100 million values together";

impl Whitening {
    /// Refuses more images, or values of each, than can be learnt from in bounded time and memory.
    pub fn check_size(images: usize, values: usize) -> Result<(), StandardizeError> {
        let rank = images.min(values);
        if rank > MAX_RANK || rank.saturating_mul(values) > MAX_DIRECTION_VALUES {
            return Err(StandardizeError::TooLarge { images, values, limit: LIMIT });
        }
        Ok(())
    }

    /// Learns from one row of values per image, within [`Whitening::check_size`]; nothing without a row and once `is_cancelled`.
    ///
    /// Directions in which the data does not vary beyond the precision of its floats are left out; Keras divides their
    /// rounding errors by `epsilon`.
    ///
    /// Source: Keras' `ImageDataGenerator.fit`, the singular vectors of the data; here from the smaller of both products
    /// of the data with itself.
    pub fn fit(rows: &[Vec<f64>], epsilon: f64, is_cancelled: &dyn Fn() -> bool) -> Option<Whitening> {
        let (images, values) = (rows.len(), rows.first()?.len());
        let solve = if values <= images { from_covariance } else { from_gram };
        let pairs = solve(rows, is_cancelled)?;
        let largest = pairs.iter().map(|(singular, _)| *singular).fold(0.0, f64::max);
        let smallest = largest * images.max(values) as f64 * f64::from(f32::EPSILON);
        let kept = pairs.into_iter().filter(|(singular, _)| *singular > smallest);
        let mut whitening = Whitening { values, factors: Vec::new(), directions: Vec::new() };
        for (singular, direction) in kept {
            whitening.factors.push((images as f64).sqrt() / (singular + epsilon));
            whitening.directions.extend(direction.into_iter().map(|value| value as f32));
        }
        Some(whitening)
    }

    /// Whether all of it is there, and for images of `values` values.
    pub fn is_complete(&self, values: usize) -> bool {
        let len = self.factors.len().checked_mul(self.values);
        let finite = self.factors.iter().all(|factor| factor.is_finite())
            && self.directions.iter().all(|value| value.is_finite());
        self.values == values && len == Some(self.directions.len()) && finite
    }

    /// Whitens the values of one image of `(height, width)`.
    pub fn apply(&self, values: &mut [f64], found: (usize, usize)) -> Result<(), StandardizeError> {
        if values.len() != self.values {
            return Err(StandardizeError::Size { found, expected: (self.values / 3 / found.1, found.1) });
        }
        let mut out = vec![0.0; values.len()];
        for (direction, factor) in self.directions.chunks_exact(self.values).zip(&self.factors) {
            let along: f64 = direction.iter().zip(&*values).map(|(&a, b)| f64::from(a) * b).sum();
            let add = |(out, &value): (&mut f64, &f32)| *out += factor * along * f64::from(value);
            out.iter_mut().zip(direction).for_each(add);
        }
        values.copy_from_slice(&out);
        Ok(())
    }
}

/// Singular values and right singular vectors, from the products of columns; nothing once `is_cancelled`.
fn from_covariance(rows: &[Vec<f64>], is_cancelled: &dyn Fn() -> bool) -> Option<Vec<(f64, Vec<f64>)>> {
    let values = rows[0].len();
    let mut products = vec![vec![0.0; values]; values];
    for row in rows {
        if is_cancelled() {
            return None;
        }
        for (products, &value) in products.iter_mut().zip(row) {
            add_scaled(products, row, value);
        }
    }
    let pairs = symmetric_eigen(products, is_cancelled)?;
    Some(pairs.into_iter().map(|(square, vector)| (square.max(0.0).sqrt(), vector)).collect())
}

/// The same from the products of rows, whose eigenvectors are the left singular vectors.
fn from_gram(rows: &[Vec<f64>], is_cancelled: &dyn Fn() -> bool) -> Option<Vec<(f64, Vec<f64>)>> {
    let products_with =
        |one: &Vec<f64>| (!is_cancelled()).then(|| rows.iter().map(|other| dot(one, other)).collect());
    let products = rows.iter().map(products_with).collect::<Option<_>>()?;
    let right = |(square, left): (f64, Vec<f64>)| {
        let singular = square.max(0.0).sqrt();
        let mut vector = vec![0.0; rows[0].len()];
        if singular > 0.0 {
            rows.iter().zip(&left).for_each(|(row, share)| add_scaled(&mut vector, row, share / singular));
        }
        (singular, vector)
    };
    let pairs = symmetric_eigen(products, is_cancelled)?;
    pairs.into_iter().map(|pair| (!is_cancelled()).then(|| right(pair))).collect()
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

fn add_scaled(sum: &mut [f64], vector: &[f64], scale: f64) {
    sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += scale * value);
}
