//! How fast a backbone's networks run.

use std::time::{Duration, Instant};

use engraft_data::Rng;
use engraft_engine::EngineError;

use super::{Backbone, BackbonePart};
use crate::Error;

/// Least time of a measurement; a shorter one says little about a small network.
const LEAST: Duration = Duration::from_millis(100);

/// Least number of runs of a measurement.
const LEAST_RUNS: usize = 3;

impl Backbone {
    /// Images a second that its networks embed on all threads of the current rayon pool, one image a thread. Decoding,
    /// resizing and stored features have no part in it. Each network runs for a tenth of a second and at least three times;
    /// the fastest run counts, since whatever else the computer does only slows it down.
    ///
    /// # Errors
    /// [`Error::Engine`] if a network cannot be run.
    pub fn images_per_second(&self) -> Result<f64, Error> {
        let seconds = self.parts().iter().map(seconds_per_image);
        Ok(1.0 / seconds.sum::<Result<f64, EngineError>>()?.max(f64::MIN_POSITIVE))
    }
}

fn seconds_per_image(part: &BackbonePart) -> Result<f64, EngineError> {
    let mut rng = Rng::new(0);
    let image: Vec<u8> = (0..part.plan.input_shape().len()).map(|_| rng.below(256) as u8).collect();
    // One image alone would be split over the threads, which is another way of running it.
    let images = vec![&image[..]; rayon::current_num_threads().max(2)];
    let mut features = vec![0.0; images.len() * part.info.features];
    // The first run makes the buffers.
    part.plan.run_u8(&images, &mut features)?;
    let (started, mut runs) = (Instant::now(), Vec::new());
    while runs.len() < LEAST_RUNS || started.elapsed() < LEAST {
        let run = Instant::now();
        part.plan.run_u8(&images, &mut features)?;
        runs.push(run.elapsed());
    }
    let fastest = runs.into_iter().min().unwrap_or_default();
    Ok(fastest.as_secs_f64() / images.len() as f64)
}
