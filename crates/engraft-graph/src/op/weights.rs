//! The weights each operation needs.

use super::Op;
use crate::Shape;

/// A weight that a node needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightSpec {
    /// `NODE/ROLE`, for example `stem_conv/kernel`.
    pub name: String,
    /// Its shape; none of a single number.
    pub shape: Vec<usize>,
}

impl WeightSpec {
    /// Whether training changes it. Moments are not learnt: they are statistics of what passes through.
    pub fn is_trainable(&self) -> bool {
        let role = self.name.rsplit('/').next().unwrap_or_default();
        !["moving_mean", "moving_variance", "mean", "variance", "count"].contains(&role)
    }
}

impl Op {
    /// The weights of a node of this operation called `node`, in Keras' order: trainable ones first.
    pub fn weights(&self, node: &str, inputs: &[Shape]) -> Vec<WeightSpec> {
        let in_channels = inputs.first().map_or(0, |shape| shape.channels());
        let roles = self.roles(in_channels).into_iter();
        roles.map(|(role, shape)| WeightSpec { name: format!("{node}/{role}"), shape }).collect()
    }

    /// What each weight is called, with its shape.
    fn roles(&self, in_channels: usize) -> Vec<(&'static str, Vec<usize>)> {
        let per_channel = |role| (role, vec![in_channels]);
        match self {
            Op::Conv2d(conv) => {
                let [height, width] = conv.kernel;
                let kernel = ("kernel", vec![height, width, in_channels, conv.filters]);
                with_bias(kernel, conv.bias, conv.filters)
            }
            Op::DepthwiseConv2d(conv) => {
                let [height, width] = conv.kernel;
                with_bias(("kernel", vec![height, width, in_channels, 1]), conv.bias, in_channels)
            }
            Op::Dense(dense) => {
                with_bias(("kernel", vec![in_channels, dense.units]), dense.bias, dense.units)
            }
            Op::BatchNorm(norm) => {
                let learnt = [(norm.scale, "gamma"), (norm.center, "beta")];
                let learnt = learnt.into_iter().filter(|(wanted, _)| *wanted).map(|(_, role)| role);
                learnt.chain(["moving_mean", "moving_variance"]).map(per_channel).collect()
            }
            Op::LayerNorm { .. } => ["gamma", "beta"].map(per_channel).to_vec(),
            Op::LayerScale => vec![per_channel("gamma")],
            // Keras stores how many images the moments come from beside them.
            Op::Normalization => vec![per_channel("mean"), per_channel("variance"), ("count", vec![])],
            _ => Vec::new(),
        }
    }
}

fn with_bias(
    kernel: (&'static str, Vec<usize>),
    bias: bool,
    out_channels: usize,
) -> Vec<(&'static str, Vec<usize>)> {
    let bias = bias.then(|| ("bias", vec![out_channels]));
    [Some(kernel), bias].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use crate::{BatchNorm, Conv2d, Dense, DepthwiseConv2d, Padding};

    use super::*;

    #[test]
    fn weights_stand_in_keras_order_with_keras_shapes() {
        let (kernel, strides, padding) = ([3, 5], [1, 1], Padding::Same);
        for (op, want) in [
            (
                Op::Conv2d(Conv2d { filters: 8, kernel, strides, padding, bias: true }),
                "n/kernel[3, 5, 4, 8] n/bias[8]",
            ),
            (
                Op::DepthwiseConv2d(DepthwiseConv2d { kernel, strides, padding, bias: false }),
                "n/kernel[3, 5, 4, 1]",
            ),
            (Op::Dense(Dense { units: 2, bias: true }), "n/kernel[4, 2] n/bias[2]"),
            (
                Op::BatchNorm(BatchNorm {
                    epsilon: 1e-3,
                    momentum: BatchNorm::MOMENTUM,
                    scale: true,
                    center: true,
                }),
                "n/gamma[4] n/beta[4] n/moving_mean[4] n/moving_variance[4]",
            ),
            (
                Op::BatchNorm(BatchNorm {
                    epsilon: 1e-3,
                    momentum: BatchNorm::MOMENTUM,
                    scale: false,
                    center: true,
                }),
                "n/beta[4] n/moving_mean[4] n/moving_variance[4]",
            ),
            (Op::LayerNorm { epsilon: 1e-6 }, "n/gamma[4] n/beta[4]"),
            (Op::LayerScale, "n/gamma[4]"),
            (Op::Normalization, "n/mean[4] n/variance[4] n/count[]"),
            (Op::Flatten, ""),
        ] {
            let specs = op.weights("n", &[Shape::map(1, 1, 4)]);
            let moments = specs.iter().filter(|spec| !spec.is_trainable()).count();
            assert_eq!(
                moments,
                want.matches("mean").count() + want.matches("vari").count() + want.matches("count").count()
            );
            let found: Vec<_> = specs.iter().map(|spec| format!("{}{:?}", spec.name, spec.shape)).collect();
            assert_eq!(found.join(" "), want, "{op:?}");
        }
    }
}
