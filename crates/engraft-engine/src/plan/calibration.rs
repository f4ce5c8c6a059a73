//! Ranges and means of what convolutions read, seen while images run through a network in single precision.
//!
//! Source: Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference" (2018);
//! Nagel et al., "Data-free quantization through weight equalization and bias correction" (2019).

use std::collections::{BTreeMap, HashSet};

use engraft_graph::{Graph, NamedTensors, Op, Shape};
use engraft_kernels::InstructionSet;
use rayon::prelude::*;

use super::kernel::Pixels;
use super::layout::Layout;
use super::network::Network;
use super::{Banding, Plan, PlanOptions};
use crate::EngineError;

/// For each convolution of a network the least and the greatest of its inputs, and zero between them, and the mean of each
/// input channel.
///
/// [`Precision::Int8`](crate::Precision::Int8) spreads its bytes over the range, and makes good in the bias what rounding the
/// weights changes about the mean. There are numbers of every convolution on a map of several pixels, also of those that an
/// instruction set leaves in single precision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration(BTreeMap<String, Inputs>);

/// What a convolution reads.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Inputs {
    /// The least and the greatest number.
    pub range: [f32; 2],
    /// Of each channel.
    pub means: Vec<f32>,
}

impl Calibration {
    /// Runs images of bytes through the network on the current rayon pool. Their order decides the last bits of means at most.
    ///
    /// # Errors
    /// As [`Plan::compile`]; if an image has the wrong size, or makes the network give numbers that are not finite.
    pub fn measure_u8(
        graph: &Graph,
        weights: &NamedTensors,
        isa: InstructionSet,
        images: &[&[u8]],
    ) -> Result<Calibration, EngineError> {
        Calibration::measure(graph, weights, isa, images, |&image| Pixels::U8(image))
    }

    /// Runs images of floats; otherwise as [`Calibration::measure_u8`].
    ///
    /// # Errors
    /// As [`Calibration::measure_u8`].
    pub fn measure_f32(
        graph: &Graph,
        weights: &NamedTensors,
        isa: InstructionSet,
        images: &[&[f32]],
    ) -> Result<Calibration, EngineError> {
        Calibration::measure(graph, weights, isa, images, |&image| Pixels::F32(image))
    }

    /// The calibration of `graph` that [`Calibration::numbers`] has written down.
    ///
    /// # Errors
    /// [`EngineError`] if there are too many or too few numbers, a range is not finite or without zero, or a mean is not in its
    /// range.
    pub fn from_numbers(graph: &Graph, numbers: &[f32]) -> Result<Calibration, EngineError> {
        let expected = nodes(graph).map(|(_, channels)| 2 + channels).sum();
        if numbers.len() != expected {
            return Err(EngineError::CalibrationLen { found: numbers.len(), expected });
        }
        let mut rest = numbers;
        let mut calibration = Calibration::default();
        for (node, channels) in nodes(graph) {
            let (of_node, later) = rest.split_at(2 + channels);
            let (range, means) = ([of_node[0], of_node[1]], of_node[2..].to_vec());
            if !range.iter().all(|x| x.is_finite()) || range[0] > 0.0 || range[1] < 0.0 {
                return Err(EngineError::CalibrationRange { node: node.to_owned(), found: range });
            }
            if let Some(&found) = means.iter().find(|&&mean| !(range[0] <= mean && mean <= range[1])) {
                return Err(EngineError::CalibrationMean { node: node.to_owned(), found, range });
            }
            calibration.0.insert(node.to_owned(), Inputs { range, means });
            rest = later;
        }
        Ok(calibration)
    }

    /// The least and the greatest input of each convolution and the means of its channels, in the order of the graph's nodes.
    ///
    /// # Errors
    /// [`EngineError::NotCalibrated`] if it is not a calibration of that graph.
    pub fn numbers(&self, graph: &Graph) -> Result<Vec<f32>, EngineError> {
        let mut numbers = Vec::new();
        for (node, _) in nodes(graph) {
            let Inputs { range, means } = self.inputs(node)?;
            numbers.extend(range.iter().chain(means));
        }
        Ok(numbers)
    }

    /// What a convolution reads.
    pub(super) fn inputs(&self, node: &str) -> Result<&Inputs, EngineError> {
        self.0.get(node).ok_or_else(|| EngineError::NotCalibrated { node: node.to_owned() })
    }

