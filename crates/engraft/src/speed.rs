//! How fast a backbone runs here, and where its time goes. No weights are needed: noise takes as long.

mod profile;
mod table;

use std::time::{Duration, Instant};

use engraft_data::Rng;
use engraft_engine::{Calibration, EngineError, Plan, PlanOptions, Precision};
use engraft_zoo::{BackboneSpec, Ending, backbone, noise_weights};
use serde::Serialize;

use crate::Error;
pub use profile::{BackboneProfile, KernelShare, StepShare};

/// Batches that are timed: an image alone, which all threads share, and several, each of which has one thread.
const BATCHES: [usize; 2] = [1, 8];

/// Least time of a measurement.
const LEAST: Duration = Duration::from_millis(500);

/// Least number of runs of a measurement.
const LEAST_RUNS: usize = 3;

/// Images a second of one backbone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackboneSpeed {
    /// Its name in the zoo.
    pub name: String,
    /// Instruction set of its kernels.
    pub isa: &'static str,
    /// What its convolutions computed with.
    pub precision: String,
    /// Threads that it ran on.
    pub threads: usize,
    /// Side of its square input, in pixels.
    pub input_size: usize,
    /// By size of the batch.
    pub batches: Vec<BatchSpeed>,
}

/// Images a second at one size of batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BatchSpeed {
    /// Images of a batch.
    pub batch: usize,
    /// The median of all runs.
    pub images_per_second: f64,
}

impl BackboneSpeed {
    /// Times the backbone `name` on the current rayon pool, at batch 1 and 8, for half a second and at least three runs each.
    /// It starts from the bytes of images of the right size: decoding and resizing have no part in it.
    ///
    /// # Errors
    /// If the name is unknown, or `ENGRAFT_ISA` names an instruction set that this processor lacks.
    pub fn measure(name: &str, precision: Precision) -> Result<BackboneSpeed, Error> {
        let subject = Subject::open(name, precision)?;
        let speed = |batch| Ok(BatchSpeed { batch, images_per_second: subject.images_per_second(batch)? });
        Ok(BackboneSpeed {
            name: subject.spec.name.to_owned(),
            isa: subject.plan.isa_name(),
            precision: subject.plan.precision_name(),
            threads: rayon::current_num_threads(),
            input_size: subject.spec.preprocessing.input_side_px,
            batches: BATCHES.into_iter().map(speed).collect::<Result<_, EngineError>>()?,
        })
    }

    /// A line for each batch.
    pub fn text(&self) -> String {
        let BackboneSpeed { name, isa, precision, threads, input_size, .. } = self;
        let threads = if *threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
        let mut text = format!("{name}, {input_size} x {input_size}, {isa}, {precision}, {threads}\n");
        for BatchSpeed { batch, images_per_second } in &self.batches {
            text += &format!("batch {batch}: {images_per_second:.1} images/s\n");
        }
        text
    }
}

/// A backbone with noise for weights, and an image of noise.
struct Subject {
    spec: &'static BackboneSpec,
    plan: Plan,
    image: Vec<u8>,
}

impl Subject {
    fn open(name: &str, precision: Precision) -> Result<Subject, Error> {
        let spec = backbone(name)?;
        let graph = spec.graph(Ending::Features);
        let options = PlanOptions { precision, ..PlanOptions::from_env()? };
        let (weights, side) = (noise_weights(&graph)?, spec.preprocessing.input_side_px);
        let mut rng = Rng::new(0);
        let image: Vec<u8> = (0..3 * side * side).map(|_| rng.below(256) as u8).collect();
        let calibration = match precision {
            Precision::Int8 => Calibration::measure_u8(&graph, &weights, options.isa, &[&image])?,
            Precision::F32 | Precision::Bf16 => Calibration::default(),
        };
        let plan = Plan::compile_calibrated(&graph, &weights, &options, &calibration)?;
        Ok(Subject { spec, plan, image })
    }

    fn images_per_second(&self, batch: usize) -> Result<f64, EngineError> {
        let images = vec![&self.image[..]; batch];
        let mut features = vec![0.0; batch * self.plan.output_shape().len()];
        // The first run makes the buffers.
        self.plan.run_u8(&images, &mut features)?;
        let (started, mut times) = (Instant::now(), Vec::new());
        while times.len() < LEAST_RUNS || started.elapsed() < LEAST {
            let run = Instant::now();
            self.plan.run_u8(&images, &mut features)?;
            times.push(run.elapsed());
        }
        times.sort();
        Ok(batch as f64 / times[times.len() / 2].as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_measured_for_each_batch() {
        let speed = BackboneSpeed::measure("mobilenet_025", Precision::F32).unwrap();
        assert_eq!(speed.batches.iter().map(|speed| speed.batch).collect::<Vec<_>>(), BATCHES);
        assert!(speed.batches.iter().all(|speed| speed.images_per_second > 1.0), "{speed:?}");
        assert_eq!(speed.text().lines().count(), 3, "{}", speed.text());
    }
}
