//! AMX: products of tiles of bf16, 16 rows by 16 columns by 32 elements of the sums with one instruction.
//!
//! Source: Intel, "Architecture Instruction Set Extensions Programming Reference", `TDPBF16PS`; Linux,
//! `Documentation/arch/x86/xstate.rst`.

mod product;

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::LazyLock;

use super::Bf16Pair;

/// Proof that the processor has AMX for bf16 and that the system lets this process use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Amx(());

impl Amx {
    /// The proof, if it can be had.
    pub(super) fn detect() -> Option<Amx> {
        static FOUND: LazyLock<bool> = LazyLock::new(|| has_instructions() && is_permitted());
        FOUND.then_some(Amx(()))
    }
}

/// Rows of a tile.
const ROWS: usize = 16;

/// Columns of a tile of sums.
const COLUMNS: usize = 16;

/// Pairs of elements in a row of a left tile, and rows of a right one.
const PAIRS: usize = 16;

/// The bits of `cpuid` that stand for bf16 and for tiles.
fn has_instructions() -> bool {
    let bits = 1 << 22 | 1 << 24;
    // Leaf 7 exists wherever AVX-512 was found.
    __cpuid_count(7, 0).edx & bits == bits
}

/// Asks the system to save the tiles of this process's threads; Linux does so on request only.
#[cfg(target_os = "linux")]
fn is_permitted() -> bool {
    const ARCH_PRCTL: u64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const XFEATURE_XTILEDATA: u64 = 18;
    let mut result = ARCH_PRCTL;
    // SAFETY: the call reads no memory; it fails where the system does not know it.
    unsafe {
        asm!(
            "syscall",
            inout("rax") result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XFEATURE_XTILEDATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn is_permitted() -> bool {
    false
}

/// The memory image of a tile configuration.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// All tiles of a thread, of full size: 0 to 3 for sums, 4 and 5 for the left matrix, 6 and 7 for the right one. Freed when
/// dropped.
pub(crate) struct Tiles(PhantomData<*const ()>);

impl Tiles {
    /// Takes the tiles of the calling thread.
    pub(crate) fn new(_: Amx) -> Tiles {
        let mut configuration =
            Configuration { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        configuration.row_bytes[..8].fill(64);
        configuration.rows[..8].fill(ROWS as u8);
        // SAFETY: the argument proves the instruction; the compiler uses no tiles.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(nostack, readonly)) };
        Tiles(PhantomData)
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: whoever made `self` had the instruction.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// The sums of two tiles of rows, as they are stored.
#[repr(C, align(64))]
struct Sums<const V: usize>([[[[f32; COLUMNS]; V]; ROWS]; 2]);

/// # Safety
/// There must be a [`Tiles`].
#[inline(always)]
unsafe fn zero_sums() {
    // SAFETY: the caller vouches for the instruction.
    unsafe {
        asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nostack, nomem))
    };
}

/// Adds the products of two left tiles with the `V` right tiles beside each other. Left tiles are loaded as data that is not needed
/// again soon, so that they do not push the right ones out of the first-level cache.
///
/// # Safety
/// There must be a [`Tiles`]. 16 rows of a left tile from each `input` on, `row_bytes` apart, must be readable, and the right tiles
/// from `weights` on.
#[inline(always)]
unsafe fn add_products<const V: usize>(
    [first, second]: [*const Bf16Pair; 2],
    row_bytes: usize,
    weights: *const Bf16Pair,
) {
    let weights_row_bytes = V * COLUMNS * size_of::<Bf16Pair>();
    // SAFETY: the caller vouches for the instructions and for what is read.
    unsafe {
        if V == 1 {
            asm!(
                "tileloadd tmm6, [{weights} + {weights_row_bytes}]",
                "tileloaddt1 tmm4, [{first} + {row_bytes}]",
                "tileloaddt1 tmm5, [{second} + {row_bytes}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm2, tmm5, tmm6",
                first = in(reg) first,
                second = in(reg) second,
                weights = in(reg) weights,
                row_bytes = in(reg) row_bytes,
                weights_row_bytes = in(reg) weights_row_bytes,
                options(nostack, readonly, preserves_flags),
            );
        } else {
            asm!(
                "tileloadd tmm6, [{weights} + {weights_row_bytes}]",
                "tileloaddt1 tmm4, [{first} + {row_bytes}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{weights} + {weights_row_bytes} + 64]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloaddt1 tmm5, [{second} + {row_bytes}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                first = in(reg) first,
                second = in(reg) second,
                weights = in(reg) weights,
                row_bytes = in(reg) row_bytes,
                weights_row_bytes = in(reg) weights_row_bytes,
                options(nostack, readonly, preserves_flags),
            );
        }
    }
}

/// # Safety
/// There must be a [`Tiles`].
#[inline(always)]
unsafe fn load_sums<const V: usize>(sums: &Sums<V>) {
    let row_bytes = V * COLUMNS * size_of::<f32>();
    let [first, second] = sums.0.each_ref().map(|rows| rows.as_ptr());
    // SAFETY: the caller vouches for the instructions; each tile is loaded from its rows of `sums`.
    unsafe {
        asm!(
            "tileloadd tmm0, [{first} + {row_bytes}]",
            "tileloadd tmm2, [{second} + {row_bytes}]",
            first = in(reg) first,
            second = in(reg) second,
            row_bytes = in(reg) row_bytes,
            options(nostack, readonly),
        );
        if V == 2 {
            asm!(
                "tileloadd tmm1, [{first} + {row_bytes} + 64]",
                "tileloadd tmm3, [{second} + {row_bytes} + 64]",
                first = in(reg) first,
                second = in(reg) second,
                row_bytes = in(reg) row_bytes,
                options(nostack, readonly),
            );
        }
    }
}

/// # Safety
/// There must be a [`Tiles`].
#[inline(always)]
unsafe fn store_sums<const V: usize>(sums: &mut MaybeUninit<Sums<V>>) {
    let row_bytes = V * COLUMNS * size_of::<f32>();
    let first = sums.as_mut_ptr().cast::<f32>();
    let second = first.wrapping_add(ROWS * V * COLUMNS);
    // SAFETY: the caller vouches for the instructions; each tile is stored inside its rows of `sums`.
    unsafe {
        asm!(
            "tilestored [{first} + {row_bytes}], tmm0",
            "tilestored [{second} + {row_bytes}], tmm2",
            first = in(reg) first,
            second = in(reg) second,
            row_bytes = in(reg) row_bytes,
            options(nostack),
        );
        if V == 2 {
            asm!(
                "tilestored [{first} + {row_bytes} + 64], tmm1",
                "tilestored [{second} + {row_bytes} + 64], tmm3",
                first = in(reg) first,
                second = in(reg) second,
                row_bytes = in(reg) row_bytes,
                options(nostack),
            );
        }
    }
}
