//! The windows of a node, from its settings.

use engraft_graph::{Padding, Shape, same_padding};
use engraft_kernels::Window;

/// A map's rows, columns and channels; a vector is one pixel.
pub(super) fn map(shape: Shape) -> ([usize; 2], usize) {
    match shape {
        Shape::Map { height, width, channels } => ([height, width], channels),
        Shape::Vector { features } => ([1, 1], features),
    }
}

/// A sliding window over a map.
pub(super) fn window(input: Shape, window: [usize; 2], strides: [usize; 2], padding: Padding) -> Window {
    let (size, channels) = map(input);
    let axes = [0, 1].map(|axis| match padding {
        Padding::Valid => (0, size[axis].saturating_sub(window[axis]) / strides[axis] + 1),
        Padding::Same => {
            let (before, _) = same_padding(size[axis], window[axis], strides[axis]);
            (before, size[axis].div_ceil(strides[axis]))
        }
    });
    let (before, output_size) = ([axes[0].0, axes[1].0], [axes[0].1, axes[1].1]);
    Window { size, channels, window, strides, before, output_size }
}
