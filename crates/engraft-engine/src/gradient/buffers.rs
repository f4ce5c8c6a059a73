//! Memory that is used again from step to step.

use engraft_kernels::AlignedBuffer;

/// Buffers without an owner.
#[derive(Default)]
pub(super) struct Buffers {
    free: Vec<Vec<f32>>,
}

impl Buffers {
    /// A buffer of `len` values, whatever they are: the smallest that is large enough, else the largest, which grows.
    pub(super) fn take(&mut self, len: usize) -> Vec<f32> {
        let fitting = (0..self.free.len()).filter(|&at| self.free[at].capacity() >= len);
        let best = fitting.min_by_key(|&at| self.free[at].capacity());
        let best = best.or_else(|| (0..self.free.len()).max_by_key(|&at| self.free[at].capacity()));
        let mut buffer = best.map(|at| self.free.swap_remove(at)).unwrap_or_default();
        if buffer.capacity() < len {
            buffer = Vec::with_capacity(len);
        }
        buffer.resize(len, 0.0);
        buffer
    }

    /// Gives a buffer back.
    pub(super) fn give(&mut self, buffer: Vec<f32>) {
        self.free.push(buffer);
    }
}

/// Makes `buffer` at least `len` long and returns that many of its values, whatever they are.
pub(super) fn sized<T: Copy + Default>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    if buffer.len() < len {
        buffer.clear();
        buffer.resize(len, T::default());
    }
    &mut buffer[..len]
}

/// The same for a buffer whose vectors lie on cache lines.
pub(super) fn sized_aligned(buffer: &mut AlignedBuffer, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        *buffer = AlignedBuffer::zeroed(len);
    }
    &mut buffer[..len]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_buffer_that_fits_is_taken() {
        let mut buffers = Buffers::default();
        for len in [100, 10, 1000] {
            buffers.give(vec![0.0; len]);
        }
        assert_eq!(buffers.take(50).capacity(), 100);
        assert_eq!((buffers.take(2000).len(), buffers.free.len()), (2000, 1));
    }
}
