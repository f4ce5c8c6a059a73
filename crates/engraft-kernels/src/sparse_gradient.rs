//! Both gradients of a convolution where most elements of the gradient of its output are zero: only the others are computed
//! with.
//!
//! Behind max pooling no more than one pixel of each window has a gradient, for each filter another one, and none where
//! ReLU has cut the maximum off. Pixels and filters with nothing between them do not form a smaller matrix, so the sums go
//! filter by filter over a list of what is not zero: each term scales the rows of one window of the input.
//!
//! Source: Keras `Conv2D`; the chain rule.

use crate::InstructionSet;
use crate::arch::{Isa, SimdOp};

/// An element of the gradient that is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Term {
    /// Where its window begins, in pixels of the input.
    pub pixel: u32,
    /// The element.
    pub value: f32,
}

/// The elements of a gradient that are not zero, filter by filter.
#[derive(Debug, Default)]
pub struct Terms {
    terms: Vec<Term>,
    /// How many each filter has.
    lens: Vec<usize>,
    /// Room for each filter.
    capacity: usize,
}

impl Terms {
    /// Collects `gradient`, `[pixels, filters]`, the gradient of maxima. `places` tells where in its pooling window each of them
    /// stands, `of_place` how many pixels of the input that is from the first place, and `corner` where in the input the window
    /// of the first place begins, for each pixel of the gradient.
    ///
    /// # Panics
    /// If the lengths differ or are no multiple of `filters`, or a place is not in `of_place`.
    pub fn collect(
        &mut self,
        filters: usize,
        gradient: &[f32],
        places: &[u16],
        of_place: &[u32],
        corner: impl Fn(usize) -> usize,
    ) {
        assert_eq!((gradient.len(), gradient.len() % filters), (places.len(), 0), "elements of the gradient");
        // One more than there can be: where a zero stands until the next term overwrites it.
        self.capacity = gradient.len() / filters + 1;
        self.lens.clear();
        self.lens.resize(filters, 0);
        self.terms.resize(filters * self.capacity, Term::default());
        let pixels = gradient.chunks_exact(filters).zip(places.chunks_exact(filters));
        for (number, (gradient, places)) in pixels.enumerate() {
            let corner = corner(number) as u32;
            let lists = self.terms.chunks_exact_mut(self.capacity).zip(&mut self.lens);
            for ((list, len), (&value, &place)) in lists.zip(gradient.iter().zip(places)) {
                list[*len] = Term { pixel: corner + of_place[usize::from(place)], value };
                *len += usize::from(value != 0.0);
            }
        }
    }

    /// The terms of each filter.
    fn lists(&self) -> impl Iterator<Item = &[Term]> {
        self.terms.chunks_exact(self.capacity.max(1)).zip(&self.lens).map(|(list, &len)| &list[..len])
    }
}

/// The windows of a convolution over some channels of its input, which is `[height, width, channels]`.
#[derive(Clone, Copy, Debug)]
pub struct SparseGradient<'a> {
    /// What the gradient of the output consists of.
    pub terms: &'a Terms,
    /// Rows of a window.
    pub window_rows: usize,
    /// Elements of each, which follow each other.
    pub window_row_len: usize,
    /// Elements between the rows of a window.
    pub window_row_stride: usize,
    /// Elements of a pixel.
    pub channels: usize,
}

/// Most vectors of a window's row.
const MOST_VECTORS: usize = 12;

/// Most vectors of a row for three rows to be kept in registers together.
const MOST_VECTORS_OF_THREE: usize = 4;

impl SparseGradient<'_> {
    /// The longest row of a window.
    pub fn longest_row(isa: InstructionSet) -> usize {
        MOST_VECTORS * isa.lanes()
    }

    /// Adds the gradient of the kernel to `kernel_gradient`, `[filters, window_rows, window_row_len]` with the rows padded to
    /// whole vectors; what is added to the padding means nothing.
    ///
    /// # Panics
    /// If a slice is too short, `input` for whole vectors at the end of the last window, or a row is longer than
    /// [`SparseGradient::longest_row`].
    pub fn add_kernel_gradient(self, isa: InstructionSet, input: &[f32], kernel_gradient: &mut [f32]) {
        isa.run(Run { layer: self, task: Gather { input, kernel_gradient } });
    }

    /// Adds the gradient of the input to `input_gradient`. `kernel` is laid out as the kernel's gradient, with zeros in the
    /// padding.
    ///
    /// # Panics
    /// As [`SparseGradient::add_kernel_gradient`], with `input_gradient` as long as the input.
    pub fn add_input_gradient(self, isa: InstructionSet, kernel: &[f32], input_gradient: &mut [f32]) {
        isa.run(Run { layer: self, task: Scatter { kernel, input_gradient } });
    }
}

