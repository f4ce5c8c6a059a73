//! The right matrix of a product, laid out once in the order in which the product reads it.

use std::ops::Range;

use crate::arch::{Isa, SimdOp};
use crate::{AlignedBuffer, InstructionSet, Region};

/// A matrix inside a slice.
#[derive(Clone, Copy)]
pub struct MatrixView<'a> {
    /// Element `(r, c)` is `values[r * row_stride + c * column_stride]`.
    pub values: &'a [f32],
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// Elements between rows.
    pub row_stride: usize,
    /// Elements between columns.
    pub column_stride: usize,
}

impl<'a> MatrixView<'a> {
    /// A matrix whose rows follow each other.
    pub fn row_major(values: &'a [f32], rows: usize, columns: usize) -> MatrixView<'a> {
        MatrixView { values, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The same elements with rows and columns exchanged.
    pub fn transposed(self) -> MatrixView<'a> {
        let MatrixView { values, rows, columns, row_stride, column_stride } = self;
        let (rows, columns) = (columns, rows);
        MatrixView { values, rows, columns, row_stride: column_stride, column_stride: row_stride }
    }
}

/// The right matrix of a [`crate::Gemm`], with a bias for each column, packed for one instruction set.
///
/// Panels of up to three vectors of columns follow each other; each holds its bias and then its part of every row. In halves, a
/// column takes two neighbouring lanes, a row of a panel holds two of the matrix, and the bias stands in the even lane.
#[derive(Debug)]
pub struct PackedMatrix {
    pub(crate) isa: InstructionSet,
    rows: usize,
    columns: usize,
    panels: Vec<Panel>,
    values: AlignedBuffer,
}

/// Some neighbouring columns of a [`PackedMatrix`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panel {
    /// Width in vectors.
    pub vectors: usize,
    /// Whether a column takes two neighbouring lanes, of which the odd one holds the odd rows.
    pub in_halves: bool,
    /// Its first column.
    pub first_column: usize,
    /// Where it starts in the packed values.
    pub start: usize,
    /// Elements it takes.
    pub len: usize,
}

impl Panel {
    /// Its columns, of a matrix that has `columns` of them.
    pub fn columns(self, lanes: usize, columns: usize) -> Range<usize> {
        let most = self.vectors * lanes / self.lanes_of_column();
        self.first_column..columns.min(self.first_column + most)
    }

    /// Columns that its products fill, in whole vectors.
    pub fn width(self, lanes: usize) -> usize {
        (self.vectors * lanes / self.lanes_of_column()).next_multiple_of(lanes)
    }

    /// Lanes of a column, and rows of the matrix in one of the panel.
    pub fn lanes_of_column(self) -> usize {
        if self.in_halves { 2 } else { 1 }
    }
}

impl PackedMatrix {
    /// Packs `matrix`, each column multiplied by its element of `scale` and with its element of `bias` (one and zero where
    /// there is none).
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn pack(
        isa: InstructionSet,
        matrix: MatrixView,
        scale: Option<&[f32]>,
        bias: Option<&[f32]>,
    ) -> PackedMatrix {
        let mut packed = PackedMatrix::empty(isa);
        packed.repack(matrix, scale, bias);
        packed
    }

    /// As [`PackedMatrix::pack`], for products whose segments all have an even length: a matrix of few columns is packed in halves
    /// where that is faster. A product with other segments may panic.
    ///
    /// # Panics
    /// If a slice is too short or the number of rows is odd.
    pub fn pack_for_even_segments(
        isa: InstructionSet,
        matrix: MatrixView,
        scale: Option<&[f32]>,
        bias: Option<&[f32]>,
    ) -> PackedMatrix {
        let MatrixView { rows, columns, .. } = matrix;
        assert!(rows.is_multiple_of(2), "{rows} rows of even segments");
        if !isa.run(GainsFromHalves { panel_rows: rows / 2, columns }) {
            return PackedMatrix::pack(isa, matrix, scale, bias);
        }
        let (lanes, most) = (isa.lanes(), isa.run(MostPanelVectors));
        let panels = panels_in_halves(lanes, most, rows / 2, columns);
        let mut values = AlignedBuffer::zeroed(panels.iter().map(|panel| panel.len).sum());
        for panel in &panels {
            let width = panel.vectors * lanes;
            for (place, column) in panel.columns(lanes, columns).enumerate() {
                let values = &mut values[panel.start + 2 * place..];
                values[0] = bias.map_or(0.0, |bias| bias[column]);
                for row in 0..rows {
                    let value = matrix.values[row * matrix.row_stride + column * matrix.column_stride];
                    values[(1 + row / 2) * width + row % 2] =
                        value * scale.map_or(1.0, |scale| scale[column]);
                }
            }
        }
        PackedMatrix { isa, rows, columns, panels, values }
    }