    fn measure<'a, T: Sync>(
        graph: &Graph,
        weights: &NamedTensors,
        isa: InstructionSet,
        images: &'a [T],
        pixels: impl Fn(&'a T) -> Pixels<'a> + Sync,
    ) -> Result<Calibration, EngineError> {
        // Steps that run together keep a few rows of what passes between them; here all of it must be there.
        let options = PlanOptions { banding: Banding::Never, ..PlanOptions::new(isa) };
        let plan = Plan::compile(graph, weights, &options)?;
        for (index, image) in images.iter().enumerate() {
            plan.check_image(index, pixels(image))?;
        }
        let of_image = |image| {
            let mut worker = plan.borrow_worker();
            let seen = worker.run_watched(&plan.network, pixels(image), graph);
            plan.return_worker(worker);
            seen
        };
        let of_images: Result<Vec<_>, _> = images.par_iter().with_max_len(1).map(of_image).collect();
        let mut all = Seen::default();
        of_images?.into_iter().for_each(|seen| all.add(seen));
        Ok(all.calibration())
    }
}

/// What convolutions have read.
#[derive(Default)]
struct Seen(BTreeMap<String, SeenInputs>);

/// What a convolution has read.
struct SeenInputs {
    range: [f32; 2],
    /// Of each channel.
    sums: Vec<f64>,
    pixels: usize,
}

impl Seen {
    fn add(&mut self, Seen(other): Seen) {
        for (node, of_other) in other {
            let Some(inputs) = self.0.get_mut(&node) else {
                self.0.insert(node, of_other);
                continue;
            };
            let [low, high] = of_other.range;
            inputs.range = [inputs.range[0].min(low), inputs.range[1].max(high)];
            inputs.sums.iter_mut().zip(of_other.sums).for_each(|(sum, other)| *sum += other);
            inputs.pixels += of_other.pixels;
        }
    }

    fn calibration(self) -> Calibration {
        let inputs = |SeenInputs { range: [low, high], sums, pixels }| {
            let mean = |sum: f64| ((sum / pixels as f64) as f32).clamp(low, high);
            Inputs { range: [low, high], means: sums.into_iter().map(mean).collect() }
        };
        Calibration(self.0.into_iter().map(|(node, seen)| (node, inputs(seen))).collect())
    }
}

/// The convolutions on maps of several pixels, with their input channels.
fn nodes(graph: &Graph) -> impl Iterator<Item = (&str, usize)> {
    graph.nodes().iter().filter(|node| matches!(node.op, Op::Conv2d(_) | Op::Dense(_))).filter_map(|node| {
        match graph.node(node.inputs[0]).shape {
            Shape::Map { height, width, channels } if height * width > 1 => Some((&*node.name, channels)),
            _ => None,
        }
    })
}

impl super::Worker {
    /// Runs all steps for one image, each in a chain of its own, and sees what convolutions read.
    fn run_watched(&mut self, network: &Network, image: Pixels, graph: &Graph) -> Result<Seen, EngineError> {
        let mut seen = Seen::default();
        let watched: HashSet<&str> = nodes(graph).map(|(node, _)| node).collect();
        for chain in &network.chains {
            let step = &network.steps[chain.steps.start];
            if let (Some(view), true) = (step.inputs.first(), watched.contains(&*step.node)) {
                let (layout, slot) = (network.values[view.value.0], network.slots[view.value.0]);
                let inputs = look_at(&layout, &self.slots[slot]);
                let inputs =
                    inputs.ok_or_else(|| EngineError::NotFiniteInputs { node: step.node.clone() })?;
                seen.0.insert(step.node.clone(), inputs);
            }
            self.run_chain(network, chain, image, 1);
        }
        Ok(seen)
    }
}

/// The least and the greatest number of a map, and zero, and the sums of its channels, unless a number is not finite.
fn look_at(layout: &Layout, buffer: &[f32]) -> Option<SeenInputs> {
    let [mut low, mut high] = [0.0_f32; 2];
    let mut sums = vec![0.0; layout.channels];
    for row in 0..layout.height {
        let blocks = buffer[layout.row_start(row)..][..layout.row_len()].chunks_exact(layout.blocks_len());
        for (block, sums) in blocks.zip(sums.chunks_mut(layout.block_len)) {
            let pixels = block[layout.border.left * layout.block_len..].chunks_exact(layout.block_len);
            for pixel in pixels.take(layout.width) {
                for (sum, &x) in sums.iter_mut().zip(pixel) {
                    if !x.is_finite() {
                        return None;
                    }
                    (low, high) = (low.min(x), high.max(x));
                    *sum += f64::from(x);
                }
            }
        }
    }
    Some(SeenInputs { range: [low, high], sums, pixels: layout.height * layout.width })
}
