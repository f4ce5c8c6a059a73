//! What a caller can ask for that this machine cannot give.

/// A wish for an instruction set that cannot be met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// The name stands for no instruction set.
    #[error("instruction set `{found}` is unknown, expected one of avx512, avx2, neon, portable")]
    UnknownInstructionSet {
        /// The name asked for.
        found: String,
    },
    /// The instruction set exists, but this processor lacks it.
    #[error("instruction set `{found}` is not available on this processor, expected one of {available}")]
    UnavailableInstructionSet {
        /// The name asked for.
        found: String,
        /// The names that would work, separated by commas.
        available: String,
    },
}
