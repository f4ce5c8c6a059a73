//! Batch normalisation, for training: moments per channel, normalisation and its gradients.
//!
//! Source: Keras `BatchNormalization`; Ioffe and Szegedy, arXiv:1502.03167.

/// Adds each channel's sum of `values - centre` to the power `power` (1 or 2) to `sums`, in double precision.
///
/// # Panics
/// If lengths differ.
pub fn add_moments(values: &[f32], centre: &[f32], power: i32, sums: &mut [f64]) {
    assert_eq!(centre.len(), sums.len(), "channels");
    for pixel in values.chunks_exact(sums.len()) {
        for ((sum, &x), &centre) in sums.iter_mut().zip(pixel).zip(centre) {
            let x = f64::from(x - centre);
            *sum += if power == 1 { x } else { x * x };
        }
    }
}

/// Normalisation per channel: `output = (input - mean) * factor + offset`.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm<'a> {
    /// `[channels]`
    pub mean: &'a [f32],
    /// `[channels]`
    pub factor: &'a [f32],
    /// `[channels]`
    pub offset: &'a [f32],
}

impl BatchNorm<'_> {
    /// Normalises whole pixels.
    ///
    /// # Panics
    /// If lengths differ.
    pub fn forward(&self, input: &[f32], output: &mut [f32]) {
        assert_eq!(input.len(), output.len(), "input and output");
        let channels = self.mean.len();
        for (x, y) in input.chunks_exact(channels).zip(output.chunks_exact_mut(channels)) {
            for (c, (x, y)) in x.iter().zip(y).enumerate() {
                *y = (x - self.mean[c]) * self.factor[c] + self.offset[c];
            }
        }
    }
}

/// Adds each channel's sum of the gradient to the first half of `sums`, and that of `gradient * (input - mean)` to the
/// second, in double precision.
///
/// # Panics
/// If lengths differ.
pub fn add_gradient_sums(input: &[f32], output_gradient: &[f32], mean: &[f32], sums: &mut [f64]) {
    let channels = mean.len();
    let (gradients, products) = sums.split_at_mut(channels);
    assert_eq!((input.len(), products.len()), (output_gradient.len(), channels), "gradient and sums");
    for (x, dy) in input.chunks_exact(channels).zip(output_gradient.chunks_exact(channels)) {
        for (c, (&x, &dy)) in x.iter().zip(dy).enumerate() {
            gradients[c] += f64::from(dy);
            products[c] += f64::from(dy) * f64::from(x - mean[c]);
        }
    }
}

/// The gradient of the input per channel:
/// `input_gradient = output_gradient * factor + (input - mean) * slope + offset`.
#[derive(Clone, Copy, Debug)]
pub struct BatchNormGradient<'a> {
    /// `[channels]`
    pub mean: &'a [f32],
    /// `[channels]`
    pub factor: &'a [f32],
    /// `[channels]`: how the variance depends on the input.
    pub slope: &'a [f32],
    /// `[channels]`: how the mean does.
    pub offset: &'a [f32],
}

impl BatchNormGradient<'_> {
    /// Computes whole pixels.
    ///
    /// # Panics
    /// If lengths differ.
    pub fn run(&self, input: &[f32], output_gradient: &[f32], input_gradient: &mut [f32]) {
        assert_eq!([input.len(), output_gradient.len()], [input_gradient.len(); 2], "input and gradients");
        let channels = self.mean.len();
        let gradients = output_gradient.chunks_exact(channels).zip(input_gradient.chunks_exact_mut(channels));
        for (x, (dy, dx)) in input.chunks_exact(channels).zip(gradients) {
            for (c, dx) in dx.iter_mut().enumerate() {
                *dx = dy[c] * self.factor[c] + (x[c] - self.mean[c]) * self.slope[c] + self.offset[c];
            }
        }
    }
}
