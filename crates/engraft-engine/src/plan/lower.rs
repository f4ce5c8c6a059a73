//! Turns a graph into steps: node by node, each with what follows it and can be computed along with it.

mod readers;
mod window;

use std::collections::HashMap;

use engraft_graph::{
    Activation, Conv2d, Graph, NamedTensors, Node, NodeId, Op, Padding, Pool2d, Shape, Tensor,
};
use engraft_kernels::{
    Bf16Unit, ByteScale, ConvertPixels, InstructionSet, Int8Unit, MatrixView, PackedBf16Matrix,
    PackedDepthwise, PackedInt8Matrix, PackedMatrix, PackedWinograd, PoolKind, Region, RoundedMatrix,
    WinogradTile,
};

use super::affine::Affine;
use super::calibration::Inputs;
use super::chain;
use super::fuse::{Abilities, Consumers, Fused, affine_of};
use super::kernel::{Ending, Kernel};
use super::layout::{Border, Layout};
use super::memory;
use super::network::{Network, Step, ValueId, View};
use super::rounded_maps;
use super::winograd;
use super::{Banding, Calibration, PlanOptions, Precision};
use crate::EngineError;
use window::{Window, border, convolution_window, is_convolution, meets_map};

/// Most numbers in one buffer: a gigabyte, far beyond any network for photographs.
const MOST_ELEMENTS: usize = 1 << 28;

/// Compiles `graph`; also returns the shape of its input.
pub(super) fn lower(
    graph: &Graph,
    weights: &NamedTensors,
    options: &PlanOptions,
    calibration: &Calibration,
) -> Result<(Network, Shape), EngineError> {
    graph.check_weights(weights)?;
    let input_shape = only_input(graph)?;
    let mut lowering = Lowering {
        graph,
        weights,
        isa: options.isa,
        precision: options.precision,
        calibration,
        consumers: Consumers::new(graph),
        views: vec![None; graph.nodes().len()],
        taken_in: vec![false; graph.nodes().len()],
        waiting: HashMap::new(),
        values: Vec::new(),
        owners: Vec::new(),
        steps: Vec::new(),
        region: Region::default(),
    };
    for index in 0..graph.nodes().len() {
        lowering.node(index)?;
    }
    Ok((lowering.finish(options.banding)?, input_shape))
}

fn only_input(graph: &Graph) -> Result<Shape, EngineError> {
    let inputs = graph.nodes().iter().filter(|node| matches!(node.op, Op::Input { .. }));
    let shapes: Vec<Shape> = inputs.map(|node| node.shape).collect();
    match shapes[..] {
        [shape] => Ok(shape),
        _ => Err(EngineError::InputCount { found: shapes.len() }),
    }
}

/// A graph on its way to becoming a [`Network`].
struct Lowering<'a> {
    graph: &'a Graph,
    weights: &'a NamedTensors,
    isa: InstructionSet,
    precision: Precision,
    calibration: &'a Calibration,
    consumers: Consumers,
    /// What each node has become, once it is lowered.
    views: Vec<Option<View>>,
    /// Nodes that are computed along with an earlier one.
    taken_in: Vec<bool>,
    /// Steps that begin at an earlier node and are computed when the last node they took in is reached.
    waiting: HashMap<usize, (usize, Fused)>,
    values: Vec<Layout>,
    /// The node that each value belongs to.
    owners: Vec<usize>,
    steps: Vec<Step>,
    /// Where the weights lie.
    region: Region,
}

impl<'a> Lowering<'a> {
    fn node(&mut self, index: usize) -> Result<(), EngineError> {
        if let Some((start, fused)) = self.waiting.remove(&index) {
            return self.emit(start, fused);
        }
        let node = &self.graph.nodes()[index];
        if self.taken_in[index] || !self.is_needed(index) {
            return Ok(());
        }
        match &node.op {
            // Nothing happens to the numbers, nor to where they lie.
            Op::Dropout { .. } | Op::StochasticDepth { .. } => self.pass_on(index),
            Op::Reshape { height: 1, width: 1, .. } => self.pass_on(index),
            Op::Flatten
                if self.graph.node(node.inputs[0]).shape.len() == self.channels_of(node.inputs[0]) =>
            {
                self.pass_on(index);
            }
            Op::ZeroPadding2d(padding) if self.needs_no_copy(index, border(padding)) => {
                let view = self.view(node.inputs[0]);
                let padding = border(padding).around(view.padding);
                self.views[index] = Some(View { padding, ..view });
            }
            _ => {
                let fused = self.fuse(index)?;
                let mut last = index;
                while last != fused.end {
                    last = self.consumers.of(last)[0];
                    self.taken_in[last] = true;
                }
                if last == index {
                    return self.emit(index, fused);
                }
                self.waiting.insert(last, (index, fused));
            }
        }
        Ok(())
    }