    /// A matrix without elements, to be packed later.
    pub fn empty(isa: InstructionSet) -> PackedMatrix {
        PackedMatrix { isa, rows: 0, columns: 0, panels: Vec::new(), values: AlignedBuffer::default() }
    }

    /// Packs another matrix as [`PackedMatrix::pack`] does, into the same memory if that held one of the same shape and not in
    /// halves.
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn repack(&mut self, matrix: MatrixView, scale: Option<&[f32]>, bias: Option<&[f32]>) {
        let is_in_halves = self.panels.first().is_some_and(|panel| panel.in_halves);
        if [self.rows, self.columns] != [matrix.rows, matrix.columns] || is_in_halves {
            self.reshape(matrix.rows, matrix.columns);
        }
        let lanes = self.isa.lanes();
        for panel in &self.panels {
            let columns = panel.columns(lanes, matrix.columns);
            let to = &mut self.values[panel.start..][..columns.len()];
            match bias {
                Some(bias) => to.copy_from_slice(&bias[columns]),
                None => to.fill(0.0),
            }
        }
        let mut pack = |&panel: &Panel, row: usize| {
            let columns = panel.columns(lanes, matrix.columns);
            let start = panel.start + (1 + row) * panel.vectors * lanes;
            let to = &mut self.values[start..][..columns.len()];
            copy_columns(matrix, row, columns.start, to);
            for (x, scale) in to.iter_mut().zip(scale.map_or(&[][..], |scale| &scale[columns])) {
                *x *= scale;
            }
        };
        // Either way a large matrix is read from memory from front to back.
        if matrix.column_stride == 1 {
            (0..matrix.rows).for_each(|row| self.panels.iter().for_each(|panel| pack(panel, row)));
        } else {
            self.panels.iter().for_each(|panel| (0..matrix.rows).for_each(|row| pack(panel, row)));
        }
    }

    /// Makes room for a matrix of that shape. What lies beyond the last column is zero and stays so.
    fn reshape(&mut self, rows: usize, columns: usize) {
        self.panels = panels(self.isa.lanes(), self.isa.run(MostPanelVectors), rows, columns);
        let len = self.panels.iter().map(|panel| panel.len).sum();
        if self.values.len() == len {
            self.values.fill(0.0);
        } else {
            self.values = AlignedBuffer::zeroed(len);
        }
        (self.rows, self.columns) = (rows, columns);
    }

    /// The instruction set it is packed for.
    pub fn isa(&self) -> InstructionSet {
        self.isa
    }

    /// Number of rows: the length of the sums.
    pub fn rows(&self) -> usize {
        self.rows
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
        size_of_val::<[f32]>(&self.values)
    }

    /// All packed values, panel by panel.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    /// The panels with their packed values, from left to right.
    pub(crate) fn panels(&self) -> impl Iterator<Item = (Panel, &[f32])> + Clone {
        self.panels.iter().map(|&panel| (panel, &self.values[panel.start..][..panel.len]))
    }
}

fn copy_columns(matrix: MatrixView, row: usize, first_column: usize, to: &mut [f32]) {
    let from = &matrix.values[row * matrix.row_stride + first_column * matrix.column_stride..];
    if matrix.column_stride == 1 {
        to.copy_from_slice(&from[..to.len()]);
    } else {
        for (c, x) in to.iter_mut().enumerate() {
            *x = from[c * matrix.column_stride];
        }
    }
}

/// Panels of `rows` and at most `most` vectors for that many columns.
pub(crate) fn panels(lanes: usize, most: usize, rows: usize, columns: usize) -> Vec<Panel> {
    following(lanes, rows, false, panel_widths(columns.div_ceil(lanes), most))
}

/// The same in halves, where that gains.
pub(crate) fn panels_in_halves(lanes: usize, most: usize, rows: usize, columns: usize) -> Vec<Panel> {
    let mut widths = panel_widths((2 * columns).div_ceil(lanes), most);
    // The columns of three vectors end amid a vector of the output, where no panel can begin.
    widths.reverse();
    following(lanes, rows, true, widths)
}

/// Panels of those widths, one after another.
fn following(lanes: usize, rows: usize, in_halves: bool, widths: Vec<usize>) -> Vec<Panel> {
    let mut panels = Vec::with_capacity(widths.len());
    let (mut first_column, mut start) = (0, 0);
    for vectors in widths {
        assert_eq!(first_column % lanes, 0, "a panel begins with a vector of the output");
        let len = (1 + rows) * vectors * lanes;
        let panel = Panel { vectors, in_halves, first_column, start, len };
        first_column += vectors * lanes / panel.lanes_of_column();
        start += len;
        panels.push(panel);
    }
    panels
}

/// Splits `vectors` into panels of `most` vectors and few narrower ones, which use the registers less well: two panels of
/// two rather than one of three and one of one.
fn panel_widths(vectors: usize, most: usize) -> Vec<usize> {
    let (full, rest) = (vectors / most, vectors % most);
    match rest {
        0 => vec![most; full],
        1 if most == 3 && full > 0 => [vec![3; full - 1], vec![2; 2]].concat(),
        _ => [vec![most; full], vec![rest]].concat(),
    }
}

/// The width of the widest panel that the instruction set multiplies in registers.
pub(crate) struct MostPanelVectors;

impl SimdOp for MostPanelVectors {
    type Output = usize;

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) -> usize {
        I::TILE_ROWS.len()
    }
}

