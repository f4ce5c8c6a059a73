//! Keeping freed memory for the next image.

/// As much as an image of 2.8 megapixels: larger ones take so long to decode that their memory does not matter.
const LARGEST_KEPT_BYTES: usize = 8 << 20;

/// Lets the allocator keep freed memory instead of handing it back to the system, up to twice 8 MB a thread.
///
/// Each image is decoded into memory of the size of the last one's. glibc returns pieces of that size to the system and has
/// them mapped and zeroed anew, page by page, which takes as long as decoding a small photograph. It does so below the size
/// of the largest piece it has seen freed; so this function frees a large one. A program calls it once, before its threads
/// start. Other allocators are left as they are.
pub fn keep_freed_memory() {
    // Without the black box the compiler would leave out an allocation that nobody uses.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGEST_KEPT_BYTES)));
}
