//! Matrix products and convolutions against the naive loop.

use engraft_testing::{Tolerance, assert_close, noise};

use super::*;
use crate::{InstructionSet, MatrixView};

/// Runs of windows over an image of `[height, width, channels]`: a k x k convolution without padding.
struct Case {
    size: [usize; 3],
    kernel: usize,
    stride: usize,
    columns: usize,
}

impl Case {
    fn out(&self) -> [usize; 2] {
        [0, 1].map(|axis| (self.size[axis] - self.kernel) / self.stride + 1)
    }

    fn sum_len(&self) -> usize {
        self.kernel * self.kernel * self.size[2]
    }

    /// Everything added in double precision.
    fn naive(&self, input: &[f32], weights: &[f32], bias: &[f32], residual: &[f32]) -> Vec<f32> {
        let [_, width, channels] = self.size;
        let mut output = Vec::new();
        for (y, x) in (0..self.out()[0]).flat_map(|y| (0..self.out()[1]).map(move |x| (y, x))) {
            for column in 0..self.columns {
                let mut sum = f64::from(bias[column]) + f64::from(residual[output.len()]);
                for k in 0..self.sum_len() {
                    let (ky, kx, c) = (k / channels / self.kernel, k / channels % self.kernel, k % channels);
                    let at = ((y * self.stride + ky) * width + x * self.stride + kx) * channels + c;
                    sum += f64::from(input[at]) * f64::from(weights[k * self.columns + column]);
                }
                output.push((sum as f32).clamp(0.0, 6.0));
            }
        }
        output
    }

    fn check(&self, isa: InstructionSet) {
        let [height, width, channels] = self.size;
        let [out_height, out_width] = self.out();
        let input = noise(1, height * width * channels);
        let weights = noise(2, self.sum_len() * self.columns);
        let bias = noise(3, self.columns);
        let residual = noise(4, out_height * out_width * self.columns);
        let want = self.naive(&input, &weights, &bias, &residual);
        let matrix = MatrixView::row_major(&weights, self.sum_len(), self.columns);
        let output_layout = RowLayout { run_stride: out_width * self.columns, row_stride: self.columns };
        let mut packed = vec![PackedMatrix::pack(isa, matrix, None, Some(&bias))];
        if channels.is_multiple_of(2) {
            packed.push(PackedMatrix::pack_for_even_segments(isa, matrix, None, Some(&bias)));
        }
        for weights in &packed {
            let mut got = vec![f32::NAN; want.len()];
            let gemm = Gemm {
                weights,
                input: &input,
                input_layout: RowLayout {
                    run_stride: self.stride * width * channels,
                    row_stride: self.stride * channels,
                },
                segments: Segments {
                    count: self.kernel,
                    len: self.kernel * channels,
                    stride: width * channels,
                },
                run_count: out_height,
                run_len: out_width,
                output_layout,
                output_columns: self.columns,
                output_vector_stride: None,
                residual: Some(Residual::new(&residual, output_layout)),
                clamp: Some(Clamp::RELU6),
                activation: None,
            };
            gemm.run(&mut got);
            assert_close(&got, &want, Tolerance { abs: 1e-5 * (self.sum_len() as f32).sqrt(), rel: 1e-5 });
        }
    }
}

