//! How long each step of a plan takes.

use std::time::{Duration, Instant};

use engraft_graph::Shape;
use engraft_kernels::register_multiply_adds;

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

/// Time that measuring the arithmetic limit takes.
const PEAK_TIME: Duration = Duration::from_millis(50);

/// Rounds of one burst of it: a fraction of a millisecond, so that some bursts are not interrupted.
const PEAK_ROUNDS: usize = 100_000;

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

    /// Multiply-adds a second that one core reaches with this plan's instruction set on registers alone: the fastest of
    /// many short bursts on the calling thread.
    pub fn peak_multiply_adds_per_second(&self) -> f64 {
        let (started, mut fastest) = (Instant::now(), 0.0_f64);
        while started.elapsed() < PEAK_TIME {
            let burst = Instant::now();
            let count = register_multiply_adds(self.network.isa, PEAK_ROUNDS);
            fastest = fastest.max(count as f64 / burst.elapsed().as_secs_f64());
        }
        fastest
    }
}
