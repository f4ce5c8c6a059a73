//! How long each step of a plan takes.

use engraft_graph::Shape;

use super::Plan;
use super::kernel::Pixels;
use crate::EngineError;

/// One step of a plan: a node and what is computed along with it.
#[derive(Clone, Debug, PartialEq)]
pub struct StepProfile {
    /// Name of the node.
    pub node: String,
    /// What computes it.
    pub kernel: &'static str,
    /// Height, width and channels of its result.
    pub output_shape: Shape,
    /// Multiply-adds of convolutions and dense layers; zero for everything else.
    pub multiply_adds: u64,
    /// The least time of all runs: what it takes when nothing disturbs it.
    pub seconds: f64,
}

impl Plan {
    /// Runs an image of bytes `runs` times on the calling thread and times every step, in the order in which they run.
    ///
    /// # Errors
    /// [`EngineError::ImageLen`] if the image has the wrong size.
    pub fn profile(&self, image: &[u8], runs: usize) -> Result<Vec<StepProfile>, EngineError> {
        let image = Pixels::U8(image);
        self.check_image(0, image)?;
        let network = &self.network;
        let mut worker = self.worker();
        let mut least = vec![f64::INFINITY; network.steps.len()];
        for _ in 0..runs {
            worker.scratch[0].times = Some(vec![0.0; network.steps.len()]);
            worker.run(network, image, 1);
            let times = worker.scratch[0].times.take().unwrap_or_default();
            least.iter_mut().zip(times).for_each(|(least, time)| *least = least.min(time));
        }
        let profiles = network.steps.iter().zip(least).map(|(step, seconds)| {
            let layout = network.values[step.output.0];
            StepProfile {
                node: step.node.clone(),
                kernel: step.kernel.name(),
                output_shape: Shape::map(layout.height, layout.width, layout.channels),
                multiply_adds: step.multiply_adds,
                seconds,
            }
        });
        Ok(profiles.collect())
    }
}
