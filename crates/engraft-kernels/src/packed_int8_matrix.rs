//! The right matrix of a product of bytes, laid out once in the order in which the product reads it.
//!
//! Source: the layout of Intel's `VPDPBUSD`, "Architecture Instruction Set Extensions Programming Reference"; the arithmetic of
//! Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference" (2018); the
//! correction of the bias of Nagel et al., "Data-free quantization through weight equalization and bias correction" (2019).

use crate::arch::{ByteQuad, Element, Int8Unit};
use crate::packed_matrix::{MostPanelVectors, Panel, panels};
use crate::{AlignedBuffer, ByteScale, MatrixView, Region};

/// Weights in signed bytes, each column with a step of its own, and with a bias in single precision for each column.
///
/// As a [`crate::PackedMatrix`], but of rows by fours; the channels of every tap are padded with zeros.
#[derive(Debug)]
pub struct PackedInt8Matrix {
    unit: Int8Unit,
    input: ByteScale,
    taps: usize,
    tap_quads: usize,
    columns: usize,
    panels: Vec<Panel>,
    values: AlignedBuffer<ByteQuad>,
}

/// The greatest byte of weights; the least is its negative, so that both signs are rounded alike.
const MOST: f32 = 127.0;

impl PackedInt8Matrix {
    /// Most rows: the sums of more might not fit into 32 bits.
    pub const MOST_ROWS: usize = i32::MAX as usize / (255 * 127);

    /// Packs `matrix`, whose rows are `taps` times the same number of channels; each column is multiplied by its element of
    /// `scale` and has its element of `bias`. What it is multiplied with comes in bytes of the scale `input`, and each channel
    /// of it is its element of `means` on average: what rounding the weights changes about the sum of such an input is made
    /// good in the bias.
    ///
    /// # Panics
    /// If a slice is too short, the rows are no multiple of the taps, or there are more than [`PackedInt8Matrix::MOST_ROWS`].
    pub fn pack(
        unit: Int8Unit,
        input: ByteScale,
        means: &[f32],
        taps: usize,
        matrix: MatrixView,
        scale: &[f32],
        bias: &[f32],
    ) -> PackedInt8Matrix {
        assert_eq!(matrix.rows % taps, 0, "{} rows for {taps} taps", matrix.rows);
        assert!(matrix.rows <= PackedInt8Matrix::MOST_ROWS, "{} rows", matrix.rows);
        let channels = matrix.rows / taps;
        let (lanes, tap_quads) = (unit.isa().lanes(), unit.isa().padded(channels) / 4);
        let most = unit.isa().run(MostPanelVectors);
        let panels = panels(lanes, most, taps * tap_quads + ByteQuad::HEAD_ROWS - 1, matrix.columns);
        let mut values = AlignedBuffer::zeroed(panels.iter().map(|panel| panel.len).sum());
        let column = |at| Column::new(matrix, at, scale[at], &means[..channels]);
        let columns: Vec<Column> = (0..matrix.columns).map(column).collect();
        for panel in &panels {
            let width = panel.vectors * lanes;
            let mut rows = values[panel.start..][..panel.len].chunks_exact_mut(width);
            let columns =
                (panel.first_column..matrix.columns).zip(&columns[panel.first_column..]).take(width);
            let head = [rows.next(), rows.next(), rows.next()].map(Option::unwrap_or_default);
            for (place, (at, column)) in columns.clone().enumerate() {
                head[0][place] = ByteQuad::holding_whole(-i32::from(input.zero) * column.sum());
                head[1][place] = ByteQuad::holding(input.step * column.step);
                head[2][place] = ByteQuad::holding(bias[at] + column.lost);
            }
            for (row, to) in rows.enumerate() {
                let (tap, channel) = (row / tap_quads, 4 * (row % tap_quads));
                for (to, (_, column)) in to.iter_mut().zip(columns.clone()) {
                    let byte = |channel: usize| {
                        if channel < channels { column.bytes[tap * channels + channel] } else { 0 }
                    };
                    *to = ByteQuad::signed([0, 1, 2, 3].map(|place| byte(channel + place)));
                }
            }
        }
        PackedInt8Matrix { unit, input, taps, tap_quads, columns: matrix.columns, panels, values }
    }

    /// What multiplies it.
    pub fn unit(&self) -> Int8Unit {
        self.unit
    }

    /// How inputs become bytes.
    pub(crate) fn input(&self) -> ByteScale {
        self.input
    }

    /// Number of taps.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// Quads of channels of each tap, padding included.
    pub fn tap_quads(&self) -> usize {
        self.tap_quads
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
        size_of_val::<[ByteQuad]>(&self.values)
    }

    /// The panels with their packed values, from left to right.
    pub(crate) fn panels(&self) -> impl Iterator<Item = (Panel, &[ByteQuad])> + Clone {
        self.panels.iter().map(|&panel| (panel, &self.values[panel.start..][..panel.len]))
    }
}

/// A column in bytes.
struct Column {
    bytes: Vec<i8>,
    /// What one stands for.
    step: f32,
    /// What rounding takes off the sum of a mean input.
    lost: f32,
}

impl Column {
    /// The rows are taps of as many channels as there are `means`.
    fn new(matrix: MatrixView, column: usize, scale: f32, means: &[f32]) -> Column {
        let value =
            |row: usize| matrix.values[row * matrix.row_stride + column * matrix.column_stride] * scale;
        let largest = (0..matrix.rows).map(|row| value(row).abs()).fold(0.0, f32::max);
        let step = largest / MOST;
        // A column of zeros, or of what cannot be told from them, has no step.
        if !step.is_normal() {
            return Column { bytes: vec![0; matrix.rows], step: 0.0, lost: 0.0 };
        }
        let bytes: Vec<i8> =
            (0..matrix.rows).map(|row| (value(row) / step).round_ties_even() as i8).collect();
        let lost = bytes.iter().zip(means.iter().cycle()).enumerate().map(|(row, (&byte, &mean))| {
            (f64::from(value(row)) - f64::from(byte) * f64::from(step)) * f64::from(mean)
        });
        Column { step, lost: lost.sum::<f64>() as f32, bytes }
    }

    fn sum(&self) -> i32 {
        self.bytes.iter().map(|&byte| i32::from(byte)).sum()
    }
}
