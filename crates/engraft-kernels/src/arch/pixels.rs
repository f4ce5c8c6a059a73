//! The pixels that are rounded together, wherever their vectors lie.

use super::Isa;

/// Pixels of whole vectors.
#[derive(Clone, Copy)]
pub(crate) struct Pixels<'a> {
    values: &'a [f32],
    pub count: usize,
    /// Elements between neighbouring pixels.
    stride: usize,
    /// Vectors of a pixel.
    pub vectors: usize,
    /// Elements between the vectors of a pixel.
    vector_stride: usize,
}

impl<'a> Pixels<'a> {
    /// `count` pixels from the beginning of `values` on; the strides are the elements between pixels and between the vectors of a
    /// pixel.
    pub fn new(
        values: &'a [f32],
        count: usize,
        vectors: usize,
        [stride, vector_stride]: [usize; 2],
    ) -> Pixels<'a> {
        Pixels { values, count, stride, vectors, vector_stride }
    }

    /// All vectors of `values`, as one pixel.
    ///
    /// # Panics
    /// If they are not whole.
    pub fn one(values: &'a [f32], lanes: usize) -> Pixels<'a> {
        assert!(values.len().is_multiple_of(lanes), "{} elements in vectors of {lanes}", values.len());
        Pixels::new(values, 1, values.len() / lanes, [values.len(), lanes])
    }

    /// The vector of that number of a pixel; zeros beyond the last.
    ///
    /// # Panics
    /// If the values end before it.
    #[inline(always)]
    pub fn load<I: Isa>(self, isa: I, pixel: usize, vector: usize) -> I::Vector {
        if vector < self.vectors {
            isa.load(&self.values[pixel * self.stride + vector * self.vector_stride..])
        } else {
            isa.splat(0.0)
        }
    }
}
