//! The right matrix of a product of bf16 numbers, laid out once in the order in which the product reads it.
//!
//! Source: the layout of Intel's `VDPBF16PS` and of the right operand of `TDPBF16PS`, "Architecture Instruction Set Extensions
//! Programming Reference".

use crate::arch::Bf16Unit;
use crate::packed_matrix::{GainsFromHalves, MostPanelVectors, Panel, panels, panels_in_halves};
use crate::{AlignedBuffer, Bf16Pair, MatrixView, Region};

/// The weights of a [`crate::RoundedConv2d`] in bf16, with a bias in single precision for each column.
///
/// As a [`crate::PackedMatrix`], but of pairs of rows. The channels of every tap are padded with zeros, up to whole vectors of pairs if
/// there are several taps. A matrix of few columns is in halves where that is faster.
#[derive(Debug)]
pub struct PackedBf16Matrix {
    unit: Bf16Unit,
    taps: usize,
    tap_pairs: usize,
    summed_pairs: usize,
    columns: usize,
    panels: Vec<Panel>,
    values: AlignedBuffer<Bf16Pair>,
}

impl PackedBf16Matrix {
    /// Packs `matrix`, whose rows are `taps` times the same number of channels; each column is multiplied by its element of
    /// `scale` and has its element of `bias`.
    ///
    /// # Panics
    /// If a slice is too short, or the rows are no multiple of the taps.
    pub fn pack(
        unit: Bf16Unit,
        taps: usize,
        matrix: MatrixView,
        scale: &[f32],
        bias: &[f32],
    ) -> PackedBf16Matrix {
        assert_eq!(matrix.rows % taps, 0, "{} rows for {taps} taps", matrix.rows);
        let channels = matrix.rows / taps;
        let (lanes, tap_pairs) = (unit.isa().lanes(), unit.pairs(channels));
        let most = unit.most_vectors(unit.isa().run(MostPanelVectors));
        // The pixels of a window follow each other, zeros included; a single one can be read up to its last channel, in an even number
        // of pairs, so that it can be in halves.
        let is_single = taps == 1 && unit.sums_are_free();
        let summed_pairs = if is_single { channels.div_ceil(2).next_multiple_of(2) } else { tap_pairs };
        let halved = GainsFromHalves { panel_rows: taps * summed_pairs / 2, columns: matrix.columns };
        let panels = if unit.sums_are_free() && unit.isa().run(halved) {
            panels_in_halves(lanes, most, taps * summed_pairs / 2, matrix.columns)
        } else {
            panels(lanes, most, taps * summed_pairs, matrix.columns)
        };
        let mut values = AlignedBuffer::zeroed(panels.iter().map(|panel| panel.len).sum());
        for panel in &panels {
            let (columns, lanes_of_column) = (panel.columns(lanes, matrix.columns), panel.lanes_of_column());
            let mut rows = values[panel.start..][..panel.len].chunks_exact_mut(panel.vectors * lanes);
            let head = rows.next().into_iter().flatten().step_by(lanes_of_column);
            for (to, &bias) in head.zip(&bias[columns.clone()]) {
                *to = Bf16Pair::holding(bias);
            }
            for (row, to) in rows.enumerate() {
                for (halves, column) in to.chunks_exact_mut(lanes_of_column).zip(columns.clone()) {
                    for (half, to) in halves.iter_mut().enumerate() {
                        let pair = row * lanes_of_column + half;
                        let (tap, channel) = (pair / summed_pairs, 2 * (pair % summed_pairs));
                        let at = |channel: usize| {
                            let row = tap * channels + channel;
                            let at = row * matrix.row_stride + column * matrix.column_stride;
                            if channel < channels { matrix.values[at] * scale[column] } else { 0.0 }
                        };
                        *to = Bf16Pair::new(at(channel), at(channel + 1));
                    }
                }
            }
        }
        PackedBf16Matrix { unit, taps, tap_pairs, summed_pairs, columns: matrix.columns, panels, values }
    }

    /// What multiplies it.
    pub fn unit(&self) -> Bf16Unit {
        self.unit
    }

    /// Number of taps.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// Pairs of channels of each tap, padding included.
    pub fn tap_pairs(&self) -> usize {
        self.tap_pairs
    }

    /// Pairs of each tap that meet weights: all, or of a single tap those that hold channels, an even number.
    pub(crate) fn summed_pairs(&self) -> usize {
        self.summed_pairs
    }

    /// Number of columns, without padding.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Moves what it holds to a region.
    pub fn move_to(&mut self, region: &mut Region) {
        region.take_in(&mut self.values);
    }

    /// Memory it takes, in bytes.
    pub fn size_bytes(&self) -> usize {
        size_of_val::<[Bf16Pair]>(&self.values)
    }

    /// The panels with their packed values, from left to right.
    pub(crate) fn panels(&self) -> impl Iterator<Item = (Panel, &[Bf16Pair])> + Clone {
        self.panels.iter().map(|&panel| (panel, &self.values[panel.start..][..panel.len]))
    }
}
