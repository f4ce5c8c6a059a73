//! AMX: products of tiles of bf16, 16 rows by 16 columns by 32 elements of the sums with one instruction.
//!
//! Source: Intel, "Architecture Instruction Set Extensions Programming Reference", `TDPBF16PS`; Linux,
//! `Documentation/arch/x86/xstate.rst`.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::marker::PhantomData;
use std::sync::LazyLock;

use super::gemm_tile::{finish, load_row};
use super::{Bf16Pair, Isa, PanelProduct};
use crate::RowLayout;

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

impl PanelProduct<'_, Bf16Pair> {
    /// Elements of the input that must follow what the rows use: tiles are read whole.
    pub(crate) fn tile_slack(layout: RowLayout) -> usize {
        (ROWS - 1) * layout.row_stride
    }

    /// Computes the product, as [`PanelProduct::run`] does, in tiles. The segments are whole rows of tiles.
    ///
    /// # Panics
    /// If a slice is too short for its layout, or the panel is wider than two vectors.
    #[inline(always)]
    pub(crate) fn run_in_tiles<I: Isa>(self, isa: I, tiles: &Tiles) {
        if self.run_count == 0 || self.run_len == 0 {
            return;
        }
        self.check::<I>();
        assert!(I::LANES == COLUMNS && self.element_stride == 1 && self.segments.len.is_multiple_of(PAIRS));
        let window = (self.segments.count - 1) * self.segments.stride + self.segments.len;
        let span = self.input_layout.span(self.run_count, self.run_len, window);
        let slack = PanelProduct::tile_slack(self.input_layout);
        assert!(self.input.len() >= span.saturating_add(slack), "no room for whole tiles behind the input");
        match self.vectors {
            1 => self.tile_pairs::<I, 1>(isa, tiles),
            2 => self.tile_pairs::<I, 2>(isa, tiles),
            vectors => panic!("a panel of {vectors} vectors"),
        }
    }

    /// Goes through the tiles of rows, two at a time, so that what is read of the panel serves twice.
    #[inline(always)]
    fn tile_pairs<I: Isa, const V: usize>(self, isa: I, tiles: &Tiles) {
        let mut sums = Sums::<V>([[[[0.0; COLUMNS]; V]; ROWS]; 2]);
        let output = self.output.as_mut_ptr();
        let run_tiles = self.run_len.div_ceil(ROWS);
        let count = self.run_count * run_tiles;
        let place = |tile: usize| [tile / run_tiles, tile % run_tiles * ROWS];
        for first in (0..count).step_by(2) {
            // The last tile is computed twice where it has no partner.
            let places = [place(first), place((first + 1).min(count - 1))];
            // SAFETY: `run_in_tiles` has seen that all rows of these tiles lie inside the input.
            unsafe { self.sum_up(places, first / 2, tiles, &mut sums) };
            for (&[run, row], sums) in places.iter().zip(&sums.0).take(count - first) {
                let rows = ROWS.min(self.run_len - row);
                // SAFETY: the rows are those of a run, and `check` has seen the output and the residual.
                unsafe { self.finish_rows::<I, V>(isa, &sums[..rows], [run, row], output) };
            }
        }
    }

    /// The products of two tiles of rows, which start at `places`, with the whole panel. Meanwhile the first and the second
    /// such pair fetch each half of the next panel into the cache.
    ///
    /// # Safety
    /// 16 rows from each place on must lie inside the input.
    #[inline(always)]
    unsafe fn sum_up<const V: usize>(
        &self,
        places: [[usize; 2]; 2],
        pair: usize,
        _: &Tiles,
        sums: &mut Sums<V>,
    ) {
        let [first, second] =
            places.map(|[run, row]| self.input.as_ptr().wrapping_add(self.input_layout.offset(run, row)));
        let row_bytes = self.input_layout.row_stride * size_of::<Bf16Pair>();
        // The bias stands first.
        let mut weights = self.panel.as_ptr().wrapping_add(V * COLUMNS);
        let half = self.next_panel.len() / 2;
        let mut ahead = match pair {
            0 | 1 => Ahead {
                at: self.next_panel.as_ptr().wrapping_add(pair * half),
                step_bytes: V * FETCHED_BYTES,
            },
            _ => Ahead { at: self.panel.as_ptr(), step_bytes: 0 },
        };
        // SAFETY: the caller vouches for the input, `check` has seen the panel; there is a `Tiles`.
        unsafe {
            zero_sums();
            for segment in 0..self.segments.count {
                let at = segment * self.segments.stride;
                let input = [first.wrapping_add(at), second.wrapping_add(at)];
                add_products::<V>(input, row_bytes, weights, self.segments.len / PAIRS, &mut ahead);
                weights = weights.wrapping_add(self.segments.len * V * COLUMNS);
            }
            store_sums(sums);
        }
    }

    /// Adds bias and residual, limits and stores rows of a tile, of which the first is `[run, row]`.
    ///
    /// # Safety
    /// `output` must be that of the product, and the rows must lie inside it and inside the residual.
    #[inline(always)]
    unsafe fn finish_rows<I: Isa, const V: usize>(
        &self,
        isa: I,
        sums: &[[[f32; COLUMNS]; V]],
        [run, row]: [usize; 2],
        output: *mut f32,
    ) {
        // SAFETY: `check` has seen that the panel starts with a vector of bias for each of sums; the caller vouches for the
        // output.
        unsafe {
            let bias = load_row::<I, V>(isa, self.panel.as_ptr().cast());
            for (index, sums) in sums.iter().enumerate() {
                let mut vectors = bias;
                for (vector, sums) in vectors.iter_mut().zip(sums) {
                    *vector = isa.add(*vector, isa.load(sums));
                }
                let row = row + index;
                let output = output.add(self.output_layout.offset(run, row));
                finish::<I, Bf16Pair, 1, V>(isa, self, [vectors], [run, row], output);
            }
        }
    }
}