    fn pass_on(&mut self, index: usize) {
        self.views[index] = Some(self.view(self.graph.nodes()[index].inputs[0]));
    }

    fn channels_of(&self, id: NodeId) -> usize {
        self.graph.node(id).shape.channels()
    }

    fn is_needed(&self, index: usize) -> bool {
        index == self.graph.output().index() || !self.consumers.of(index).is_empty()
    }

    /// Whether all readers of a node, of which there is at least one, are of a kind.
    fn only_feeds(&self, index: usize, kind: impl Fn(&Op) -> bool) -> bool {
        let readers = self.consumers.of(index);
        !readers.is_empty() && readers.iter().all(|&reader| kind(&self.graph.nodes()[reader].op))
    }

    /// Whether those who read the zero padding `index` can do without a copy: convolutions have a border for the zeros, and to the
    /// maxima of what is never negative they make no difference, but for NaN and the sign of a zero.
    fn needs_no_copy(&self, index: usize, zeros: Border) -> bool {
        let input = self.graph.nodes()[index].inputs[0];
        let map = self.graph.node(input).shape;
        let is_maximum = |op: &Op| matches!(op, Op::MaxPool2d(pool) if meets_map(pool, map, zeros));
        self.only_feeds(index, is_convolution)
            || self.never_negative(input) && self.only_feeds(index, is_maximum)
    }

    /// Whether a step ends with a clamp that leaves nothing below zero.
    fn never_negative(&self, id: NodeId) -> bool {
        let View { value, padding } = self.view(id);
        let step = self.steps.iter().find(|step| step.output == value);
        let clamp = step.and_then(|step| step.kernel.ending()).and_then(|ending| ending.clamp);
        padding == Border::default() && clamp.is_some_and(|clamp| clamp.low >= 0.0)
    }

    /// The node's own arithmetic, and what follows it.
    fn fuse(&self, index: usize) -> Result<Fused, EngineError> {
        let node = &self.graph.nodes()[index];
        let channels = node.shape.channels();
        let plain = Fused::alone(index, Affine::identity(channels));
        let (own, abilities) = match &node.op {
            Op::Input { .. } => (plain, Abilities { affine: true, reversal: true, ..Abilities::NONE }),
            Op::Conv2d(_) | Op::Dense(_) | Op::DepthwiseConv2d(_) => {
                let affine = plain.affine.with_bias(self.bias(node));
                let addend = !matches!(node.op, Op::DepthwiseConv2d(_));
                (Fused { affine, ..plain }, Abilities { addend, ..Abilities::ARITHMETIC })
            }
            Op::BatchNorm(_) | Op::Rescale { .. } | Op::Normalization | Op::LayerScale => {
                let affine = affine_of(&node.op, &node.name, channels, self.weights);
                let affine = affine.unwrap_or_else(|| unreachable!("all of them scale"));
                (Fused { affine, scaled: true, ..plain }, Abilities::ARITHMETIC)
            }
            Op::Add => {
                let fused = Fused { addend: Some(node.inputs[1]), ..plain };
                (fused, Abilities { activation: true, ..Abilities::NONE })
            }
            Op::Activation(function) => {
                let mut fused = plain;
                fused.set_activation(*function);
                (fused, Abilities::NONE)
            }
            _ => (plain, Abilities::NONE),
        };
        Ok(own.extend(self.graph, &self.consumers, self.weights, abilities))
    }

