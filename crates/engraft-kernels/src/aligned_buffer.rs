//! Memory for vectors: starts on a cache line, and its pages are present from the beginning.

use std::fmt::{Debug, Formatter};
use std::ops::{Deref, DerefMut};

use bytemuck::{Pod, cast_slice, cast_slice_mut};

use crate::arch::Part;

/// Zeroed elements whose first one lies on a 64-byte boundary, so that no vector crosses a cache line.
pub struct AlignedBuffer<T = f32>(Memory<T>);

enum Memory<T> {
    /// Some of these elements.
    Own { elements: Vec<T>, start: usize, len: usize },
    /// Cut from a [`crate::Region`].
    Cut(Part),
}

pub(crate) const ALIGNMENT_BYTES: usize = 64;
const PAGE_BYTES: usize = 4096;

impl<T: Pod> AlignedBuffer<T> {
    /// `len` zeros.
    pub fn zeroed(len: usize) -> AlignedBuffer<T> {
        let slack = ALIGNMENT_BYTES / size_of::<T>();
        let mut elements = vec![T::zeroed(); len + slack];
        // The system maps a page when it is first written: do that here, and not in the first run.
        for page in elements.chunks_mut(PAGE_BYTES / size_of::<T>()) {
            page[0] = std::hint::black_box(T::zeroed());
        }
        let start = elements.as_ptr().align_offset(ALIGNMENT_BYTES).min(slack);
        AlignedBuffer(Memory::Own { elements, start, len })
    }
}

impl<T> Default for AlignedBuffer<T> {
    fn default() -> AlignedBuffer<T> {
        AlignedBuffer(Memory::Own { elements: Vec::new(), start: 0, len: 0 })
    }
}

impl<T> From<Part> for AlignedBuffer<T> {
    fn from(part: Part) -> AlignedBuffer<T> {
        AlignedBuffer(Memory::Cut(part))
    }
}

impl<T: Pod + Debug> Debug for AlignedBuffer<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Pod> Deref for AlignedBuffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Memory::Own { elements, start, len } => &elements[*start..*start + *len],
            Memory::Cut(part) => cast_slice(part),
        }
    }
}

impl<T: Pod> DerefMut for AlignedBuffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Memory::Own { elements, start, len } => &mut elements[*start..*start + *len],
            Memory::Cut(part) => cast_slice_mut(part),
        }
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
