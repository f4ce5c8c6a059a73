//! Scale and offset of each channel, and how normalisations compose to them.

use engraft_graph::{BatchNorm, NamedTensors, Tensor};

use crate::EngineError;

/// `x * scale + offset`, channel by channel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Affine {
    scale: Vec<f64>,
    offset: Vec<f64>,
}

impl Affine {
    /// Leaves everything as it is.
    pub(super) fn identity(channels: usize) -> Affine {
        Affine { scale: vec![1.0; channels], offset: vec![0.0; channels] }
    }

    /// From one value per channel, or one for all of them.
    pub(super) fn new(scale: &[f32], offset: &[f32], channels: usize) -> Affine {
        let wide = |values: &[f32]| values.iter().map(|&x| f64::from(x)).cycle().take(channels).collect();
        Affine { scale: wide(scale), offset: wide(offset) }
    }

    /// Adds a bias.
    pub(super) fn with_bias(mut self, bias: Option<&Tensor>) -> Affine {
        let bias = bias.map(Tensor::to_f32);
        for (offset, &bias) in self.offset.iter_mut().zip(bias.as_deref().unwrap_or_default()) {
            *offset += f64::from(bias);
        }
        self
    }

    /// A normalisation by stored moments.
    ///
    /// Source: Keras `Normalization`, whose smallest divisor is `epsilon()`.
    pub(super) fn normalization(node: &str, channels: usize, weights: &NamedTensors) -> Affine {
        let (mean, variance) =
            (role(weights, node, "mean", channels, 0.0), role(weights, node, "variance", channels, 1.0));
        let scale: Vec<f64> = variance.iter().map(|v| 1.0 / v.sqrt().max(SMALLEST_DEVIATION)).collect();
        let offset = mean.iter().zip(&scale).map(|(m, s)| -m * s).collect();
        Affine { scale, offset }
    }

    /// A learnt factor per channel.
    pub(super) fn layer_scale(node: &str, channels: usize, weights: &NamedTensors) -> Affine {
        Affine { scale: role(weights, node, "gamma", channels, 1.0), offset: vec![0.0; channels] }
    }

    /// The channels in the opposite order.
    pub(super) fn reversed(mut self) -> Affine {
        self.scale.reverse();
        self.offset.reverse();
        self
    }

    /// A batch normalisation with its stored moments.
    ///
    /// Source: Keras `BatchNormalization`, inference mode.
    pub(super) fn batch_norm(
        norm: &BatchNorm,
        node: &str,
        channels: usize,
        weights: &NamedTensors,
    ) -> Affine {
        let values = |name: &str, default: f64| role(weights, node, name, channels, default);
        let gamma = if norm.scale { values("gamma", 1.0) } else { vec![1.0; channels] };
        let beta = if norm.center { values("beta", 0.0) } else { vec![0.0; channels] };
        let (mean, variance) = (values("moving_mean", 0.0), values("moving_variance", 1.0));
        let scale: Vec<f64> =
            gamma.iter().zip(&variance).map(|(g, v)| g / (v + f64::from(norm.epsilon)).sqrt()).collect();
        let offset = beta.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Affine { scale, offset }
    }

    /// First this one, then `next`.
    pub(super) fn then(self, next: &Affine) -> Affine {
        let scale = self.scale.iter().zip(&next.scale).map(|(a, b)| a * b).collect();
        let scaled = self.offset.iter().zip(&next.scale).map(|(a, b)| a * b);
        let offset = scaled.zip(&next.offset).map(|(a, b)| a + b).collect();
        Affine { scale, offset }
    }

    /// The factors, then the summands, rounded to single precision; `node` is named if they are not finite.
    pub(super) fn rounded(&self, node: &str) -> Result<(Vec<f32>, Vec<f32>), EngineError> {
        let narrow = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<f32>>();
        let (scale, offset) = (narrow(&self.scale), narrow(&self.offset));
        if scale.iter().chain(&offset).all(|x| x.is_finite()) {
            Ok((scale, offset))
        } else {
            Err(EngineError::NotFinite { node: node.to_owned() })
        }
    }
}

/// Least standard deviation that a normalisation divides by.
const SMALLEST_DEVIATION: f64 = 1e-7;

/// The values of a weight, or `default` for each channel where there is none.
fn role(weights: &NamedTensors, node: &str, name: &str, channels: usize, default: f64) -> Vec<f64> {
    let tensor = weights.get(&format!("{node}/{name}"));
    tensor.map_or_else(
        || vec![default; channels],
        |tensor| tensor.to_f32().iter().map(|&x| f64::from(x)).collect(),
    )
}