#[test]
fn convolutions_equal_the_naive_loop_at_awkward_sizes() {
    for isa in InstructionSet::available() {
        for width in 1..27 {
            Case { size: [2, width, 5], kernel: 1, stride: 1, columns: 17 }.check(isa);
            Case { size: [1, width, 3], kernel: 1, stride: 1, columns: 49 }.check(isa);
            Case { size: [2, width, 6], kernel: 1, stride: 1, columns: 16 }.check(isa);
            Case { size: [2, width, 6], kernel: 1, stride: 1, columns: 24 }.check(isa);
        }
        for columns in 1..66 {
            Case { size: [3, 7, 3], kernel: 1, stride: 1, columns }.check(isa);
            Case { size: [3, 7, 6], kernel: 1, stride: 1, columns }.check(isa);
            Case { size: [5, 29, 4], kernel: 3, stride: 1, columns }.check(isa);
        }
        Case { size: [9, 11, 3], kernel: 3, stride: 2, columns: 33 }.check(isa);
        Case { size: [8, 7, 4], kernel: 5, stride: 1, columns: 24 }.check(isa);
        Case { size: [1, 200, 150], kernel: 1, stride: 1, columns: 80 }.check(isa);
        Case { size: [30, 30, 40], kernel: 1, stride: 1, columns: 16 }.check(isa);
        // Around the longest sums in halves.
        for channels in [384, 386] {
            Case { size: [3, 9, channels], kernel: 1, stride: 1, columns: 24 }.check(isa);
        }
        // Three parts or more, however long those are.
        Case { size: [3, 7, 3000], kernel: 1, stride: 1, columns: 96 }.check(isa);
        // Large weights and more rows than one block takes, in one run and in several.
        Case { size: [1, 600, 600], kernel: 1, stride: 1, columns: 120 }.check(isa);
        Case { size: [48, 20, 350], kernel: 1, stride: 1, columns: 200 }.check(isa);
    }
}

#[test]
fn the_vectors_of_rows_may_lie_apart() {
    for isa in InstructionSet::available() {
        // The sums are long enough for several parts.
        let (lanes, sum_len, [runs, rows, vectors]) = (isa.lanes(), 2880, [3, 13, 5]);
        let (elements, columns) = (sum_len / lanes, vectors * lanes);
        let input = noise(1, runs * rows * sum_len);
        let weights = noise(2, sum_len * columns);
        let matrix = MatrixView::row_major(&weights, sum_len, columns);
        let weights = PackedMatrix::pack(isa, matrix, None, None);
        let residual = noise(3, runs * rows * columns);
        let layout = |row_stride, len| RowLayout { run_stride: rows * len, row_stride };
        let whole = Gemm {
            weights: &weights,
            input: &input,
            input_layout: layout(sum_len, sum_len),
            segments: Segments::one(sum_len),
            run_count: runs,
            run_len: rows,
            output_layout: layout(columns, columns),
            output_columns: columns,
            output_vector_stride: None,
            residual: Some(Residual::new(&residual, layout(columns, columns))),
            clamp: Some(Clamp::RELU),
            activation: Some(Activation::Silu),
        };
        let input = blocked(&input, [rows, elements, lanes]);
        let apart = Gemm {
            input: &input,
            input_layout: layout(lanes, sum_len),
            segments: Segments { count: elements, len: lanes, stride: rows * lanes },
            output_layout: layout(lanes, columns),
            output_vector_stride: Some(rows * lanes),
            ..whole
        };
        let mut want = vec![f32::NAN; runs * rows * columns];
        let mut got = want.clone();
        whole.run(&mut want);
        apart.run(&mut got);
        assert_eq!(got, blocked(&want, [rows, vectors, lanes]), "{}", isa.name());
    }
}

/// `[.., rows, vectors, lanes]` as `[.., vectors, rows, lanes]`.
fn blocked(values: &[f32], [rows, vectors, lanes]: [usize; 3]) -> Vec<f32> {
    let of_run = |run: &[f32]| -> Vec<f32> {
        let vector = |at: usize| &run[(at % rows * vectors + at / rows) * lanes..][..lanes];
        (0..rows * vectors).flat_map(vector).copied().collect()
    };
    values.chunks_exact(rows * vectors * lanes).flat_map(of_run).collect()
}

