//! Where the elements of a map lie: pixels as a whole, or grouped by vectors of channels.
//!
//! Source: the memory formats that oneDNN calls `nhwc` and `nChw16c`.

/// Where the elements of a map lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapStrides {
    /// Elements between neighbouring rows.
    pub row: usize,
    /// Elements between neighbouring pixels of a row.
    pub pixel: usize,
    /// Elements between neighbouring vectors of channels of a pixel: those of a vector where they follow each other.
    pub vector: usize,
}

#[cfg(test)]
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
