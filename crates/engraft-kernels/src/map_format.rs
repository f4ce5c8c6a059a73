//! What the elements of a map are.
//!
//! Source: the pairs are those of Intel's `VDPBF16PS`, "Architecture Instruction Set Extensions Programming Reference".

/// What the words of a map, of 32 bits each, hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MapFormat {
    /// A number of single precision.
    #[default]
    F32,
    /// Two neighbouring channels in bf16, as a [`crate::Bf16Pair`]. Strides count words.
    Bf16,
}

impl MapFormat {
    /// Words of so many neighbouring channels, an even number.
    pub fn words(self, channels: usize) -> usize {
        match self {
            MapFormat::F32 => channels,
            MapFormat::Bf16 => {
                debug_assert!(channels.is_multiple_of(2), "half a pair");
                channels / 2
            }
        }
    }
}
