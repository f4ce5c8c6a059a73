//! How one image's activation lies in its buffer.

use std::ops::Range;

use engraft_graph::Shape;
use engraft_kernels::{MapFormat, MapStrides, RowLayout};

/// Zeros around a map, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Border {
    pub top: usize,
    pub bottom: usize,
    pub left: usize,
    pub right: usize,
}

impl Border {
    /// A border wide enough for both.
    pub(super) fn union(self, other: Border) -> Border {
        Border {
            top: self.top.max(other.top),
            bottom: self.bottom.max(other.bottom),
            left: self.left.max(other.left),
            right: self.right.max(other.right),
        }
    }

    /// One border around the other.
    pub(super) fn around(self, inner: Border) -> Border {
        Border {
            top: self.top + inner.top,
            bottom: self.bottom + inner.bottom,
            left: self.left + inner.left,
            right: self.right + inner.right,
        }
    }
}

/// A map of pixels with a zero border, row by row; a vector is a map of one pixel. Whoever fills the map writes the
/// border too, so that a convolution that reads beyond the edge needs no code for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    /// Elements of a pixel: the channels, and zeros up to whole vectors.
    pub pixel_len: usize,
    /// Elements of a block of channels: all of a pixel, or one vector. A row holds the first block of all its pixels, then the
    /// second: a depthwise convolution, which works on one vector at a time, reads blocks of one from front to back. (oneDNN
    /// calls such a layout channel-blocked, `nChw16c`; here blocks are within a row.)
    pub block_len: usize,
    pub border: Border,
    /// What the elements are. Those of maps in bf16 are words of two channels each.
    pub format: MapFormat,
    /// Elements of any value that follow the buffer, because readers may read beyond it.
    pub slack: usize,
}

impl Layout {
    pub(super) fn new(shape: Shape, pixel_len: usize) -> Layout {
        let (height, width, channels) = match shape {
            Shape::Map { height, width, channels } => (height, width, channels),
            Shape::Vector { features } => (1, 1, features),
        };
        Layout {
            height,
            width,
            channels,
            pixel_len,
            block_len: pixel_len,
            border: Border::default(),
            format: MapFormat::F32,
            slack: 0,
        }
    }

    /// Elements of a row, border included.
    pub(super) fn row_len(&self) -> usize {
        self.columns() * self.pixel_len
    }

    /// Pixels of a row, border included.
    fn columns(&self) -> usize {
        self.border.left + self.width + self.border.right
    }

    /// Elements of the whole buffer; saturates.
    pub(super) fn len(&self) -> usize {
        let rows = self.border.top + self.height + self.border.bottom;
        rows.saturating_mul(self.columns()).saturating_mul(self.pixel_len)
    }

    /// Where row `row` of the map starts, with its left border.
    pub(super) fn row_start(&self, row: usize) -> usize {
        (self.border.top + row) * self.row_len()
    }

    /// Where the first pixel of a window starts that begins `padding` pixels above and to the left of row `row`.
    pub(super) fn window_start(&self, row: usize, padding: Border) -> usize {
        let row = self.border.top + row - padding.top;
        row * self.row_len() + (self.border.left - padding.left) * self.block_len
    }

    /// Rows of the buffer, those of the border included.
    pub(super) fn buffer_rows(&self) -> usize {
        self.border.top + self.height + self.border.bottom
    }

    /// The rows of the map among some rows of the buffer.
    pub(super) fn map_rows(&self, buffer_rows: &Range<usize>) -> Range<usize> {
        let row = |row: usize| row.saturating_sub(self.border.top).min(self.height);
        row(buffer_rows.start)..row(buffer_rows.end)
    }

    /// Elements between rows and between pixels, for those who read or write pixels of single precision as a whole.
    pub(super) fn strides(&self) -> [usize; 2] {
        self.assert_plain();
        [self.row_len(), self.pixel_len]
    }

    /// Elements between rows, pixels and vectors, which have `lanes` elements.
    pub(super) fn map_strides(&self, lanes: usize) -> MapStrides {
        let vector = self.block_stride().unwrap_or(self.format.words(lanes));
        MapStrides { row: self.row_len(), pixel: self.block_len, vector }
    }

    /// Stops a test in which a kernel that knows nothing of blocks or of bf16 meets them.
    pub(super) fn assert_plain(&self) {
        debug_assert_eq!(self.block_len, self.pixel_len, "a map of whole pixels");
        debug_assert_eq!(self.format, MapFormat::F32, "a map in single precision");
    }

    /// Elements between the blocks of a pixel, if it has several.
    pub(super) fn block_stride(&self) -> Option<usize> {
        (self.block_len < self.pixel_len).then(|| self.blocks_len())
    }

    /// Elements of the blocks of the same number in a row, border included.
    pub(super) fn blocks_len(&self) -> usize {
        self.columns() * self.block_len
    }

    /// The pixels as runs, one for each row of the map.
    pub(super) fn rows(&self) -> RowLayout {
        RowLayout { run_stride: self.row_len(), row_stride: self.block_len }
    }

    /// Whether the pixels of all rows follow each other.
    pub(super) fn is_flat(&self) -> bool {
        !self.has_sides() && self.block_stride().is_none()
    }

    fn has_sides(&self) -> bool {
        self.border.left > 0 || self.border.right > 0
    }

    /// Writes the zeros to the left and right of some whole rows.
    pub(super) fn zero_sides(&self, rows: &mut [f32]) {
        if !self.has_sides() {
            return;
        }
        let (left, right) = (self.border.left * self.block_len, self.border.right * self.block_len);
        for blocks in rows.chunks_exact_mut(self.blocks_len()) {
            blocks[..left].fill(0.0);
            let end = blocks.len();
            blocks[end - right..].fill(0.0);
        }
    }

    /// Writes the zeros above and below the map.
    pub(super) fn zero_ends(&self, buffer: &mut [f32]) {
        buffer[..self.row_start(0)].fill(0.0);
        buffer[self.row_start(self.height)..self.len()].fill(0.0);
    }
}
