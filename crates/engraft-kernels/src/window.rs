//! How a window slides over a map: what convolutions and pooling share in training.
//!
//! Source: Keras `Conv2D` and `MaxPooling2D`: window `i` begins `i * strides - before` pixels into the map.

use std::ops::Range;

/// The places of a window over one map of `[height, width, channels]`. Each must hold a pixel of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns of the map.
    pub size: [usize; 2],
    /// Values per pixel of the map.
    pub channels: usize,
    /// Height and width of the window, in pixels.
    pub window: [usize; 2],
    /// Vertical and horizontal stride, in pixels.
    pub strides: [usize; 2],
    /// How far the first window begins above and to the left of the map, in pixels.
    pub before: [usize; 2],
    /// Rows and columns of output pixels.
    pub output_size: [usize; 2],
}

impl Window {
    /// Rows and columns that all windows cover together, those outside the map included.
    pub fn covered(&self) -> [usize; 2] {
        [0, 1].map(|axis| (self.output_size[axis] - 1) * self.strides[axis] + self.window[axis])
    }

    /// Elements of the map.
    pub fn input_len(&self) -> usize {
        self.size[0] * self.size[1] * self.channels
    }

    /// Pixels of the output.
    pub fn output_pixels(&self) -> usize {
        self.output_size[0] * self.output_size[1]
    }

    /// Pixels of the window.
    pub fn taps(&self) -> usize {
        self.window[0] * self.window[1]
    }

    /// The rows or columns of the map that window `index` covers along an axis, and how many it has before them.
    fn covered_by(&self, axis: usize, index: usize) -> (Range<usize>, usize) {
        let start = index * self.strides[axis];
        let end = (start + self.window[axis]).saturating_sub(self.before[axis]).min(self.size[axis]);
        let first = start.saturating_sub(self.before[axis]);
        assert!(first < end, "a window outside the map");
        (first..end, self.before[axis].saturating_sub(start))
    }

    /// Pixels of the map under the window of an output pixel, counted row by row.
    pub(crate) fn pixels_inside(&self, output_pixel: usize) -> usize {
        let [y, x] = [output_pixel / self.output_size[1], output_pixel % self.output_size[1]];
        self.covered_by(0, y).0.len() * self.covered_by(1, x).0.len()
    }

    /// Calls `visit` for every pixel of the map under the window of an output pixel, row by row: with its place in the
    /// window and with the offset of its first element in the map.
    #[inline(always)]
    pub(crate) fn each_pixel(&self, output_pixel: usize, mut visit: impl FnMut(usize, usize)) {
        let [y, x] = [output_pixel / self.output_size[1], output_pixel % self.output_size[1]];
        let ((rows, above), (columns, left)) = (self.covered_by(0, y), self.covered_by(1, x));
        for (row, at_row) in rows.zip(above..) {
            for (column, at_column) in columns.clone().zip(left..) {
                let place = at_row * self.window[1] + at_column;
                visit(place, (row * self.size[1] + column) * self.channels);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_cut_at_the_edge_of_the_map() {
        let window = Window {
            size: [3, 2],
            channels: 10,
            window: [3, 3],
            strides: [2, 1],
            before: [1, 1],
            output_size: [2, 2],
        };
        let visited = |pixel| {
            let mut visited = Vec::new();
            window.each_pixel(pixel, |place, start| visited.push((place, start)));
            assert_eq!(window.pixels_inside(pixel), visited.len());
            visited
        };
        assert_eq!(visited(0), [(4, 0), (5, 10), (7, 20), (8, 30)]);
        assert_eq!(visited(3), [(0, 20), (1, 30), (3, 40), (4, 50)]);
        assert_eq!(window.covered(), [5, 4]);
    }
}
