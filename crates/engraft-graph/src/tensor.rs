//! A weight: numbers with a shape, kept in the type they were loaded in.

use std::borrow::Cow;

use half::{f16, slice::HalfFloatSliceExt};

use crate::GraphError;

/// Row-major numbers with a shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: TensorData,
}

/// The elements of a [`Tensor`], in row-major order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TensorData {
    /// Single precision.
    F32(Vec<f32>),
    /// IEEE half precision.
    F16(Vec<f16>),
}

impl Tensor {
    /// A tensor of the given shape.
    ///
    /// # Errors
    /// [`GraphError::ElementCount`] if the data do not fill the shape exactly.
    pub fn new(shape: Vec<usize>, data: TensorData) -> Result<Tensor, GraphError> {
        let count = shape.iter().try_fold(1usize, |product, &len| product.checked_mul(len));
        if count != Some(data.len()) {
            return Err(GraphError::ElementCount { shape, found: data.len() });
        }
        Ok(Tensor { shape, data })
    }

    /// A single-precision tensor; see [`Tensor::new`].
    ///
    /// # Errors
    /// [`GraphError::ElementCount`] if the data do not fill the shape exactly.
    pub fn from_f32(shape: Vec<usize>, data: Vec<f32>) -> Result<Tensor, GraphError> {
        Tensor::new(shape, TensorData::F32(data))
    }

    /// The same elements in the same order in another shape.
    ///
    /// # Errors
    /// [`GraphError::ElementCount`] if the data do not fill the shape exactly.
    pub fn reshaped(self, shape: Vec<usize>) -> Result<Tensor, GraphError> {
        Tensor::new(shape, self.data)
    }

    /// The lengths of its dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its elements in the type they are kept in.
    pub fn data(&self) -> &TensorData {
        &self.data
    }

    /// Its elements as single precision; every half-precision value is converted exactly.
    pub fn to_f32(&self) -> Cow<'_, [f32]> {
        match &self.data {
            TensorData::F32(values) => Cow::Borrowed(values),
            TensorData::F16(values) => {
                let mut singles = vec![0.0; values.len()];
                values.convert_to_f32_slice(&mut singles);
                Cow::Owned(singles)
            }
        }
    }
}

impl TensorData {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            TensorData::F32(values) => values.len(),
            TensorData::F16(values) => values.len(),
        }
    }

    /// Size of the elements, in bytes.
    pub fn byte_len(&self) -> usize {
        match self {
            TensorData::F32(values) => size_of_val(&values[..]),
            TensorData::F16(values) => size_of_val(&values[..]),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_must_fill_the_shape() {
        assert!(Tensor::from_f32(vec![2, 3], vec![0.0; 6]).is_ok());
        let error = Tensor::from_f32(vec![2, 3], vec![0.0; 5]).unwrap_err();
        assert_eq!(error.to_string(), "a tensor of shape [2, 3] has 5 elements, expected 6");
        let error = Tensor::from_f32(vec![usize::MAX, 3], vec![0.0; 5]).unwrap_err();
        assert!(error.to_string().contains("fewer than this machine can address"), "{error}");
    }

    #[test]
    fn half_precision_converts_exactly() {
        let values = [1.0, -0.333_251_95, 65504.0, 5.960_464_5e-8];
        let tensor = Tensor::new(vec![4], TensorData::F16(values.map(f16::from_f32).to_vec())).unwrap();
        assert_eq!(*tensor.to_f32(), values);
        assert_eq!(tensor.data().byte_len(), 4 * 2);
    }
}
