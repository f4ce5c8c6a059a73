//! Where the elements of a map lie: pixels as a whole, or channel-blocked, in blocks of one vector.
//!
//! Source: the memory formats that oneDNN calls `nhwc` and `nChw16c`.

/// Where the elements of a map lie; where two of them share a word of 32 bits, all strides count words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapStrides {
    /// Elements between neighbouring rows.
    pub row: usize,
    /// Elements between neighbouring pixels of a row.
    pub pixel: usize,
    /// Elements between neighbouring vectors of channels of a pixel: those of a vector where they follow each other.
    pub vector: usize,
}
