//! The shape each operation produces, and what it demands of its settings and inputs.

use super::{Activation, Margins, Op, Padding};
use crate::{GraphError, Shape, same_padding};

/// Longest side, kernel, stride or channel count a network may have; keeps products far from overflow.
const MAX_LEN: usize = 1 << 20;

/// Most elements an activation may have for one image.
const MAX_ELEMENTS: usize = 1 << 31;

impl Op {
    /// The shape that a node of this operation called `node` produces.
    ///
    /// # Errors
    /// A [`GraphError`] that names the node, if a setting is out of range or an input does not fit.
    pub fn output_shape(&self, node: &str, inputs: &[Shape]) -> Result<Shape, GraphError> {
        let site = Site { node, inputs };
        let shape = match self {
            Op::Input { height, width, channels } => site.input([*height, *width, *channels])?,
            Op::Rescale { scale, offset } => site.rescale(scale, offset)?,
            Op::Conv2d(conv) => {
                site.check_len("filters", conv.filters)?;
                site.window(conv.kernel, conv.strides, conv.padding, Some(conv.filters))?
            }
            Op::DepthwiseConv2d(conv) => site.window(conv.kernel, conv.strides, conv.padding, None)?,
            Op::MaxPool2d(pool) | Op::AveragePool2d(pool) => {
                site.window(pool.window, pool.strides, pool.padding, None)?
            }
            Op::Dense(dense) => {
                site.check_len("units", dense.units)?;
                with_channels(site.one()?, dense.units)
            }
            Op::BatchNorm(norm) => {
                site.check_share("momentum", norm.momentum)?;
                site.keep_with_epsilon(norm.epsilon)?
            }
            Op::LayerNorm { epsilon } => site.keep_with_epsilon(*epsilon)?,
            Op::Activation(Activation::Softmax) => Shape::vector(site.vector()?),
            Op::Normalization | Op::LayerScale | Op::ReverseChannels | Op::Activation(_) => site.one()?,
            Op::ZeroPadding2d(margins) => site.zero_padding(margins)?,
            Op::Cropping2d(margins) => site.cropping(margins)?,
            Op::Add => site.equal_pair()?,
            Op::Multiply => site.factors()?,
            Op::Concatenate => site.concatenate()?,
            Op::Flatten => {
                Shape::vector(site.map().map(|(height, width, channels)| height * width * channels)?)
            }
            Op::Reshape { height, width, channels } => site.reshape([*height, *width, *channels])?,
            Op::GlobalAveragePool2d | Op::GlobalMaxPool2d => Shape::vector(site.map()?.2),
            Op::Dropout { rate } | Op::StochasticDepth { rate } => site.keep_with_rate(*rate)?,
        };
        site.check_size(shape)
    }
}

fn with_channels(shape: Shape, channels: usize) -> Shape {
    match shape {
        Shape::Map { height, width, .. } => Shape::map(height, width, channels),
        Shape::Vector { .. } => Shape::vector(channels),
    }
}

/// A node while its shape is being worked out: everything an error message needs.
struct Site<'a> {
    node: &'a str,
    inputs: &'a [Shape],
}