    /// Adds the step that begins at node `start`.
    fn emit(&mut self, start: usize, fused: Fused) -> Result<(), EngineError> {
        let node = &self.graph.nodes()[start];
        // A sum's second operand follows as the addend.
        let own = if matches!(node.op, Op::Add) { 1 } else { node.inputs.len() };
        let mut inputs: Vec<View> = node.inputs.iter().take(own).map(|&input| self.view(input)).collect();
        if let Some(window) = convolution_window(&node.op) {
            let padding = window.padding(self.graph.node(node.inputs[0]).shape).around(inputs[0].padding);
            let layout = &mut self.values[inputs[0].value.0];
            layout.border = layout.border.union(padding);
            inputs[0].padding = padding;
        }
        inputs.extend(fused.addend.map(|addend| self.view(addend)));
        let mut kernel = self.kernel(node, &inputs, &fused)?;
        kernel.move_to(&mut self.region);
        let is_image = matches!(node.op, Op::Input { .. });
        let channels = node.shape.channels();
        let pixel_len = if is_image && self.only_feeds_convolutions(fused.end) {
            channels
        } else {
            self.isa.padded(channels)
        };
        let output = ValueId(self.values.len());
        let layout = Layout::new(node.shape, pixel_len);
        let block_len = if self.is_blocked(&kernel, fused.end) { self.isa.lanes() } else { pixel_len };
        self.values.push(Layout { block_len, ..layout });
        self.owners.push(fused.end);
        self.views[fused.end] = Some(View { value: output, padding: Border::default() });
        let input_shapes: Vec<Shape> =
            node.inputs.iter().map(|&input| self.graph.node(input).shape).collect();
        let multiply_adds = node.op.multiply_adds(&input_shapes, node.shape);
        let work = multiply_adds.max(least_work(node));
        self.steps.push(Step { node: node.name.clone(), kernel, inputs, output, multiply_adds, work });
        Ok(())
    }

    fn kernel(&self, node: &Node, inputs: &[View], fused: &Fused) -> Result<Kernel, EngineError> {
        let (scale, offset) = fused.affine.rounded(&node.name)?;
        let ending = Ending { clamp: fused.clamp, activation: fused.activation };
        Ok(match &node.op {
            Op::Input { .. } => {
                Kernel::Convert(ConvertPixels::new(self.isa, &scale, &offset, fused.reversed))
            }
            Op::Conv2d(conv) => match self.winograd_tile(conv, node, inputs) {
                Some(tile) => {
                    let channels = self.values[inputs[0].value.0].channels;
                    let filters = self.weight(node, "kernel").to_f32();
                    let weights = match self.precision {
                        Precision::Bf16 => {
                            let unit = Bf16Unit::best(self.isa);
                            PackedWinograd::pack_bf16(unit, tile, channels, &filters, &scale, &offset)
                        }
                        _ => PackedWinograd::pack(self.isa, tile, channels, &filters, &scale, &offset),
                    };
                    Kernel::Winograd { weights, ending }
                }
                None => {
                    let Conv2d { kernel, strides, .. } = *conv;
                    self.convolution(node, inputs[0], [kernel, strides], [&scale, &offset], ending)?
                }
            },
            Op::Dense(_) => self.convolution(node, inputs[0], [[1, 1]; 2], [&scale, &offset], ending)?,
            Op::DepthwiseConv2d(conv) => {
                let filters = self.weight(node, "kernel").to_f32();
                let bias = Some(&offset[..]);
                let weights =
                    PackedDepthwise::pack(self.isa, conv.kernel, scale.len(), &filters, Some(&scale), bias);
                Kernel::Depthwise { weights, strides: conv.strides, ending }
            }
            Op::MaxPool2d(pool) => self.pool(node, PoolKind::Max, *pool, inputs[0].padding),
            Op::AveragePool2d(pool) => self.pool(node, PoolKind::Average, *pool, inputs[0].padding),
            Op::GlobalMaxPool2d => self.pool(node, PoolKind::Max, self.whole_map(node), inputs[0].padding),
            Op::GlobalAveragePool2d => Kernel::GlobalAveragePool2d,
            Op::LayerNorm { epsilon } => {
                let [gamma, beta] = ["gamma", "beta"].map(|role| self.padded_weight(node, role));
                Kernel::LayerNorm { gamma, beta, epsilon: *epsilon }
            }
            Op::Activation(Activation::Softmax) => Kernel::Softmax,
            Op::ZeroPadding2d(margins) => Kernel::ZeroPadding2d(border(margins)),
            Op::Cropping2d(margins) => Kernel::Cropping2d { top: margins.top, left: margins.left },
            Op::Multiply => Kernel::Multiply,
            Op::Concatenate => Kernel::Concatenate,
            Op::ReverseChannels => Kernel::ReverseChannels,
            Op::Flatten | Op::Reshape { .. } => Kernel::Reshape,
            Op::Add
            | Op::BatchNorm(_)
            | Op::Rescale { .. }
            | Op::Normalization
            | Op::LayerScale
            | Op::Activation(_) => {
                let affine = fused.scaled.then(|| (self.padded(scale), self.padded(offset)));
                Kernel::Elementwise { affine, ending }
            }
            _ => return Err(EngineError::UnknownOperation { node: node.name.clone() }),
        })
    }

