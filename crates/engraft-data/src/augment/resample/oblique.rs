//! Resampling along any affine map: rotations and shears.
//!
//! In each row of the output, the columns that come from well inside the image are one piece. Its coordinates need no look at
//! the edges and advance by a constant step, which fixed-point numbers add without rounding.

use std::ops::Range;

use super::{Fill, FloatImage, blend, tap::tap};

/// Fractional bits of a coordinate, of which the share of a neighbour takes the upper 24: as many as `f32` has.
const FRACTION_BITS: u32 = 32;

/// How far inside a coordinate must lie, in pixels. Fixed-point coordinates are wrong by 2^-33 for each pixel of a row, so
/// that none can leave the image.
const MARGIN: f64 = 1e-3;

/// Pixel `(r, c)` of the output comes from `(rows[0] + r * rows[1] + c * rows[2], ..)`, and so do columns.
pub(super) fn resample(image: &FloatImage, rows: [f64; 3], columns: [f64; 3], fill: Fill) -> Vec<f32> {
    let mut values = vec![0.0; image.values.len()];
    for (row, out) in values.chunks_exact_mut(image.width * 3).enumerate() {
        let along = |[shift, row_step, column_step]: [f64; 3]| Line {
            start: shift + row as f64 * row_step,
            step: column_step,
        };
        resample_row(image, &along(rows), &along(columns), fill, out.as_chunks_mut().0);
    }
    values
}

/// One coordinate along a row of the output.
struct Line {
    start: f64,
    step: f64,
}

fn resample_row(image: &FloatImage, rows: &Line, columns: &Line, fill: Fill, out: &mut [[f32; 3]]) {
    let (by_row, by_column) = (rows.inside(image.height, out.len()), columns.inside(image.width, out.len()));
    let inside = by_row.start.max(by_column.start)..by_row.end.min(by_column.end);
    let inside = if inside.is_empty() { 0..0 } else { inside };
    for column in (0..inside.start).chain(inside.end..out.len()) {
        out[column] = sample(image, (rows.at(column), columns.at(column)), fill);
    }
    sample_inside(image, rows.steps(inside.start), columns.steps(inside.start), &mut out[inside]);
}

impl Line {
    fn at(&self, column: usize) -> f64 {
        self.start + column as f64 * self.step
    }

    /// The columns below `width` whose coordinate lies well inside an axis of `len` pixels.
    fn inside(&self, len: usize, width: usize) -> Range<usize> {
        let bounds = MARGIN..(len - 1) as f64 - MARGIN;
        let crossing = |bound: f64| ((bound - self.start) / self.step).clamp(0.0, width as f64);
        let (first, last) = match self.step {
            0.0 => (0.0, width as f64),
            step if step > 0.0 => (crossing(bounds.start), crossing(bounds.end)),
            _ => (crossing(bounds.end), crossing(bounds.start)),
        };
        // A crossing is rounded, so the columns next to it are asked.
        let (mut inside, is_inside) =
            (first as usize..last.ceil() as usize, |column| bounds.contains(&self.at(column)));
        while !inside.is_empty() && !is_inside(inside.start) {
            inside.start += 1;
        }
        while !inside.is_empty() && !is_inside(inside.end - 1) {
            inside.end -= 1;
        }
        inside
    }

    /// The coordinate at `column` and its step, in fixed point.
    fn steps(&self, column: usize) -> (i64, i64) {
        let fixed = |value: f64| (value * (1u64 << FRACTION_BITS) as f64).round() as i64;
        (fixed(self.at(column)), fixed(self.step))
    }
}

/// A pixel from anywhere.
fn sample(image: &FloatImage, (row, column): (f64, f64), fill: Fill) -> [f32; 3] {
    let taps = (tap(row, image.height, fill.mode), tap(column, image.width, fill.mode));
    let (Some(rows), Some(columns)) = taps else { return [fill.value; 3] };
    let pixels = image.pixels();
    let (upper, lower) = (&pixels[rows.low * image.width..], &pixels[rows.high * image.width..]);
    let (a, b) = (&upper[columns.low], &upper[columns.high]);
    let (c, d) = (&lower[columns.low], &lower[columns.high]);
    between([a, b], [c, d], (rows.share, columns.share))
}

/// Pixels whose four neighbours all exist.
fn sample_inside(image: &FloatImage, rows: (i64, i64), columns: (i64, i64), out: &mut [[f32; 3]]) {
    let (pixels, width) = (image.pixels(), image.width);
    let ((mut row, row_step), (mut column, column_step)) = (rows, columns);
    for out in out {
        let above = (row >> FRACTION_BITS) as usize * width + (column >> FRACTION_BITS) as usize;
        let (upper, lower) = (&pixels[above..above + 2], &pixels[above + width..above + width + 2]);
        *out = between([&upper[0], &upper[1]], [&lower[0], &lower[1]], (share(row), share(column)));
        row += row_step;
        column += column_step;
    }
}

/// How far a fixed-point coordinate lies beyond its pixel, from 0 to 1.
fn share(coordinate: i64) -> f32 {
    (coordinate as u32 >> 8) as f32 / (1 << 24) as f32
}

#[inline]
fn between(upper: [&[f32; 3]; 2], lower: [&[f32; 3]; 2], (row_share, column_share): (f32, f32)) -> [f32; 3] {
    std::array::from_fn(|channel| {
        let [left, right] = [0, 1].map(|side| blend(upper[side][channel], lower[side][channel], row_share));
        blend(left, right, column_share)
    })
}
