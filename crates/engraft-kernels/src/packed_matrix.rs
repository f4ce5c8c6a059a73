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
/// Panels of up to three vectors of columns follow each other; each holds its bias and then its part of every row.
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
    /// Its first column.
    pub first_column: usize,
    /// Where it starts in the packed values.
    pub start: usize,
    /// Elements it takes.
    pub len: usize,
}

impl Panel {
    /// Its columns, of a matrix that has `columns` of them.
    fn columns(self, lanes: usize, columns: usize) -> Range<usize> {
        self.first_column..columns.min(self.first_column + self.vectors * lanes)
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

    /// A matrix without elements, to be packed later.
    pub fn empty(isa: InstructionSet) -> PackedMatrix {
        PackedMatrix { isa, rows: 0, columns: 0, panels: Vec::new(), values: AlignedBuffer::default() }
    }

    /// Packs another matrix as [`PackedMatrix::pack`] does, into the same memory if it has the same shape.
    ///
    /// # Panics
    /// If a slice is too short.
    pub fn repack(&mut self, matrix: MatrixView, scale: Option<&[f32]>, bias: Option<&[f32]>) {
        if [self.rows, self.columns] != [matrix.rows, matrix.columns] {
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
        if (self.rows, self.columns) == (rows, columns) {
            return;
        }
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

/// Panels of at most `most` vectors for a matrix of that shape.
pub(crate) fn panels(lanes: usize, most: usize, rows: usize, columns: usize) -> Vec<Panel> {
    let widths = panel_widths(columns.div_ceil(lanes), most);
    let mut panels = Vec::with_capacity(widths.len());
    let (mut first_column, mut start) = (0, 0);
    for vectors in widths {
        let len = (1 + rows) * vectors * lanes;
        panels.push(Panel { vectors, first_column, start, len });
        first_column += vectors * lanes;
        start += len;
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