impl Site<'_> {
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

    fn input(&self, lens: [usize; 3]) -> Result<Shape, GraphError> {
        if !self.inputs.is_empty() {
            return Err(self.input_count("none"));
        }
        self.checked_map(lens)
    }

    fn checked_map(&self, [height, width, channels]: [usize; 3]) -> Result<Shape, GraphError> {
        for (setting, len) in [("height", height), ("width", width), ("channels", channels)] {
            self.check_len(setting, len)?;
        }
        Ok(Shape::map(height, width, channels))
    }

    fn keep_with_epsilon(&self, epsilon: f32) -> Result<Shape, GraphError> {
        if !(epsilon.is_finite() && epsilon >= 0.0) {
            return Err(self.setting("epsilon", epsilon, "a finite number of at least 0"));
        }
        self.one()
    }

    fn keep_with_rate(&self, rate: f32) -> Result<Shape, GraphError> {
        self.check_share("rate", rate)?;
        self.one()
    }

    fn check_share<T: PartialOrd + From<u8> + ToString>(
        &self,
        setting: &'static str,
        found: T,
    ) -> Result<(), GraphError> {
        if (T::from(0)..T::from(1)).contains(&found) {
            return Ok(());
        }
        Err(self.setting(setting, found, "a number from 0 up to, not including, 1"))
    }

    fn pair(&self) -> Result<(Shape, Shape), GraphError> {
        if let [first, second] = self.inputs { Ok((*first, *second)) } else { Err(self.input_count("two")) }
    }

    fn equal_pair(&self) -> Result<Shape, GraphError> {
        let (first, second) = self.pair()?;
        if first == second {
            return Ok(first);
        }
        Err(self.input_shape(second, &format!("that of its first input, {first}")))
    }

    fn factors(&self) -> Result<Shape, GraphError> {
        let (first, second) = self.pair()?;
        let pixel = Shape::map(1, 1, first.channels());
        if first == second || (matches!(first, Shape::Map { .. }) && second == pixel) {
            return Ok(first);
        }
        Err(self.input_shape(second, &format!("that of its first input, {first}, or {pixel}")))
    }

    fn concatenate(&self) -> Result<Shape, GraphError> {
        let [first, _, ..] = *self.inputs else { return Err(self.input_count("two or more")) };
        let mut channels = 0usize;
        for &input in self.inputs {
            if with_channels(input, 1) != with_channels(first, 1) {
                return Err(self
                    .input_shape(input, &format!("that of its first input, {first}, but for the channels")));
            }
            channels = channels.saturating_add(input.channels());
        }
        self.check_len("channels", channels)?;
        Ok(with_channels(first, channels))
    }

    fn reshape(&self, lens: [usize; 3]) -> Result<Shape, GraphError> {
        let (features, shape) = (self.vector()?, self.checked_map(lens)?);
        if self.check_size(shape)?.len() == features {
            return Ok(shape);
        }
        Err(self.input_shape(Shape::vector(features), &format!("as many elements as {shape} has")))
    }

    fn rescale(&self, scale: &[f32], offset: &[f32]) -> Result<Shape, GraphError> {
        let shape = self.one()?;
        for (setting, values) in [("scale", scale), ("offset", offset)] {
            let fits = [1, shape.channels()].contains(&values.len());
            if !fits || values.iter().any(|value| !value.is_finite()) {
                return Err(self.setting(
                    setting,
                    format!("{values:?}"),
                    "one finite number, or one per channel",
                ));
            }
        }
        Ok(shape)
    }

    fn zero_padding(&self, margins: &Margins) -> Result<Shape, GraphError> {
        let (height, width, channels) = self.map()?;
        let Margins { top, bottom, left, right } = *margins;
        if [top, bottom, left, right].iter().any(|&len| len > MAX_LEN) {
            return Err(self.setting("padding", format!("{margins:?}"), "at most 1048576 pixels a side"));
        }
        Ok(Shape::map(top + height + bottom, left + width + right, channels))
    }

    fn cropping(&self, margins: &Margins) -> Result<Shape, GraphError> {
        let (height, width, channels) = self.map()?;
        let remains = |len: usize, before: usize, after: usize| {
            len.checked_sub(before)?.checked_sub(after).filter(|&rest| rest > 0)
        };
        let rest =
            (remains(height, margins.top, margins.bottom), remains(width, margins.left, margins.right));
        match rest {
            (Some(height), Some(width)) => Ok(Shape::map(height, width, channels)),
            _ => Err(self.setting("cropping", format!("{margins:?}"), "less than the whole map")),
        }
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
    use crate::{Conv2d, Pool2d};

    fn conv(kernel: usize, stride: usize, padding: Padding) -> Op {
        let (kernel, strides) = ([kernel; 2], [stride; 2]);
        Op::Conv2d(Conv2d { filters: 8, kernel, strides, padding, bias: true })
    }

    fn pool(window: usize, stride: usize, padding: Padding) -> Op {
        Op::MaxPool2d(Pool2d { window: [window; 2], strides: [stride; 2], padding })
    }

    const MARGINS: Margins = Margins { top: 1, bottom: 0, left: 2, right: 1 };

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
    fn other_operations_have_keras_output_shapes() {
        let (map, pixel) = (Shape::map(6, 5, 3), Shape::map(1, 1, 3));
        for (op, inputs, want) in [
            (pool(3, 2, Padding::Same), vec![map], Shape::map(3, 3, 3)),
            (pool(3, 2, Padding::Valid), vec![map], Shape::map(2, 2, 3)),
            (Op::Dense(crate::Dense { units: 7, bias: true }), vec![map], Shape::map(6, 5, 7)),
            (Op::ZeroPadding2d(MARGINS), vec![map], Shape::map(7, 8, 3)),
            (Op::Cropping2d(MARGINS), vec![map], Shape::map(5, 2, 3)),
            (Op::Multiply, vec![map, pixel], map),
            (Op::Concatenate, vec![map, Shape::map(6, 5, 4), map], Shape::map(6, 5, 10)),
            (Op::Concatenate, vec![Shape::vector(2), Shape::vector(3)], Shape::vector(5)),
            (Op::Flatten, vec![map], Shape::vector(90)),
            (Op::Reshape { height: 1, width: 1, channels: 9 }, vec![Shape::vector(9)], Shape::map(1, 1, 9)),
            (Op::GlobalMaxPool2d, vec![map], Shape::vector(3)),
            (Op::Rescale { scale: vec![2.0], offset: vec![0.0; 3] }, vec![map], map),
        ] {
            assert_eq!(op.output_shape("n", &inputs), Ok(want), "{op:?}");
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
                Op::Multiply,
                vec![image, Shape::map(1, 1, 4)],
                "node `n` got an input of shape [1, 1, 4], expected that of its first input, [4, 4, 3], or [1, 1, 3]",
            ),
            (Op::Concatenate, vec![image], "node `n` has 1 inputs, expected two or more"),
            (
                Op::Concatenate,
                vec![image, Shape::map(4, 5, 3)],
                "node `n` got an input of shape [4, 5, 3], expected that of its first input, [4, 4, 3], but for the \
                 channels",
            ),
            (
                Op::Reshape { height: 2, width: 2, channels: 2 },
                vec![Shape::vector(9)],
                "node `n` got an input of shape [9], expected as many elements as [2, 2, 2] has",
            ),
            (
                Op::Cropping2d(Margins { top: 2, bottom: 2, left: 0, right: 0 }),
                vec![image],
                "node `n` has cropping Margins { top: 2, bottom: 2, left: 0, right: 0 }, expected less than the whole map",
            ),
            (
                Op::LayerNorm { epsilon: f32::NAN },
                vec![image],
                "node `n` has epsilon NaN, expected a finite number of at least 0",
            ),
            (
                Op::Rescale { scale: vec![1.0; 2], offset: vec![0.0; 3] },
                vec![image],
                "node `n` has scale [1.0, 1.0], expected one finite number, or one per channel",
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
}
