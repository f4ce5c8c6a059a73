//! Memory for vectors: starts on a cache line, and its pages are present from the beginning.

use std::ops::{Deref, DerefMut};

/// Zeroed elements whose first one lies on a 64-byte boundary, so that no vector crosses a cache line.
#[derive(Debug, Default)]
pub struct AlignedBuffer<T = f32> {
    elements: Vec<T>,
    start: usize,
    len: usize,
}

const ALIGNMENT_BYTES: usize = 64;
const PAGE_BYTES: usize = 4096;

impl<T: Copy + Default> AlignedBuffer<T> {
    /// `len` zeros.
    pub fn zeroed(len: usize) -> AlignedBuffer<T> {
        let slack = ALIGNMENT_BYTES / size_of::<T>();
        let mut elements = vec![T::default(); len + slack];
        // The system maps a page when it is first written: do that here, and not in the first run.
        for page in elements.chunks_mut(PAGE_BYTES / size_of::<T>()) {
            page[0] = std::hint::black_box(T::default());
        }
        let start = elements.as_ptr().align_offset(ALIGNMENT_BYTES).min(slack);
        AlignedBuffer { elements, start, len }
    }
}

impl<T> Deref for AlignedBuffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.elements[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for AlignedBuffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.elements[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_zero() {
        for len in [0, 1, 17, 5000] {
            let buffer = AlignedBuffer::<f32>::zeroed(len);
            assert_eq!(buffer.len(), len);
            assert_eq!(buffer.as_ptr() as usize % ALIGNMENT_BYTES, 0, "len {len}");
            assert!(buffer.iter().all(|&x| x == 0.0), "len {len}");
        }
        assert!(AlignedBuffer::<f32>::default().is_empty());
    }
}