    /// The tiles with which Winograd's algorithm can and should be used: it adds nothing and reads whole vectors.
    fn winograd_tile(&self, conv: &Conv2d, node: &Node, inputs: &[View]) -> Option<WinogradTile> {
        let Layout { channels, pixel_len, .. } = self.values[inputs[0].value.0];
        let possible = inputs.len() == 1 && pixel_len == self.isa.padded(channels);
        possible.then(|| winograd::tile(conv, channels, node.shape, self.precision, self.isa)).flatten()
    }

    /// Zeros up to whole vectors.
    fn padded(&self, mut values: Vec<f32>) -> Vec<f32> {
        values.resize(self.isa.padded(values.len()), 0.0);
        values
    }

    fn padded_weight(&self, node: &Node, role: &str) -> Vec<f32> {
        self.padded(self.weight(node, role).to_f32().into_owned())
    }

    /// The window that covers all of a node's input.
    fn whole_map(&self, node: &Node) -> Pool2d {
        let layout = self.values[self.view(node.inputs[0]).value.0];
        let window = [layout.height, layout.width];
        Pool2d { window, strides: [1, 1], padding: Padding::Valid }
    }

    /// A pool whose input is a map with `zeros` around it, which it leaves out.
    fn pool(&self, node: &Node, kind: PoolKind, pool: Pool2d, zeros: Border) -> Kernel {
        let Pool2d { window, strides, padding } = pool;
        let input = self.graph.node(node.inputs[0]).shape;
        let window_padding = Window { kernel: window, strides, padding }.padding(input);
        let Border { top, left, .. } = window_padding.around(zeros);
        Kernel::Pool2d { kind, window, strides, before: [top, left] }
    }

    fn convolution(
        &self,
        node: &Node,
        input: View,
        [kernel, strides]: [[usize; 2]; 2],
        [scale, bias]: [&[f32]; 2],
        ending: Ending,
    ) -> Result<Kernel, EngineError> {
        if let Some(weights) = self.rounded(node, input, kernel, scale, bias)? {
            return Ok(Kernel::RoundedConvolution { weights, kernel, strides, ending });
        }
        let weights = self.pack_convolution(node, input, scale, bias);
        Ok(Kernel::Convolution { weights, kernel, strides, ending })
    }

    /// The weights of a convolution that is rounded at the plan's precision.
    fn rounded(
        &self,
        node: &Node,
        input: View,
        kernel: [usize; 2],
        scale: &[f32],
        bias: &[f32],
    ) -> Result<Option<RoundedMatrix>, EngineError> {
        if !self.precision.rounds(node, &self.values[input.value.0], self.isa.lanes()) {
            return Ok(None);
        }
        let values = self.weight(node, "kernel").to_f32();
        let matrix = MatrixView::row_major(&values, values.len() / scale.len(), scale.len());
        let taps = kernel[0] * kernel[1];
        Ok(match self.precision {
            Precision::F32 => None,
            Precision::Bf16 => {
                let unit = Bf16Unit::best(self.isa);
                Some(RoundedMatrix::Bf16(PackedBf16Matrix::pack(unit, taps, matrix, scale, bias)))
            }
            Precision::Int8 if matrix.rows > PackedInt8Matrix::MOST_ROWS => None,
            Precision::Int8 => {
                let &Inputs { range: [low, high], ref means } = self.calibration.inputs(&node.name)?;
                let channels = matrix.rows / taps;
                if means.len() != channels {
                    return Err(EngineError::CalibrationLen { found: means.len(), expected: channels });
                }
                let scaled = values.iter().zip(scale.iter().cycle()).map(|(value, scale)| value * scale);
                // A byte cannot say that a number is none.
                if !scaled.chain(bias.iter().copied()).all(f32::is_finite) {
                    return Err(EngineError::NotFinite { node: node.name.clone() });
                }
                let (unit, input) = (Int8Unit::best(self.isa), ByteScale::covering(low, high));
                Some(RoundedMatrix::Int8(PackedInt8Matrix::pack(
                    unit, input, means, taps, matrix, scale, bias,
                )))
            }
        })
    }

