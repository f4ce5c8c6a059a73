//! How a window slides over a map: what convolutions and pooling share.

use engraft_graph::{Padding, Shape, same_padding};

/// The places of a sliding window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Rows and columns of the map.
    pub size: [usize; 2],
    /// Values per pixel of the map.
    pub channels: usize,
    /// Height and width of the window, in pixels.
    pub window: [usize; 2],
    /// Vertical and horizontal stride, in pixels.
    pub strides: [usize; 2],
    /// Zeros above and to the left of the map, in pixels.
    pub before: [usize; 2],
    /// Rows and columns of the output.
    pub output_size: [usize; 2],
}

impl Window {
    pub(super) fn new(input: Shape, window: [usize; 2], strides: [usize; 2], padding: Padding) -> Window {
        let (size, channels) = match input {
            Shape::Map { height, width, channels } => ([height, width], channels),
            Shape::Vector { features } => ([1, 1], features),
        };
        let axes = [0, 1].map(|axis| match padding {
            Padding::Valid => (0, (size[axis].saturating_sub(window[axis])) / strides[axis] + 1),
            Padding::Same => {
                let (before, _) = same_padding(size[axis], window[axis], strides[axis]);
                (before, size[axis].div_ceil(strides[axis]))
            }
        });
        let (before, output_size) = ([axes[0].0, axes[1].0], [axes[0].1, axes[1].1]);
        Window { size, channels, window, strides, before, output_size }
    }

    /// Rows and columns that all windows cover together, those of zeros included.
    pub(super) fn covered(&self) -> [usize; 2] {
        [0, 1].map(|axis| (self.output_size[axis] - 1) * self.strides[axis] + self.window[axis])
    }

    /// Pixels of the output.
    pub(super) fn pixels(&self) -> usize {
        self.output_size[0] * self.output_size[1]
    }

    /// Pixels of the window.
    pub(super) fn taps(&self) -> usize {
        self.window[0] * self.window[1]
    }
}