/// What is done with the terms of one filter and `R` rows of its windows, each of `V` vectors, from row `first` on.
trait Task {
    fn filter<I: Isa, const R: usize, const V: usize>(
        &mut self,
        isa: I,
        layer: &SparseGradient,
        terms: &[Term],
        at: Rows,
    );
}

/// Some rows of the windows.
#[derive(Clone, Copy)]
struct Rows {
    /// Where they lie in the kernel of all filters.
    kernel: usize,
    /// How far they lie from where a window begins.
    input: usize,
}

struct Run<'a, T> {
    layer: SparseGradient<'a>,
    task: T,
}

impl<T: Task> SimdOp for Run<'_, T> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Run { layer, mut task } = self;
        let vectors = layer.window_row_len.div_ceil(I::LANES);
        if layer.window_rows == 3 && vectors <= MOST_VECTORS_OF_THREE {
            match vectors {
                1 => all_filters::<I, T, 3, 1>(isa, &layer, &mut task),
                2 => all_filters::<I, T, 3, 2>(isa, &layer, &mut task),
                3 => all_filters::<I, T, 3, 3>(isa, &layer, &mut task),
                _ => all_filters::<I, T, 3, 4>(isa, &layer, &mut task),
            }
            return;
        }
        match vectors {
            1 => all_filters::<I, T, 1, 1>(isa, &layer, &mut task),
            2 => all_filters::<I, T, 1, 2>(isa, &layer, &mut task),
            3 => all_filters::<I, T, 1, 3>(isa, &layer, &mut task),
            4 => all_filters::<I, T, 1, 4>(isa, &layer, &mut task),
            5 => all_filters::<I, T, 1, 5>(isa, &layer, &mut task),
            6 => all_filters::<I, T, 1, 6>(isa, &layer, &mut task),
            7 => all_filters::<I, T, 1, 7>(isa, &layer, &mut task),
            8 => all_filters::<I, T, 1, 8>(isa, &layer, &mut task),
            9 => all_filters::<I, T, 1, 9>(isa, &layer, &mut task),
            10 => all_filters::<I, T, 1, 10>(isa, &layer, &mut task),
            11 => all_filters::<I, T, 1, 11>(isa, &layer, &mut task),
            12 => all_filters::<I, T, 1, 12>(isa, &layer, &mut task),
            vectors => panic!("a row of {vectors} vectors, expected at most {MOST_VECTORS}"),
        }
    }
}

/// Row by row of the windows, so that what all filters read of the input stays in the first-level cache.
#[inline(always)]
fn all_filters<I: Isa, T: Task, const R: usize, const V: usize>(
    isa: I,
    layer: &SparseGradient,
    task: &mut T,
) {
    let row_len = V * I::LANES;
    for first in (0..layer.window_rows).step_by(R) {
        for (filter, terms) in layer.terms.lists().enumerate() {
            let kernel = (filter * layer.window_rows + first) * row_len;
            task.filter::<I, R, V>(
                isa,
                layer,
                terms,
                Rows { kernel, input: first * layer.window_row_stride },
            );
        }
    }
}

struct Gather<'a> {
    input: &'a [f32],
    kernel_gradient: &'a mut [f32],
}

impl Task for Gather<'_> {
    #[inline(always)]
    fn filter<I: Isa, const R: usize, const V: usize>(
        &mut self,
        isa: I,
        layer: &SparseGradient,
        terms: &[Term],
        at: Rows,
    ) {
        let row_len = V * I::LANES;
        let kernel_gradient = &mut self.kernel_gradient[at.kernel..][..R * row_len];
        let mut sums = [[isa.splat(0.0); V]; R];
        for (sums, from) in sums.iter_mut().zip(kernel_gradient.chunks_exact(row_len)) {
            for (sum, from) in sums.iter_mut().zip(from.chunks_exact(I::LANES)) {
                *sum = isa.load(from);
            }
        }
        for term in terms {
            let value = isa.splat(term.value);
            let mut start = term.pixel as usize * layer.channels + at.input;
            for sums in &mut sums {
                let row = &self.input[start..][..row_len];
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = isa.mul_add(value, isa.load(&row[v * I::LANES..]), *sum);
                }
                start += layer.window_row_stride;
            }
        }
        for (sums, to) in sums.iter().zip(kernel_gradient.chunks_exact_mut(row_len)) {
            for (sum, to) in sums.iter().zip(to.chunks_exact_mut(I::LANES)) {
                isa.store(*sum, to);
            }
        }
    }
}

struct Scatter<'a> {
    kernel: &'a [f32],
    input_gradient: &'a mut [f32],
}

