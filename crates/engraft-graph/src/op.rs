//! The operations a node can be, their settings, their weights and the shapes they produce.
//!
//! Names and defaults follow Keras; convolution kernels are `[height, width, in_channels, out_channels]`.

use serde::{Deserialize, Serialize};

use crate::{GraphError, Shape, same_padding};

/// What a node does with its inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Op {
    /// The image, RGB in 0..255 unless the network says otherwise.
    Input {
        /// Rows, in pixels.
        height: usize,
        /// Columns, in pixels.
        width: usize,
        /// Values per pixel.
        channels: usize,
    },
    /// `x * scale + offset`, channel by channel.
    Rescale {
        /// One factor per channel.
        scale: Vec<f32>,
        /// One summand per channel.
        offset: Vec<f32>,
    },
    /// Two-dimensional convolution.
    Conv2d(Conv2d),
    /// Two-dimensional convolution of each channel with its own filter.
    DepthwiseConv2d(DepthwiseConv2d),
    /// Matrix product over the innermost dimension of a vector.
    Dense(Dense),
    /// Batch normalisation with the stored moving statistics.
    BatchNorm(BatchNorm),
    /// An element-wise function, or softmax over a vector.
    Activation(Activation),
    /// Rows and columns of zeros around a map.
    ZeroPadding2d(ZeroPadding2d),
    /// The sum of two inputs of equal shape.
    Add,
    /// The mean of each channel over all pixels.
    GlobalAveragePool2d,
    /// Nothing when a network is frozen; zeroes a fraction of the elements while training.
    Dropout {
        /// The fraction dropped, in 0..1.
        rate: f32,
    },
}

/// Settings of [`Op::Conv2d`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    /// Output channels.
    pub filters: usize,
    /// Kernel height and width, in pixels.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride, in pixels.
    pub strides: [usize; 2],
    /// What happens at the border.
    pub padding: Padding,
    /// Whether a bias is added to each output channel.
    pub bias: bool,
}

/// Settings of [`Op::DepthwiseConv2d`]; the depth multiplier is 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthwiseConv2d {
    /// Kernel height and width, in pixels.
    pub kernel: [usize; 2],
    /// Vertical and horizontal stride, in pixels.
    pub strides: [usize; 2],
    /// What happens at the border.
    pub padding: Padding,
    /// Whether a bias is added to each channel.
    pub bias: bool,
}

/// Settings of [`Op::Dense`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Output features.
    pub units: usize,
    /// Whether a bias is added to each output feature.
    pub bias: bool,
}

/// Settings of [`Op::BatchNorm`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNorm {
    /// Added to the variance before the square root.
    pub epsilon: f32,
    /// Whether there is a learnt factor, `gamma`.
    pub scale: bool,
    /// Whether there is a learnt summand, `beta`.
    pub center: bool,
}

/// Settings of [`Op::ZeroPadding2d`], in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZeroPadding2d {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the left.
    pub left: usize,
    /// Columns to the right.
    pub right: usize,
}

/// Border handling of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// Only positions where the kernel lies inside the map.
    Valid,
    /// Zeros around the map as [`same_padding`] has it.
    Same,
}

/// Functions of [`Op::Activation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Activation {
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `exp(x) / sum(exp(x))` over a vector.
    Softmax,
}

/// A weight that a node needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightSpec {
    /// `NODE/ROLE`, for example `stem_conv/kernel`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

/// Longest side, kernel, stride or channel count a network may have; keeps products far from overflow.
const MAX_LEN: usize = 1 << 20;

/// Most elements an activation may have for one image.
const MAX_ELEMENTS: usize = 1 << 31;

