//! Feature rows as every head takes them.

use crate::Error;

/// Borrowed feature rows, checked to be rectangular and finite.
#[derive(Clone, Copy, Debug)]
pub struct Features<'a> {
    values: &'a [f32],
    dim: usize,
}

impl<'a> Features<'a> {
    /// Takes `values` `[rows, dim]`, row-major.
    ///
    /// # Errors
    /// If the values do not make whole rows, or one of them is not finite.
    pub fn new(values: &'a [f32], dim: usize) -> Result<Features<'a>, Error> {
        if dim == 0 || !values.len().is_multiple_of(dim) {
            return Err(Error::RowLength { found: values.len(), dim });
        }
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            let (row, column) = (index / dim, index % dim);
            return Err(Error::NonFiniteFeature { row, column, value: values[index] });
        }
        Ok(Features { values, dim })
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Length of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Row `index`.
    pub fn row(&self, index: usize) -> &'a [f32] {
        &self.values[index * self.dim..(index + 1) * self.dim]
    }
}

/// Per-column shift and scale that give rows mean 0 and standard deviation 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Standardisation {
    pub mean: Vec<f32>,
    pub scale: Vec<f32>,
}

impl Standardisation {
    /// The mean and population standard deviation of `rows`; a constant column has scale 1.
    pub fn of(features: Features<'_>, rows: &[usize]) -> Standardisation {
        Standardisation::of_rows(features.values, features.dim, rows)
    }

    /// The same for `values` `[_, dim]` that are known to be finite.
    pub fn of_rows(values: &[f32], dim: usize, rows: &[usize]) -> Standardisation {
        let count = rows.len() as f64;
        let mut mean = vec![0.0; dim];
        let mut variance = vec![0.0; dim];
        for &row in rows {
            let row = &values[row * dim..][..dim];
            mean.iter_mut().zip(row).for_each(|(mean, &x)| *mean += f64::from(x) / count);
        }
        for &row in rows {
            let row = &values[row * dim..][..dim];
            for ((variance, mean), &x) in variance.iter_mut().zip(&mean).zip(row) {
                *variance += (f64::from(x) - mean).powi(2) / count;
            }
        }
        let scale = variance.iter().zip(&mean).map(|(&variance, &mean)| scale(variance, mean)).collect();
        Standardisation { mean: mean.into_iter().map(|mean| mean as f32).collect(), scale }
    }

    /// The chosen rows, standardised, `[rows, dim]`.
    pub fn apply(&self, features: Features<'_>, rows: &[usize]) -> Vec<f32> {
        rows.iter().flat_map(|&row| self.standardised(features.row(row))).collect()
    }

    /// One standardised row.
    pub fn standardised<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        row.iter().zip(&self.mean).zip(&self.scale).map(|((x, mean), scale)| (x - mean) / scale)
    }
}

/// The standard deviation, or 1 where the spread is only the rounding of the mean.
fn scale(variance: f64, mean: f64) -> f32 {
    let deviation = variance.sqrt() as f32;
    if deviation > f32::EPSILON * mean.abs() as f32 && deviation.is_normal() { deviation } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_rows_are_named() {
        assert!(matches!(Features::new(&[1.0; 5], 2), Err(Error::RowLength { found: 5, dim: 2 })));
        assert!(matches!(Features::new(&[], 0), Err(Error::RowLength { .. })));
        let error = Features::new(&[0.0, 1.0, 2.0, f32::NAN], 2).unwrap_err();
        assert_eq!(error.to_string(), "feature 1 of row 1 is NaN, expected a finite number");
    }

    #[test]
    fn standardised_columns_have_mean_zero_and_deviation_one() {
        let values = [1.0, 7.0, 1e6, 3.0, 7.0, 3e6, 99.0, 99.0, 99.0];
        let features = Features::new(&values, 3).unwrap();
        let standardisation = Standardisation::of(features, &[0, 1]);
        assert_eq!(standardisation.apply(features, &[0, 1]), [-1.0, 0.0, -1.0, 1.0, 0.0, 1.0]);
        assert_eq!(standardisation.scale[1], 1.0);
    }
}