/// What is fetched into the cache while tiles are multiplied.
struct Ahead {
    at: *const Bf16Pair,
    /// How far to go with every step; 0 where there is nothing to be fetched.
    step_bytes: usize,
}

/// Bytes of a right tile.
const STEP_BYTES: usize = PAIRS * COLUMNS * size_of::<Bf16Pair>();

/// Bytes fetched with every step for each right tile: half of it.
const FETCHED_BYTES: usize = STEP_BYTES / 2;

/// # Safety
/// There must be a [`Tiles`].
#[inline(always)]
unsafe fn zero_sums() {
    // SAFETY: the caller vouches for the instruction.
    unsafe {
        asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nostack, nomem))
    };
}

/// Adds the products of two left tiles after another with the `V` right tiles beside each other, `steps` times.
///
/// # Safety
/// There must be a [`Tiles`]. 16 rows of `steps` tiles from `input` on, `row_bytes` apart, must be readable, and as many
/// right tiles from `weights` on.
#[inline(always)]
unsafe fn add_products<const V: usize>(
    [first, second]: [*const Bf16Pair; 2],
    row_bytes: usize,
    weights: *const Bf16Pair,
    steps: usize,
    ahead: &mut Ahead,
) {
    if steps == 0 {
        return;
    }
    let weights_row_bytes = V * COLUMNS * size_of::<Bf16Pair>();
    // SAFETY: the caller vouches for the instructions and for what is read.
    unsafe {
        if V == 1 {
            asm!(
                "2:",
                "tileloadd tmm6, [{weights} + {weights_row_bytes}]",
                "tileloadd tmm4, [{first} + {row_bytes}]",
                "tileloadd tmm5, [{second} + {row_bytes}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm2, tmm5, tmm6",
                ".irp line, 0, 1, 2, 3, 4, 5, 6, 7",
                "prefetcht1 [{ahead} + 64 * \\line]",
                ".endr",
                "add {first}, 64",
                "add {second}, 64",
                "add {weights}, {weights_step_bytes}",
                "add {ahead}, {ahead_step_bytes}",
                "dec {steps}",
                "jnz 2b",
                first = inout(reg) first => _,
                second = inout(reg) second => _,
                weights = inout(reg) weights => _,
                steps = inout(reg) steps => _,
                row_bytes = in(reg) row_bytes,
                weights_row_bytes = in(reg) weights_row_bytes,
                weights_step_bytes = const STEP_BYTES,
                ahead = inout(reg) ahead.at,
                ahead_step_bytes = in(reg) ahead.step_bytes,
                options(nostack, readonly),
            );
        } else {
            asm!(
                "2:",
                "tileloadd tmm6, [{weights} + {weights_row_bytes}]",
                "tileloadd tmm4, [{first} + {row_bytes}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{weights} + {weights_row_bytes} + 64]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{second} + {row_bytes}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                ".irp line, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15",
                "prefetcht1 [{ahead} + 64 * \\line]",
                ".endr",
                "add {first}, 64",
                "add {second}, 64",
                "add {weights}, {weights_step_bytes}",
                "add {ahead}, {ahead_step_bytes}",
                "dec {steps}",
                "jnz 2b",
                first = inout(reg) first => _,
                second = inout(reg) second => _,
                weights = inout(reg) weights => _,
                steps = inout(reg) steps => _,
                row_bytes = in(reg) row_bytes,
                weights_row_bytes = in(reg) weights_row_bytes,
                weights_step_bytes = const 2 * STEP_BYTES,
                ahead = inout(reg) ahead.at,
                ahead_step_bytes = in(reg) ahead.step_bytes,
                options(nostack, readonly),
            );
        }
    }
}

/// # Safety
/// There must be a [`Tiles`].
#[inline(always)]
unsafe fn store_sums<const V: usize>(sums: &mut Sums<V>) {
    let row_bytes = V * COLUMNS * size_of::<f32>();
    let [first, second] = sums.0.each_mut().map(|rows| rows.as_mut_ptr());
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