impl Op {
    /// The weights of a node of this operation called `node`, in Keras' order: trainable ones first.
    pub fn weights(&self, node: &str, inputs: &[Shape]) -> Vec<WeightSpec> {
        let in_channels = inputs.first().map_or(0, |shape| shape.channels());
        let spec = |role: &str, shape: &[usize]| WeightSpec {
            name: format!("{node}/{role}"),
            shape: shape.to_vec(),
        };
        let bias = |wanted: bool, len: usize| wanted.then(|| spec("bias", &[len]));
        match self {
            Op::Conv2d(conv) => {
                let [height, width] = conv.kernel;
                let kernel = spec("kernel", &[height, width, in_channels, conv.filters]);
                [Some(kernel), bias(conv.bias, conv.filters)].into_iter().flatten().collect()
            }
            Op::DepthwiseConv2d(conv) => {
                let [height, width] = conv.kernel;
                let kernel = spec("kernel", &[height, width, in_channels, 1]);
                [Some(kernel), bias(conv.bias, in_channels)].into_iter().flatten().collect()
            }
            Op::Dense(dense) => {
                let kernel = spec("kernel", &[in_channels, dense.units]);
                [Some(kernel), bias(dense.bias, dense.units)].into_iter().flatten().collect()
            }
            Op::BatchNorm(norm) => {
                let roles = [
                    (norm.scale, "gamma"),
                    (norm.center, "beta"),
                    (true, "moving_mean"),
                    (true, "moving_variance"),
                ];
                roles
                    .iter()
                    .filter(|(wanted, _)| *wanted)
                    .map(|(_, role)| spec(role, &[in_channels]))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// The shape that a node of this operation called `node` produces.
    ///
    /// # Errors
    /// A [`GraphError`] that names the node, if a setting is out of range or an input does not fit.
    pub fn output_shape(&self, node: &str, inputs: &[Shape]) -> Result<Shape, GraphError> {
        let site = Site { node, inputs };
        let shape = match self {
            Op::Input { height, width, channels } => {
                site.no_inputs()?;
                for (setting, len) in [("height", *height), ("width", *width), ("channels", *channels)] {
                    site.check_len(setting, len)?;
                }
                Shape::map(*height, *width, *channels)
            }
            Op::Rescale { scale, offset } => site.rescale(scale, offset)?,
            Op::Conv2d(conv) => {
                site.check_len("filters", conv.filters)?;
                site.window(conv.kernel, conv.strides, conv.padding, Some(conv.filters))?
            }
            Op::DepthwiseConv2d(conv) => site.window(conv.kernel, conv.strides, conv.padding, None)?,
            Op::Dense(dense) => {
                site.vector()?;
                site.check_len("units", dense.units)?;
                Shape::vector(dense.units)
            }
            Op::BatchNorm(norm) => {
                if !(norm.epsilon.is_finite() && norm.epsilon >= 0.0) {
                    return Err(site.setting("epsilon", norm.epsilon, "a finite number of at least 0"));
                }
                site.one()?
            }
            Op::Activation(Activation::Softmax) => Shape::vector(site.vector()?),
            Op::Activation(_) => site.one()?,
            Op::ZeroPadding2d(padding) => site.zero_padding(padding)?,
            Op::Add => site.equal_pair()?,
            Op::GlobalAveragePool2d => Shape::vector(site.map()?.2),
            Op::Dropout { rate } => {
                if !(0.0..1.0).contains(rate) {
                    return Err(site.setting("rate", rate, "a number from 0 up to, not including, 1"));
                }
                site.one()?
            }
        };
        site.check_size(shape)
    }
}

/// A node while its shape is being worked out: everything an error message needs.
struct Site<'a> {
    node: &'a str,
    inputs: &'a [Shape],
}

impl Site<'_> {
    fn no_inputs(&self) -> Result<(), GraphError> {
        if self.inputs.is_empty() { Ok(()) } else { Err(self.input_count("none")) }
    }

    fn one(&self) -> Result<Shape, GraphError> {
        if let [input] = self.inputs { Ok(*input) } else { Err(self.input_count("one")) }
    }

    fn map(&self) -> Result<(usize, usize, usize), GraphError> {
        match self.one()? {
            Shape::Map { height, width, channels } => Ok((height, width, channels)),
            found => Err(self.input_shape(found, "a map [height, width, channels]")),
        }
    }

    fn vector(&self) -> Result<usize, GraphError> {
        match self.one()? {
            Shape::Vector { features } => Ok(features),
            found => Err(self.input_shape(found, "a vector [features]")),
        }
    }

    fn equal_pair(&self) -> Result<Shape, GraphError> {
        match self.inputs {
            [first, second] if first == second => Ok(*first),
            [first, second] => Err(self.input_shape(*second, &format!("that of its first input, {first}"))),
            _ => Err(self.input_count("two")),
        }
    }

    fn rescale(&self, scale: &[f32], offset: &[f32]) -> Result<Shape, GraphError> {
        let shape = self.one()?;
        for (setting, values) in [("scale", scale), ("offset", offset)] {
            if values.len() != shape.channels() || values.iter().any(|value| !value.is_finite()) {
                return Err(self.setting(setting, format!("{values:?}"), "one finite number per channel"));
            }
        }
        Ok(shape)
    }

    fn zero_padding(&self, padding: &ZeroPadding2d) -> Result<Shape, GraphError> {
        let (height, width, channels) = self.map()?;
        let ZeroPadding2d { top, bottom, left, right } = *padding;
        if [top, bottom, left, right].iter().any(|&len| len > MAX_LEN) {
            return Err(self.setting("padding", format!("{padding:?}"), "at most 1048576 pixels a side"));
        }
        Ok(Shape::map(top + height + bottom, left + width + right, channels))
    }

    /// The output of a window that slides over a map; `filters` is `None` where the channels are kept.
    fn window(
        &self,
        kernel: [usize; 2],
        strides: [usize; 2],
        padding: Padding,
        filters: Option<usize>,
    ) -> Result<Shape, GraphError> {
        let (height, width, channels) = self.map()?;
        for (setting, [vertical, horizontal]) in [("kernel", kernel), ("strides", strides)] {
            self.check_len(setting, vertical)?;
            self.check_len(setting, horizontal)?;
        }
        let out_len = |len: usize, axis: usize| {
            let (before, after) = match padding {
                Padding::Valid => (0, 0),
                Padding::Same => same_padding(len, kernel[axis], strides[axis]),
            };
            (before + len + after).checked_sub(kernel[axis]).map(|room| room / strides[axis] + 1)
        };
        match (out_len(height, 0), out_len(width, 1)) {
            (Some(height), Some(width)) => Ok(Shape::map(height, width, filters.unwrap_or(channels))),
            _ => {
                let [kernel_height, kernel_width] = kernel;
                let expected = format!("a map of at least {kernel_height} x {kernel_width} pixels");
                Err(self.input_shape(Shape::map(height, width, channels), &expected))
            }
        }
    }

    fn check_len(&self, setting: &'static str, len: usize) -> Result<(), GraphError> {
        if (1..=MAX_LEN).contains(&len) { Ok(()) } else { Err(self.setting(setting, len, "1 to 1048576")) }
    }

    fn check_size(&self, shape: Shape) -> Result<Shape, GraphError> {
        let lens = match shape {
            Shape::Map { height, width, channels } => [height, width, channels],
            Shape::Vector { features } => [1, 1, features],
        };
        let count = lens.iter().try_fold(1usize, |product, &len| product.checked_mul(len));
        if count.is_some_and(|count| count <= MAX_ELEMENTS) {
            return Ok(shape);
        }
        Err(self.setting("output shape", shape, "at most 2147483648 elements an image"))
    }

    fn input_count(&self, expected: &'static str) -> GraphError {
        GraphError::InputCount { node: self.node.to_owned(), found: self.inputs.len(), expected }
    }

    fn input_shape(&self, found: Shape, expected: &str) -> GraphError {
        GraphError::InputShape { node: self.node.to_owned(), found, expected: expected.to_owned() }
    }

    fn setting(&self, setting: &'static str, found: impl ToString, expected: &'static str) -> GraphError {
        GraphError::Setting { node: self.node.to_owned(), setting, found: found.to_string(), expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conv(kernel: usize, stride: usize, padding: Padding) -> Op {
        let (kernel, strides) = ([kernel; 2], [stride; 2]);
        Op::Conv2d(Conv2d { filters: 8, kernel, strides, padding, bias: true })
    }

    #[test]
    fn convolutions_have_keras_output_shapes() {
        for (side, kernel, stride, padding, want) in [
            (224, 3, 2, Padding::Same, 112),
            (225, 3, 2, Padding::Same, 113),
            (225, 3, 2, Padding::Valid, 112),
            (7, 7, 1, Padding::Valid, 1),
            (3, 5, 1, Padding::Same, 3),
        ] {
            let shape = conv(kernel, stride, padding).output_shape("c", &[Shape::map(side, side, 3)]);
            assert_eq!(shape, Ok(Shape::map(want, want, 8)), "{side} {kernel} {stride} {padding:?}");
        }
    }

    #[test]
    fn errors_name_the_node_what_was_found_and_what_was_expected() {
        let image = Shape::map(4, 4, 3);
        for (op, inputs, want) in [
            (
                conv(5, 1, Padding::Valid),
                vec![image],
                "node `n` got an input of shape [4, 4, 3], expected a map of at least 5 x 5 pixels",
            ),
            (conv(0, 1, Padding::Same), vec![image], "node `n` has kernel 0, expected 1 to 1048576"),
            (
                Op::Add,
                vec![image, Shape::vector(3)],
                "node `n` got an input of shape [3], expected that of its first input, [4, 4, 3]",
            ),
            (Op::Add, vec![image], "node `n` has 1 inputs, expected two"),
            (
                Op::Dense(Dense { units: 2, bias: true }),
                vec![image],
                "node `n` got an input of shape [4, 4, 3], expected a vector [features]",
            ),
            (
                Op::Rescale { scale: vec![1.0], offset: vec![0.0; 3] },
                vec![image],
                "node `n` has scale [1.0], expected one finite number per channel",
            ),
            (
                Op::Input { height: 1 << 20, width: 1 << 20, channels: 1 << 20 },
                vec![],
                "node `n` has output shape [1048576, 1048576, 1048576], expected at most 2147483648 elements an image",
            ),
            (
                Op::Dropout { rate: 1.0 },
                vec![image],
                "node `n` has rate 1, expected a number from 0 up to, not including, 1",
            ),
        ] {
            assert_eq!(op.output_shape("n", &inputs).unwrap_err().to_string(), want);
        }
    }

    #[test]
    fn batch_norm_lists_trainable_weights_first() {
        let norm = Op::BatchNorm(BatchNorm { epsilon: 1e-3, scale: true, center: true });
        let names: Vec<_> =
            norm.weights("bn", &[Shape::map(1, 1, 4)]).into_iter().map(|spec| spec.name).collect();
        assert_eq!(names, ["bn/gamma", "bn/beta", "bn/moving_mean", "bn/moving_variance"]);
    }
}