/// Most rows of a panel in halves, which cannot be cut into parts; whether longer ones gain was not measured.
const MOST_ROWS_IN_HALVES: usize = 192;

/// Whether sums in halves are faster. They waste no lanes where half of the last of a few vectors would hold no column; and where
/// there is a single vector, what is loaded of the left matrix serves two multiplications and not one.
pub(crate) struct GainsFromHalves {
    /// Rows that a panel has then.
    pub panel_rows: usize,
    pub columns: usize,
}

impl SimdOp for GainsFromHalves {
    type Output = bool;

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) -> bool {
        let vectors = (2 * self.columns).div_ceil(I::LANES);
        const { assert!(MOST_ROWS_IN_HALVES * I::TILE_ROWS.len() * I::LANES <= I::PART_WEIGHTS, "parts") };
        I::SUMS_IN_HALVES && [2, 3, 5, 7].contains(&vectors) && self.panel_rows <= MOST_ROWS_IN_HALVES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_are_as_wide_as_they_can_be() {
        for (vectors, most, want) in [
            (1, 3, vec![1]),
            (4, 3, vec![2, 2]),
            (5, 3, vec![3, 2]),
            (7, 3, vec![3, 2, 2]),
            (9, 3, vec![3, 3, 3]),
            (5, 2, vec![2, 2, 1]),
            (0, 3, vec![]),
        ] {
            assert_eq!(panel_widths(vectors, most), want, "{vectors} vectors, at most {most}");
        }
    }

    #[test]
    fn panels_in_halves_begin_with_a_vector_of_the_output() {
        for (columns, want) in [(16, vec![0]), (24, vec![0]), (40, vec![0, 16]), (56, vec![0, 16, 32])] {
            let panels = panels_in_halves(16, 3, 10, columns);
            let first_columns: Vec<usize> = panels.iter().map(|panel| panel.first_column).collect();
            assert_eq!(first_columns, want, "{columns} columns");
            let last = panels.last().map(|panel| panel.columns(16, columns));
            assert_eq!(last, Some(want[want.len() - 1]..columns));
        }
    }

    #[test]
    fn long_vectors_take_few_columns_in_halves_and_a_matrix_packed_again_is_whole() {
        for isa in InstructionSet::available() {
            for columns in 1..=80 {
                let values = vec![1.0; 4 * columns];
                let matrix = MatrixView::row_major(&values, 4, columns);
                let is_in_halves = |packed: &PackedMatrix| packed.panels.iter().any(|panel| panel.in_halves);
                let mut packed = PackedMatrix::pack_for_even_segments(isa, matrix, None, None);
                let gains = matches!(columns, 9..=24 | 33..=40 | 49..=56);
                assert_eq!(is_in_halves(&packed), isa.lanes() == 16 && gains, "{}, {columns}", isa.name());
                packed.repack(matrix, None, None);
                assert!(!is_in_halves(&packed));
                assert_eq!(*packed.values, *PackedMatrix::pack(isa, matrix, None, None).values);
            }
        }
    }

    #[test]
    fn a_matrix_that_moves_lies_elsewhere_and_is_the_same() {
        let values: Vec<f32> = (0..15).map(|x| x as f32).collect();
        let matrix = MatrixView::row_major(&values, 3, 5);
        let mut packed = PackedMatrix::pack(InstructionSet::best(), matrix, None, None);
        let (before, want) = (packed.values.as_ptr(), packed.values.to_vec());
        packed.move_to(&mut Region::default());
        assert_eq!(*packed.values, want);
        assert!(cfg!(not(target_os = "linux")) || packed.values.as_ptr() != before);
    }

    #[test]
    fn a_transposed_view_exchanges_rows_and_columns() {
        let view = MatrixView::row_major(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3).transposed();
        let mut row = [0.0; 2];
        copy_columns(view, 1, 0, &mut row);
        assert_eq!((view.rows, view.columns, row), (3, 2, [2.0, 5.0]));
    }
}
