//! Memory for vectors: starts on a cache line, and its pages are present from the beginning.

use std::ops::{Deref, DerefMut};

/// Zeroed elements whose first one lies on a 64-byte boundary, so that no vector crosses a cache line.
#[derive(Debug, Default)]
pub struct AlignedBuffer {
    elements: Vec<f32>,
    start: usize,
    len: usize,
}

const ALIGNMENT_BYTES: usize = 64;
const PAGE_ELEMENTS: usize = 4096 / size_of::<f32>();

impl AlignedBuffer {
    /// `len` zeros.
    pub fn zeroed(len: usize) -> AlignedBuffer {
        let slack = ALIGNMENT_BYTES / size_of::<f32>();
        let mut elements = vec![0.0; len + slack];
        // The system maps a page when it is first written: do that here, and not in the first run.
        for page in elements.chunks_mut(PAGE_ELEMENTS) {
            page[0] = std::hint::black_box(0.0);
        }
        let start = elements.as_ptr().align_offset(ALIGNMENT_BYTES).min(slack);
        AlignedBuffer { elements, start, len }
    }
}

impl Deref for AlignedBuffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.elements[self.start..self.start + self.len]
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.elements[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_zero() {
        for len in [0, 1, 17, 5000] {
            let buffer = AlignedBuffer::zeroed(len);
            assert_eq!(buffer.len(), len);
            assert_eq!(buffer.as_ptr() as usize % ALIGNMENT_BYTES, 0, "len {len}");
            assert!(buffer.iter().all(|&x| x == 0.0), "len {len}");
        }
        assert!(AlignedBuffer::default().is_empty());
    }
}
