//! The ranges of what convolutions read, seen while images run through a network in single precision.
//!
//! Source: Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference" (2018).

use std::collections::BTreeMap;

use engraft_graph::{Graph, NamedTensors, Op, Shape};
use engraft_kernels::InstructionSet;
use rayon::prelude::*;

use super::kernel::Pixels;
use super::layout::Layout;
use super::network::Network;
use super::{Banding, Plan, PlanOptions};
use crate::EngineError;

/// For each convolution of a network, the least and the greatest of its inputs, and zero between them.
///
/// [`Precision::Int8`](crate::Precision::Int8) spreads its bytes over this range. It covers every convolution on a map of
/// several pixels, also those that an instruction set leaves in single precision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration(BTreeMap<String, [f32; 2]>);

impl Calibration {
    /// Runs images of bytes through the network on the current rayon pool. Their order does not matter.
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

    /// The calibration of `graph` that [`Calibration::ranges`] has written down.
    ///
    /// # Errors
    /// [`EngineError`] if there are more or fewer numbers than two for each convolution, or a range is not finite or without
    /// zero.
    pub fn from_ranges(graph: &Graph, ranges: &[f32]) -> Result<Calibration, EngineError> {
        let nodes: Vec<&str> = nodes(graph).collect();
        if ranges.len() != 2 * nodes.len() {
            return Err(EngineError::CalibrationLen { found: ranges.len(), expected: 2 * nodes.len() });
        }
        let named = nodes.into_iter().zip(ranges.chunks_exact(2)).map(|(node, range)| {
            let found = [range[0], range[1]];
            let is_range = found.iter().all(|x| x.is_finite()) && found[0] <= 0.0 && found[1] >= 0.0;
            match is_range {
                true => Ok((node.to_owned(), found)),
                false => Err(EngineError::CalibrationRange { node: node.to_owned(), found }),
            }
        });
        named.collect::<Result<_, _>>().map(Calibration)
    }

    /// The least and the greatest input of each convolution, in the order of the graph's nodes.
    ///
    /// # Errors
    /// [`EngineError::NotCalibrated`] if it is not a calibration of that graph.
    pub fn ranges(&self, graph: &Graph) -> Result<Vec<f32>, EngineError> {
        let ranges: Result<Vec<_>, _> = nodes(graph).map(|node| self.range(node)).collect();
        Ok(ranges?.concat())
    }

    /// The least and the greatest input of a convolution.
    pub(super) fn range(&self, node: &str) -> Result<[f32; 2], EngineError> {
        self.0.get(node).copied().ok_or_else(|| EngineError::NotCalibrated { node: node.to_owned() })
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
        let mut all = Calibration::default();
        of_images?.into_iter().for_each(|seen| all.widen(seen));
        Ok(all)
    }

    fn widen(&mut self, Calibration(other): Calibration) {
        for (node, [low, high]) in other {
            let range = self.0.entry(node).or_default();
            *range = [range[0].min(low), range[1].max(high)];
        }
    }
}

/// The convolutions that have a range.
fn nodes(graph: &Graph) -> impl Iterator<Item = &str> {
    let has_range = |node: &&engraft_graph::Node| {
        let reads_map = |shape| matches!(shape, Shape::Map { height, width, .. } if height * width > 1);
        matches!(node.op, Op::Conv2d(_) | Op::Dense(_)) && reads_map(graph.node(node.inputs[0]).shape)
    };
    graph.nodes().iter().filter(has_range).map(|node| &*node.name)
}

impl super::Worker {
    /// Runs all steps for one image, each in a chain of its own, and sees what convolutions read.
    fn run_watched(
        &mut self,
        network: &Network,
        image: Pixels,
        graph: &Graph,
    ) -> Result<Calibration, EngineError> {
        let mut seen = Calibration::default();
        let watched: std::collections::HashSet<&str> = nodes(graph).collect();
        for chain in &network.chains {
            let step = &network.steps[chain.steps.start];
            if let (Some(view), true) = (step.inputs.first(), watched.contains(&*step.node)) {
                let (layout, slot) = (network.values[view.value.0], network.slots[view.value.0]);
                let range = range_of(&layout, &self.slots[slot]);
                let range = range.ok_or_else(|| EngineError::NotFiniteInputs { node: step.node.clone() })?;
                seen.0.insert(step.node.clone(), range);
            }
            self.run_chain(network, chain, image, 1);
        }
        Ok(seen)
    }
}

/// The least and the greatest number of a map, and zero, unless one is not finite.
fn range_of(layout: &Layout, buffer: &[f32]) -> Option<[f32; 2]> {
    let [mut low, mut high] = [0.0_f32; 2];
    for row in 0..layout.height {
        let start = layout.row_start(row) + layout.border.left * layout.pixel_len;
        let row = &buffer[start..][..layout.width * layout.pixel_len];
        for &x in row.chunks_exact(layout.pixel_len).flat_map(|pixel| &pixel[..layout.channels]) {
            if !x.is_finite() {
                return None;
            }
            (low, high) = (low.min(x), high.max(x));
        }
    }
    Some([low, high])
}
