//! Memory that asks for huge pages, given out in parts.
//!
//! A network's weights and maps fill thousands of pages of 4 KB: more than a processor remembers the places of, and a virtual
//! machine looks each place up in two tables. Most of them are smaller than a huge page, so they are cut one after another from
//! larger blocks.
//!
//! Source: Linux, `madvise(2)`, `MADV_HUGEPAGE`: many distributions use huge pages only where a program asks for them.

use std::alloc::{Layout, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

use bytemuck::Pod;
use memmap2::MmapMut;

use crate::AlignedBuffer;
use crate::aligned_buffer::ALIGNMENT_BYTES;

/// Memory for buffers that live equally long, such as the weights of a network. A block goes back to the system with the last of its
/// buffers. On other systems than Linux, where nothing would be gained, every buffer has memory of its own.
#[derive(Default)]
pub struct Region {
    /// Where the next buffer comes from.
    block: Option<Block>,
}

impl Region {
    /// `len` zeros, aligned as those of [`AlignedBuffer::zeroed`].
    pub fn zeroed<T: Pod>(&mut self, len: usize) -> AlignedBuffer<T> {
        const { assert!(size_of::<T>() > 0 && ALIGNMENT_BYTES.is_multiple_of(align_of::<T>())) };
        if len == 0 || !IS_WORTHWHILE {
            return AlignedBuffer::zeroed(len);
        }
        let bytes = len.saturating_mul(size_of::<T>());
        let mut part = self.cut(bytes);
        // The system maps a page when it is first written: do that here, and not in the first run.
        part.fill(0);
        AlignedBuffer::from(part)
    }

    /// Moves a buffer here.
    pub fn take_in<T: Pod>(&mut self, buffer: &mut AlignedBuffer<T>) {
        if !buffer.is_empty() && IS_WORTHWHILE {
            let mut part = self.cut(size_of_val::<[T]>(buffer));
            part.copy_from_slice(bytemuck::cast_slice(buffer));
            *buffer = AlignedBuffer::from(part);
        }
    }

    fn cut(&mut self, bytes: usize) -> Part {
        if bytes >= BLOCK_BYTES / 2 {
            return Block::new(bytes).cut(bytes);
        }
        let block = self.block.take().filter(|block| block.room >= bytes);
        self.block.insert(block.unwrap_or_else(|| Block::new(BLOCK_BYTES))).cut(bytes)
    }
}

/// Whether the system can be asked for huge pages.
const IS_WORTHWHILE: bool = cfg!(target_os = "linux");

/// Several huge pages, of which those that are not reached yet take no memory. From half of it on a buffer has a block of its own.
const BLOCK_BYTES: usize = 8 << 20;

/// The size of a huge page with x86-64, and with Arm where other pages have 4 KB.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Memory that parts are cut from, from front to back.
struct Block {
    /// Only kept: its bytes are never reached through it.
    memory: Arc<MmapMut>,
    next: NonNull<u8>,
    /// Bytes that are left from there on.
    room: usize,
}

impl Block {
    /// A block of `len` zeros on the boundary of a huge page. What is left behind the last whole one lies in small pages.
    fn new(len: usize) -> Block {
        let total = len.saturating_add(HUGE_PAGE_BYTES);
        let mut memory = MmapMut::map_anon(total).unwrap_or_else(|_| {
            handle_alloc_error(Layout::array::<u8>(total).unwrap_or(Layout::new::<u8>()))
        });
        let start = memory.as_ptr().align_offset(HUGE_PAGE_BYTES).min(HUGE_PAGE_BYTES);
        // Where the system has none to give, pages stay small.
        #[cfg(target_os = "linux")]
        let _ =
            memory.advise_range(memmap2::Advice::HugePage, start, len / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES);
        let next = NonNull::from(&mut memory[start..]).cast();
        Block { memory: Arc::new(memory), next, room: len }
    }

    /// The next `len` bytes.
    ///
    /// # Panics
    /// If there are fewer.
    fn cut(&mut self, len: usize) -> Part {
        assert!(len <= self.room, "{len} bytes of {}", self.room);
        let part = Part { start: self.next, len, _memory: Arc::clone(&self.memory) };
        let taken = len.next_multiple_of(ALIGNMENT_BYTES).min(self.room);
        self.room -= taken;
        // SAFETY: `room` bytes of the mapping followed `next`, of which these are the first.
        self.next = unsafe { self.next.add(taken) };
        part
    }
}

/// Bytes of a block that nothing else refers to.
pub(crate) struct Part {
    start: NonNull<u8>,
    len: usize,
    /// Only kept, as in the block.
    _memory: Arc<MmapMut>,
}

// SAFETY: a part is the only way to its bytes, since nobody reaches any through the mapping.
unsafe impl Send for Part {}
// SAFETY: a shared part can only be read.
unsafe impl Sync for Part {}

impl Deref for Part {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: a mapping is zero from the beginning, and this one lives as long as its owners, of which this is one. Other parts
        // lie elsewhere, since a block gives out no byte twice.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Part {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and this is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_zero_aligned_and_their_own_also_where_a_block_ends() {
        let mut region = Region::default();
        // Odd lengths, so that blocks are not used up exactly, and large ones among them.
        let lens = [BLOCK_BYTES / 36 + 3, 1, BLOCK_BYTES / 8 - 1, 0, BLOCK_BYTES / 8, BLOCK_BYTES / 4];
        let mut buffers: Vec<_> =
            (0..40).map(|index| region.zeroed::<u32>(lens[index % lens.len()])).collect();
        for (number, buffer) in (1..).zip(&mut buffers) {
            assert!(buffer.iter().all(|&x| x == 0), "buffer {number}");
            assert!(buffer.is_empty() || (buffer.as_ptr() as usize).is_multiple_of(ALIGNMENT_BYTES));
            buffer.fill(number);
        }
        for (index, (number, buffer)) in (1..).zip(&buffers).enumerate() {
            assert_eq!(buffer.len(), lens[index % lens.len()]);
            assert!(buffer.iter().all(|&x| x == number), "buffer {number}");
        }
    }

    #[test]
    fn a_buffer_outlives_its_region_and_goes_to_another_thread() {
        let mut region = Region::default();
        let mut moved = AlignedBuffer::<f32>::zeroed(1000);
        moved.fill(1.5);
        region.take_in(&mut moved);
        let mut kept = region.zeroed::<f32>(1000);
        let apart = (kept.as_ptr() as usize).abs_diff(moved.as_ptr() as usize);
        assert!(!IS_WORTHWHILE || apart == 4032, "{apart} bytes from one to the next");
        drop(region);
        let sum = std::thread::spawn(move || moved.iter().sum::<f32>()).join().unwrap();
        kept.fill(1.0);
        assert_eq!((sum, kept.iter().sum::<f32>()), (1500.0, 1000.0));
    }

    #[test]
    fn a_block_starts_on_a_huge_page_and_can_be_used_up() {
        let mut block = Block::new(HUGE_PAGE_BYTES);
        let part = block.cut(HUGE_PAGE_BYTES - 1);
        assert!((part.as_ptr() as usize).is_multiple_of(HUGE_PAGE_BYTES));
        assert_eq!((part.len(), block.room), (HUGE_PAGE_BYTES - 1, 0));
    }

    #[test]
    // Not on Arm, whose tests may run in an emulator, which ignores the advice.
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    fn huge_pages_are_asked_for() {
        let block = Block::new(BLOCK_BYTES);
        let place = block.next.as_ptr() as usize;
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let range = |line: &str| {
            let (start, rest) = line.split_once('-')?;
            let end = rest.split(' ').next()?;
            Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
        };
        let mut lines =
            maps.lines().skip_while(|line| !range(line).is_some_and(|range| range.contains(&place)));
        let flags = lines.find(|line| line.starts_with("VmFlags:")).unwrap();
        // A system without huge pages does not note it.
        let has_huge_pages = std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists();
        assert!(!has_huge_pages || flags.contains(" hg"), "{flags}");
    }
}
