//! For tests: the same map with its elements in other places.
//!
//! Source: the memory formats that oneDNN calls `nhwc` and `nChw16c`.

use crate::MapStrides;

/// Copies a map of `[rows, columns, vectors]` from one place to another.
pub(crate) fn regroup(
    from: &[f32],
    from_strides: MapStrides,
    to: &mut [f32],
    to_strides: MapStrides,
    [rows, columns, vectors]: [usize; 3],
    lanes: usize,
) {
    for at in 0..rows * columns * vectors {
        let (row, column, vector) = (at / vectors / columns, at / vectors % columns, at % vectors);
        let place =
            |strides: MapStrides| row * strides.row + column * strides.pixel + vector * strides.vector;
        to[place(to_strides)..][..lanes].copy_from_slice(&from[place(from_strides)..][..lanes]);
    }
}
