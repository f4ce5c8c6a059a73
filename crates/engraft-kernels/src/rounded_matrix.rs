//! Weights of fewer bits than single precision: the one place that knows which kinds there are.
//!
//! Source: ONNX `QLinearConv` for bytes; the same product of rounded numbers for bf16.

use crate::arch::{
    Bf16Pair, ByteQuad, Isa, Multiplier, PanelProduct, Pixels, SimdOp, Word, quantize_pixels, round_pixels,
};
use crate::packed_matrix::Panel;
use crate::{PackedBf16Matrix, PackedInt8Matrix, Region, RowLayout};

/// The weights of a [`crate::RoundedConv2d`].
#[derive(Debug)]
pub enum RoundedMatrix {
    /// In bf16.
    Bf16(PackedBf16Matrix),
    /// In bytes.
    Int8(PackedInt8Matrix),
}

impl RoundedMatrix {
    /// Moves what it holds to a region.
    pub fn move_to(&mut self, region: &mut Region) {
        match self {
            RoundedMatrix::Bf16(weights) => weights.move_to(region),
            RoundedMatrix::Int8(weights) => weights.move_to(region),
        }
    }

    /// Memory it takes, in bytes.
    pub fn size_bytes(&self) -> usize {
        match self {
            RoundedMatrix::Bf16(weights) => weights.size_bytes(),
            RoundedMatrix::Int8(weights) => weights.size_bytes(),
        }
    }
}

/// What a convolution asks of weights, and how it rounds what they are multiplied with.
pub(crate) trait Rounding {
    type Word: Word;
    /// Proof that a thread is ready to multiply.
    type Ready;

    fn taps(&self) -> usize;
    /// Words of each tap, padding included.
    fn tap_words(&self) -> usize;
    /// Words of each tap that meet weights.
    fn summed_words(&self) -> usize;
    fn columns(&self) -> usize;
    fn panels(&self) -> impl Iterator<Item = (Panel, &[Self::Word])> + Clone;
    /// Words that must follow the rows of an input.
    fn slack(&self, layout: RowLayout) -> usize;
    /// Prepares the calling thread.
    fn ready(&self) -> Self::Ready;
    fn run<O: SimdOp>(&self, op: O) -> O::Output;
    fn round_pixels<I: Isa>(&self, isa: I, from: Pixels, to: &mut [Self::Word]);
    fn multiply<I: Isa>(isa: I, ready: &Self::Ready, product: PanelProduct<Self::Word>);
}

impl Rounding for PackedBf16Matrix {
    type Word = Bf16Pair;
    type Ready = Multiplier;

    fn taps(&self) -> usize {
        self.taps()
    }

    fn tap_words(&self) -> usize {
        self.tap_pairs()
    }

    fn summed_words(&self) -> usize {
        self.summed_pairs()
    }

    fn columns(&self) -> usize {
        self.columns()
    }

    fn panels(&self) -> impl Iterator<Item = (Panel, &[Bf16Pair])> + Clone {
        self.panels()
    }

    fn slack(&self, layout: RowLayout) -> usize {
        self.unit().slack(layout)
    }

    fn ready(&self) -> Multiplier {
        self.unit().multiplier()
    }

    fn run<O: SimdOp>(&self, op: O) -> O::Output {
        self.unit().run(op)
    }

    #[inline(always)]
    fn round_pixels<I: Isa>(&self, isa: I, from: Pixels, to: &mut [Bf16Pair]) {
        round_pixels(isa, from, to);
    }

    #[inline(always)]
    fn multiply<I: Isa>(isa: I, ready: &Multiplier, product: PanelProduct<Bf16Pair>) {
        ready.run(isa, product);
    }
}

impl Rounding for PackedInt8Matrix {
    type Word = ByteQuad;
    type Ready = ();

    fn taps(&self) -> usize {
        self.taps()
    }

    fn tap_words(&self) -> usize {
        self.tap_quads()
    }

    fn summed_words(&self) -> usize {
        self.tap_quads()
    }

    fn columns(&self) -> usize {
        self.columns()
    }

    fn panels(&self) -> impl Iterator<Item = (Panel, &[ByteQuad])> + Clone {
        self.panels()
    }

    fn slack(&self, _: RowLayout) -> usize {
        0
    }

    fn ready(&self) {}

    fn run<O: SimdOp>(&self, op: O) -> O::Output {
        self.unit().run(op)
    }

    #[inline(always)]
    fn round_pixels<I: Isa>(&self, isa: I, from: Pixels, to: &mut [ByteQuad]) {
        quantize_pixels(isa, self.input(), from, to);
    }

    #[inline(always)]
    fn multiply<I: Isa>(isa: I, (): &(), product: PanelProduct<ByteQuad>) {
        product.run(isa);
    }
}
