//! Resampling where rows stay rows and columns stay columns: shifts, zooms and flips.
//!
//! Every row of the output then has one place among the rows of the input and every column one among its columns, so both
//! are worked out once and not for every pixel.

use super::{
    Fill, FloatImage, blend,
    tap::{Tap, tap},
};

/// Output row `r` comes from `rows.0 + r * rows.1`, and so do columns.
pub(super) fn resample(image: &FloatImage, rows: (f64, f64), columns: (f64, f64), fill: Fill) -> Vec<f32> {
    let taps = |len: usize, (shift, step): (f64, f64)| -> Vec<Option<Tap>> {
        (0..len).map(|index| tap(shift + index as f64 * step, len, fill.mode)).collect()
    };
    let (rows, columns) = (taps(image.height, rows), taps(image.width, columns));
    let row_len = image.width * 3;
    let row_of = |row: usize| &image.values[row * row_len..(row + 1) * row_len];
    let (mut values, mut blended) = (vec![0.0; image.values.len()], vec![0.0; row_len]);
    for (row, out) in rows.iter().zip(values.chunks_exact_mut(row_len)) {
        match row {
            None => out.fill(fill.value),
            Some(Tap { low, share: 0.0, .. }) => pick_columns(row_of(*low), &columns, fill, out),
            Some(Tap { low, high, share }) => {
                let both = row_of(*low).iter().zip(row_of(*high));
                blended.iter_mut().zip(both).for_each(|(out, (a, b))| *out = blend(*a, *b, *share));
                pick_columns(&blended, &columns, fill, out);
            }
        }
    }
    values
}

/// The pixels of one row of the output, from the row of the input that it shows.
fn pick_columns(row: &[f32], columns: &[Option<Tap>], fill: Fill, out: &mut [f32]) {
    let pixels = row.as_chunks::<3>().0;
    for (out, column) in out.as_chunks_mut::<3>().0.iter_mut().zip(columns) {
        *out = match column {
            None => [fill.value; 3],
            Some(Tap { low, high, share }) => {
                let (a, b) = (&pixels[*low], &pixels[*high]);
                std::array::from_fn(|channel| blend(a[channel], b[channel], *share))
            }
        };
    }
}