    fn pack_convolution(&self, node: &Node, input: View, scale: &[f32], bias: &[f32]) -> PackedMatrix {
        let tensor = self.weight(node, "kernel");
        let (filters, values) = (scale.len(), tensor.to_f32());
        let Layout { channels, pixel_len, .. } = self.values[input.value.0];
        // A segment is some whole pixels, the channels of one, or a vector of them.
        let has_even_segments = channels.is_multiple_of(2) && pixel_len.is_multiple_of(2);
        let pack_matrix =
            if has_even_segments { PackedMatrix::pack_for_even_segments } else { PackedMatrix::pack };
        let pack = |matrix: MatrixView| pack_matrix(self.isa, matrix, Some(scale), Some(bias));
        let rows = values.len() / filters;
        if rows == channels || pixel_len == channels {
            return pack(MatrixView::row_major(&values, rows, filters));
        }
        // A window is read with the zeros that fill up its pixels: they meet weights of zero.
        let mut padded = vec![0.0; rows / channels * pixel_len * filters];
        let taps = padded.chunks_exact_mut(pixel_len * filters).zip(values.chunks_exact(channels * filters));
        taps.for_each(|(to, from)| to[..from.len()].copy_from_slice(from));
        pack(MatrixView::row_major(&padded, rows / channels * pixel_len, filters))
    }

    fn bias(&self, node: &Node) -> Option<&'a Tensor> {
        let wanted = match &node.op {
            Op::Conv2d(conv) => conv.bias,
            Op::DepthwiseConv2d(conv) => conv.bias,
            Op::Dense(dense) => dense.bias,
            _ => false,
        };
        wanted.then(|| self.weight(node, "bias"))
    }

    /// A weight whose presence and shape `Graph::check_weights` has seen.
    fn weight(&self, node: &Node, role: &str) -> &'a Tensor {
        let name = format!("{}/{role}", node.name);
        self.weights.get(&name).unwrap_or_else(|| unreachable!("weight `{name}` was checked"))
    }

    /// What an earlier node has become.
    fn view(&self, id: NodeId) -> View {
        self.views[id.index()].unwrap_or_else(|| unreachable!("a node is lowered before its readers"))
    }

    fn finish(self, banding: Banding) -> Result<Network, EngineError> {
        for (layout, &owner) in self.values.iter().zip(&self.owners) {
            if layout.len() > MOST_ELEMENTS {
                let node = self.graph.nodes()[owner].name.clone();
                return Err(EngineError::TooLarge { node, found: layout.len(), most: MOST_ELEMENTS });
            }
        }
        let output = self.view(self.graph.output()).value;
        let Lowering { isa, precision, mut values, steps, .. } = self;
        rounded_maps::choose_formats(&mut values, &steps, output, isa);
        let chains = chain::chains(&values, &steps, output, banding);
        let (slots, slot_lens) = memory::plan(&values, &steps, &chains, output);
        let kept_lens = chain::kept_lens(&values, &steps, &chains);
        let transformed_len =
            steps.iter().map(|step| step.kernel.transformed_len(&values[step.output.0])).max().unwrap_or(0);
        let rounded_len = steps.iter().map(|step| step.kernel.rounded_len()).max().unwrap_or(0);
        Ok(Network {
            isa,
            precision,
            bf16_unit: Bf16Unit::best(isa),
            values,
            steps,
            chains,
            output,
            slots,
            slot_lens,
            transformed_len,
            kept_lens,
            rounded_len,
        })
    }
}

/// What a value costs that an operation writes, or a window reads, in multiply-adds of a convolution.
const WORK_PER_VALUE: u64 = 8;

/// The least work of an operation, whether it multiplies or not.
fn least_work(node: &Node) -> u64 {
    let per_value = match node.op {
        Op::MaxPool2d(pool) | Op::AveragePool2d(pool) => pool.window[0] * pool.window[1],
        _ => 1,
    };
    (node.shape.len() * per_value) as u64 * WORK_PER_VALUE
}

/// Weights for tests of what a graph is lowered to, which does not depend on them.
#[cfg(test)]
pub(super) fn zero_weights(graph: &Graph) -> NamedTensors {
    let mut weights = NamedTensors::new();
    for spec in graph.weights() {
        let values = vec![0.0; spec.shape.iter().product()];
        let tensor = Tensor::from_f32(spec.shape, values).expect("as many zeros as the shape says");
        weights.insert(spec.name, tensor).expect("a name of its own");
    }
    weights
}
