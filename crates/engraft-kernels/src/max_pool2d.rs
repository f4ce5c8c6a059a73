//! The maximum of each channel in a sliding window, for training: where it stood is kept for the way back.
//!
//! Source: Keras `MaxPooling2D`; of equal values the first one gets the gradient, as in TensorFlow.

use std::ops::Range;

use crate::InstructionSet;
use crate::arch::{Isa, SimdOp};

/// The windows of one map of `[height, width, channels]`. They are cut at its edge; each must hold a pixel.
#[derive(Clone, Copy, Debug)]
pub struct MaxPool2d {
    /// Rows and columns of the map.
    pub size: [usize; 2],
    /// Values per pixel.
    pub channels: usize,
    /// Height and width of the window, in pixels; at most 65536 in all.
    pub window: [usize; 2],
    /// Vertical and horizontal stride, in pixels.
    pub strides: [usize; 2],
    /// How far the first window begins above and to the left of the map, in pixels.
    pub before: [usize; 2],
    /// Rows and columns of output pixels.
    pub output_size: [usize; 2],
}

impl MaxPool2d {
    /// Writes the maxima into `output`, and into `places` where in its window each of them stands, row by row.
    ///
    /// # Panics
    /// If a length does not fit or a window lies outside the map.
    pub fn forward(&self, isa: InstructionSet, input: &[f32], output: &mut [f32], places: &mut [u16]) {
        self.check(input.len(), output.len(), places.len());
        isa.run(Forward { layer: self, input, output, places });
    }

    /// Gives each element of `input_gradient` the gradients of the maxima that it was.
    ///
    /// # Panics
    /// If a length does not fit or a window lies outside the map.
    pub fn backward(
        &self,
        isa: InstructionSet,
        places: &[u16],
        output_gradient: &[f32],
        input_gradient: &mut [f32],
    ) {
        self.check(input_gradient.len(), output_gradient.len(), places.len());
        isa.run(Backward { layer: self, places, output_gradient, input_gradient });
    }

    fn check(&self, input: usize, output: usize, places: usize) {
        let [outputs, inputs] = [self.output_size, self.size].map(|[h, w]| h * w * self.channels);
        assert_eq!(
            [input, output, places],
            [inputs, outputs, outputs],
            "elements of input, output and places"
        );
        assert!(self.window[0] * self.window[1] <= 1 << 16, "pixels of a window");
    }

    /// The rows or columns of the map that window `index` covers along an axis, and how many it has before them.
    fn covered(&self, axis: usize, index: usize) -> (Range<usize>, usize) {
        let start = index * self.strides[axis];
        let end = (start + self.window[axis]).saturating_sub(self.before[axis]).min(self.size[axis]);
        let first = start.saturating_sub(self.before[axis]);
        assert!(first < end, "a window outside the map");
        (first..end, self.before[axis].saturating_sub(start))
    }

    /// Calls `visit` with the place and the offset of every pixel of the map under the window of output pixel `[y, x]`.
    #[inline(always)]
    fn each_pixel(&self, [y, x]: [usize; 2], mut visit: impl FnMut(u16, usize)) {
        let ((rows, above), (columns, left)) = (self.covered(0, y), self.covered(1, x));
        for (row, at_row) in rows.zip(above..) {
            for (column, at_column) in columns.clone().zip(left..) {
                let place = (at_row * self.window[1] + at_column) as u16;
                visit(place, (row * self.size[1] + column) * self.channels);
            }
        }
    }
}

struct Forward<'a> {
    layer: &'a MaxPool2d,
    input: &'a [f32],
    output: &'a mut [f32],
    places: &'a mut [u16],
}

impl SimdOp for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let Forward { layer, input, output, places } = self;
        let channels = layer.channels;
        let pixels = output.chunks_exact_mut(channels).zip(places.chunks_exact_mut(channels));
        for (pixel, (output, places)) in pixels.enumerate() {
            output.fill(f32::NEG_INFINITY);
            places.fill(0);
            let at = [pixel / layer.output_size[1], pixel % layer.output_size[1]];
            layer.each_pixel(at, |place, start| {
                let input = &input[start..][..channels];
                for ((&x, greatest), at) in input.iter().zip(&mut *output).zip(&mut *places) {
                    let greater = x > *greatest;
                    *at = if greater { place } else { *at };
                    *greatest = if greater { x } else { *greatest };
                }
            });
        }
    }
}

struct Backward<'a> {
    layer: &'a MaxPool2d,
    places: &'a [u16],
    output_gradient: &'a [f32],
    input_gradient: &'a mut [f32],
}

impl SimdOp for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let Backward { layer, places, output_gradient, input_gradient } = self;
        let channels = layer.channels;
        input_gradient.fill(0.0);
        let pixels = output_gradient.chunks_exact(channels).zip(places.chunks_exact(channels));
        for (pixel, (gradient, places)) in pixels.enumerate() {
            let at = [pixel / layer.output_size[1], pixel % layer.output_size[1]];
            layer.each_pixel(at, |place, start| {
                let to = &mut input_gradient[start..][..channels];
                for ((&gradient, &at), to) in gradient.iter().zip(places).zip(to) {
                    *to += if at == place { gradient } else { 0.0 };
                }
            });
        }
    }
}