impl Task for Scatter<'_> {
    #[inline(always)]
    fn filter<I: Isa, const R: usize, const V: usize>(
        &mut self,
        isa: I,
        layer: &SparseGradient,
        terms: &[Term],
        at: Rows,
    ) {
        let row_len = V * I::LANES;
        let kernel = &self.kernel[at.kernel..][..R * row_len];
        let mut weights = [[isa.splat(0.0); V]; R];
        for (weights, from) in weights.iter_mut().zip(kernel.chunks_exact(row_len)) {
            for (weight, from) in weights.iter_mut().zip(from.chunks_exact(I::LANES)) {
                *weight = isa.load(from);
            }
        }
        for term in terms {
            let value = isa.splat(term.value);
            let mut start = term.pixel as usize * layer.channels + at.input;
            for weights in &weights {
                let row = &mut self.input_gradient[start..][..row_len];
                for (v, weight) in weights.iter().enumerate() {
                    let to = &mut row[v * I::LANES..][..I::LANES];
                    isa.store(isa.mul_add(value, *weight, isa.load(to)), to);
                }
                start += layer.window_row_stride;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use engraft_testing::{Tolerance, assert_close, noise};

    use super::*;

    /// A map of `width` pixels a row and a convolution of `kernel` rows and columns, of which every fifth gradient is zero.
    struct Case {
        width: usize,
        channels: usize,
        kernel: usize,
        filters: usize,
    }

    impl Case {
        /// Every pixel with room for a window below and to the right of it.
        fn pixels(&self) -> Vec<usize> {
            let places = 0..=self.width - self.kernel;
            places.clone().flat_map(|y| places.clone().map(move |x| y * self.width + x)).collect()
        }

        fn check(&self, isa: InstructionSet) {
            let Case { width, channels, kernel, filters } = *self;
            let (row_len, padded) = (kernel * channels, isa.padded(kernel * channels));
            let pixels = self.pixels();
            let mut gradient = noise(1, pixels.len() * filters);
            gradient.iter_mut().step_by(5).for_each(|x| *x = 0.0);
            let mut terms = Terms::default();
            terms.collect(filters, &gradient, &vec![1; gradient.len()], &[7, 0], |number| pixels[number]);
            let layer = SparseGradient {
                terms: &terms,
                window_rows: kernel,
                window_row_len: row_len,
                window_row_stride: width * channels,
                channels,
            };
            let input = noise(2, width * width * channels + isa.lanes());
            let mut weights = noise(3, filters * kernel * padded);
            weights.chunks_exact_mut(padded).for_each(|row| row[row_len..].fill(0.0));
            let mut kernel_gradient = vec![1.0; weights.len()];
            let mut input_gradient = vec![1.0; input.len()];
            layer.add_kernel_gradient(isa, &input, &mut kernel_gradient);
            layer.add_input_gradient(isa, &weights, &mut input_gradient);

            let (mut want_kernel, mut want_input) = (vec![1.0; weights.len()], vec![1.0; input.len()]);
            for (at, &g) in gradient.iter().enumerate() {
                let (pixel, filter) = (pixels[at / filters], at % filters);
                for (row, i) in (0..kernel).flat_map(|row| (0..row_len).map(move |i| (row, i))) {
                    let at_input = (pixel + row * width) * channels + i;
                    let at_kernel = (filter * kernel + row) * padded + i;
                    want_kernel[at_kernel] += g * input[at_input];
                    want_input[at_input] += g * weights[at_kernel];
                }
            }
            for rows in [&mut kernel_gradient, &mut want_kernel] {
                rows.chunks_exact_mut(padded).for_each(|row| row[row_len..].fill(0.0));
            }
            let tolerance = Tolerance { abs: 1e-4, rel: 1e-5 };
            assert_close(&kernel_gradient, &want_kernel, tolerance);
            assert_close(&input_gradient, &want_input, tolerance);
        }
    }

    #[test]
    fn gradients_equal_the_naive_loop() {
        for isa in InstructionSet::available() {
            for (width, channels, kernel, filters) in [
                (6, 3, 3, 5),
                (5, 1, 1, 4),
                (7, 16, 3, 3),
                (6, 11, 3, 2),
                (6, 8, 4, 3),
                (4, 5, 2, 1),
                (3, 30, 1, 2),
            ] {
                Case { width, channels, kernel, filters }.check(isa);
            }
            for vectors in 1..=MOST_VECTORS {
                Case { width: 3, channels: vectors * isa.lanes() / 2, kernel: 2, filters: 3 }.check(isa);
            }
        }
    }

    #[test]
    #[should_panic(expected = "a row of 13 vectors")]
    fn a_row_that_no_registers_hold_is_refused() {
        let isa = InstructionSet::best();
        let mut terms = Terms::default();
        terms.collect(1, &[1.0], &[0], &[0], |_| 0);
        let row = SparseGradient::longest_row(isa) + 1;
        let layer = SparseGradient {
            terms: &terms,
            window_rows: 1,
            window_row_len: row,
            window_row_stride: row,
            channels: row,
        };
        layer.add_kernel_gradient(isa, &vec![0.0; 2 * row], &mut vec![0.0; 2 * row]);
    }
}
