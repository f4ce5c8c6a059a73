//! Sliding windows, and the zeros they read beyond the edge.

use engraft_graph::{Conv2d, DepthwiseConv2d, Margins, Op, Padding, Pool2d, Shape, same_padding};

use crate::plan::layout::Border;

/// The sliding window of an operation that has one.
pub(super) struct Window {
    pub kernel: [usize; 2],
    pub strides: [usize; 2],
    pub padding: Padding,
}

/// The window of a convolution.
pub(super) fn convolution_window(op: &Op) -> Option<Window> {
    match *op {
        Op::Conv2d(Conv2d { kernel, strides, padding, .. })
        | Op::DepthwiseConv2d(DepthwiseConv2d { kernel, strides, padding, .. }) => {
            Some(Window { kernel, strides, padding })
        }
        _ => None,
    }
}

pub(super) fn is_convolution(op: &Op) -> bool {
    convolution_window(op).is_some()
}

impl Window {
    /// The zeros it adds around an input.
    pub(super) fn padding(&self, input: Shape) -> Border {
        let Shape::Map { height, width, .. } = input else { return Border::default() };
        if self.padding == Padding::Valid {
            return Border::default();
        }
        let (top, bottom) = same_padding(height, self.kernel[0], self.strides[0]);
        let (left, right) = same_padding(width, self.kernel[1], self.strides[1]);
        Border { top, bottom, left, right }
    }
}

/// Whether every window of a pool without padding of its own has pixels of the map that there are `zeros` around.
pub(super) fn meets_map(pool: &Pool2d, map: Shape, zeros: Border) -> bool {
    let Shape::Map { height, width, .. } = map else { return false };
    let meets = |axis: usize, len: usize, [before, after]: [usize; 2]| {
        let (window, stride) = (pool.window[axis], pool.strides[axis]);
        let room = before + len + after;
        // The first one ends inside the map, and the last one begins there.
        room >= window && window > before && (room - window) / stride * stride < before + len
    };
    pool.padding == Padding::Valid
        && meets(0, height, [zeros.top, zeros.bottom])
        && meets(1, width, [zeros.left, zeros.right])
}

/// The zeros that a padding adds.
pub(super) fn border(padding: &Margins) -> Border {
    let Margins { top, bottom, left, right } = *padding;
    Border { top, bottom, left, right }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_nothing_but_zeros_are_noticed() {
        let pool = |window, stride, padding| Pool2d { window: [1, window], strides: [1, stride], padding };
        let meets = |pool, width, left, right| {
            let map = Shape::Map { height: 4, width, channels: 8 };
            meets_map(&pool, map, Border { left, right, ..Border::default() })
        };
        assert!(meets(pool(3, 2, Padding::Valid), 112, 1, 1));
        assert!(meets(pool(3, 2, Padding::Valid), 1, 1, 1));
        assert!(!meets(pool(3, 2, Padding::Valid), 112, 3, 0), "the first one");
        assert!(!meets(pool(3, 1, Padding::Valid), 11, 0, 4), "the last one");
        // Where the stride leaves out the window that would have no pixel.
        assert!(meets(pool(3, 5, Padding::Valid), 11, 0, 4));
        assert!(!meets(pool(3, 2, Padding::Same), 112, 1, 1));
        assert!(!meets(pool(9, 1, Padding::Valid), 5, 1, 1), "no window at all");
    }
}
