//! Sum and product of two values.

use rayon::prelude::*;

use super::{Backward, Forward, Layer};

/// The sum of two values of equal shape.
pub(crate) struct Add;

impl Layer for Add {
    fn forward(&self, pass: Forward) {
        let [a, b] = pass.inputs else { return };
        let len = pass.output.len() / pass.context.images;
        let images = a.par_chunks_exact(len).zip(b.par_chunks_exact(len));
        pass.output.par_chunks_exact_mut(len).zip(images).for_each(|(output, (a, b))| {
            output.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (a, b))| *y = a + b);
        });
    }

    fn backward(&self, pass: Backward) {
        for gradient in pass.input_gradients.iter_mut().flatten() {
            gradient.copy_from_slice(pass.output_gradient);
        }
    }
}

/// The product of two values of equal shape, or of a map and one factor per channel for each image.
pub(crate) struct Multiply;

impl Layer for Multiply {
    fn forward(&self, pass: Forward) {
        let [a, b] = pass.inputs else { return };
        multiply(a, b, pass.context.images, pass.output);
    }

    fn backward(&self, pass: Backward) {
        let ([a, b], images) = (pass.inputs, pass.context.images) else { return };
        let [of_a, of_b] = pass.input_gradients else { return };
        if let Some(gradient) = of_a {
            multiply(pass.output_gradient, b, images, gradient);
        }
        if let Some(gradient) = of_b {
            let (len, factors) = (a.len() / images, b.len() / images);
            let products = a.par_chunks_exact(len).zip(pass.output_gradient.par_chunks_exact(len));
            gradient.par_chunks_exact_mut(factors).zip(products).for_each(|(gradient, (a, dy))| {
                gradient.fill(0.0);
                for (a, dy) in a.chunks_exact(factors).zip(dy.chunks_exact(factors)) {
                    gradient.iter_mut().zip(a.iter().zip(dy)).for_each(|(sum, (a, dy))| *sum += a * dy);
                }
            });
        }
    }
}

/// `output = values * factors`; the factors of an image repeat for each of its pixels if there are fewer.
fn multiply(values: &[f32], factors: &[f32], images: usize, output: &mut [f32]) {
    let (len, factors_len) = (values.len() / images, factors.len() / images);
    let parts = values.par_chunks_exact(len).zip(factors.par_chunks_exact(factors_len));
    output.par_chunks_exact_mut(len).zip(parts).for_each(|(output, (values, factors))| {
        let pixels = output.chunks_exact_mut(factors_len).zip(values.chunks_exact(factors_len));
        for (output, values) in pixels {
            output.iter_mut().zip(values.iter().zip(factors)).for_each(|(y, (x, factor))| *y = x * factor);
        }
    });
}
