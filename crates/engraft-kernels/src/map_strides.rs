//! Where the elements of a map lie: pixels as a whole, or channel-blocked, in blocks of one vector.
//!
//! Source: the memory formats that oneDNN calls `nhwc` and `nChw16c`.

/// Where the elements of a map lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapStrides {
    /// Elements between neighbouring rows; words, where an element takes half of one.
    pub row: usize,
    /// Elements between neighbouring pixels of a row.
    pub pixel: usize,
    /// Elements between neighbouring vectors of channels of a pixel: those of a vector where they follow each other.
    pub vector: usize,
}