/// The product of `rows` rows, in input and output one after the other.
fn product<'a>(weights: &'a PackedMatrix, input: &'a [f32], rows: usize) -> Gemm<'a> {
    let (sum_len, columns) = (weights.rows(), weights.columns());
    Gemm {
        weights,
        input,
        input_layout: RowLayout { run_stride: 0, row_stride: sum_len },
        segments: Segments::one(sum_len),
        run_count: 1,
        run_len: rows,
        output_layout: RowLayout { run_stride: 0, row_stride: columns },
        output_columns: columns,
        output_vector_stride: None,
        residual: None,
        clamp: None,
        activation: None,
    }
}

/// A row of two vectors, of which `columns` are stored `vector_stride` elements apart, into `len` elements.
fn store_apart(columns: usize, vector_stride: usize, len: usize) {
    let matrix = vec![1.0; columns];
    let matrix = MatrixView::row_major(&matrix, 1, columns);
    let weights = PackedMatrix::pack(InstructionSet::best(), matrix, None, None);
    let output_vector_stride = Some(vector_stride);
    Gemm { output_vector_stride, ..product(&weights, &[1.0], 1) }.run(&mut vec![0.0; len]);
}

#[test]
#[should_panic(expected = "output too short")]
fn an_output_that_is_short_of_its_last_vector_is_noticed() {
    let lanes = InstructionSet::best().lanes();
    store_apart(2 * lanes, 3 * lanes, 4 * lanes - 1);
}

#[test]
#[should_panic(expected = "lie apart")]
fn a_part_of_a_vector_cannot_lie_apart() {
    let lanes = InstructionSet::best().lanes();
    store_apart(2 * lanes - 1, 3 * lanes, 9 * lanes);
}

#[test]
fn padded_columns_are_zero() {
    for isa in InstructionSet::available() {
        for columns in [3, 24, 40, 56] {
            let (values, input) = (vec![1.0; 6 * columns], [1.0; 12]);
            let scale: Vec<f32> = (0..columns).map(|column| column as f32).collect();
            let matrix = MatrixView::row_major(&values, 6, columns);
            let bias = vec![0.5; columns];
            let weights = PackedMatrix::pack_for_even_segments(isa, matrix, Some(&scale), Some(&bias));
            let (lanes, padded) = (isa.lanes(), isa.padded(columns));
            let mut row: Vec<f32> = scale.iter().map(|scale| 6.0 * scale + 0.5).collect();
            row.resize(padded, 0.0);
            let together = RowLayout { run_stride: 0, row_stride: padded };
            let apart = RowLayout { run_stride: 0, row_stride: lanes };
            for (output_layout, vector_stride) in [(together, None), (apart, Some(2 * lanes))] {
                let mut got = vec![f32::NAN; 2 * padded];
                Gemm {
                    output_layout,
                    output_columns: padded,
                    output_vector_stride: vector_stride,
                    ..product(&weights, &input, 2)
                }
                .run(&mut got);
                let both = [row.clone(), row.clone()].concat();
                let want =
                    if vector_stride.is_some() { blocked(&both, [2, padded / lanes, lanes]) } else { both };
                assert_eq!(got, want, "{}, {columns} columns", isa.name());
            }
        }
    }
}

#[test]
fn segments_of_odd_length_do_not_meet_sums_in_halves() {
    let isa = InstructionSet::best();
    let weights =
        PackedMatrix::pack_for_even_segments(isa, MatrixView::row_major(&[1.0; 6 * 24], 6, 24), None, None);
    let odd = Gemm { segments: Segments { count: 2, len: 3, stride: 3 }, ..product(&weights, &[1.0; 6], 1) };
    let run = || odd.run(&mut [0.0; 24]);
    // Only long vectors have halves.
    assert_eq!(std::panic::catch_unwind(run).is_err(), isa.lanes() == 16);
}

#[test]
#[should_panic(expected = "input too short")]
fn a_short_input_is_noticed() {
    let weights =
        PackedMatrix::pack(InstructionSet::best(), MatrixView::row_major(&[1.0; 6], 3, 2), None, None);
    product(&weights, &[0.0; 5], 2).run(&mut [0.0; 4]);
}
