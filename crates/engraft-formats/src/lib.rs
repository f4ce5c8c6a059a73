//! File formats, one per file, read and written as named tensors.
