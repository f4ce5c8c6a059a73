//! A frozen network, ready to run.

mod affine;
mod attended;
mod calibration;
mod chain;
mod execute;
mod fuse;
mod kernel;
mod layout;
mod lower;
mod memory;
mod network;
mod precision;
mod profile;
mod rounded_maps;
mod winograd;
mod worker;

use std::sync::{Mutex, PoisonError};

use engraft_graph::{Graph, NamedTensors, Shape};
use engraft_kernels::InstructionSet;
use rayon::prelude::*;

use crate::EngineError;
use attended::{attended, sharing_threads};
pub use calibration::Calibration;
use kernel::Pixels;
use network::Network;
pub use precision::Precision;
pub use profile::StepProfile;
pub use worker::Worker;

/// Choices that do not follow from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanOptions {
    /// Instruction set of all kernels.
    pub isa: InstructionSet,
    /// When steps run together; changes no result.
    pub banding: Banding,
    /// What convolutions multiply.
    pub precision: Precision,
}

/// When a step that is the only reader of another runs together with it, some rows at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Banding {
    /// Where what passes between them would leave the cache otherwise.
    #[default]
    Automatic,
    /// Wherever it can be done, a row at a time: for tests.
    Always,
    /// Nowhere.
    Never,
}

impl PlanOptions {
    /// The usual choices for that instruction set.
    pub fn new(isa: InstructionSet) -> PlanOptions {
        PlanOptions { isa, banding: Banding::default(), precision: Precision::default() }
    }

    /// The instruction set that the environment variable `ENGRAFT_ISA` names, else the fastest there is.
    ///
    /// # Errors
    /// [`EngineError::Kernel`] if the variable names an instruction set that does not exist or is not available.
    pub fn from_env() -> Result<PlanOptions, EngineError> {
        Ok(PlanOptions::new(InstructionSet::from_env()?))
    }
}

/// A network compiled for one instruction set: operations fused, weights folded and packed, memory planned.
///
/// Images are `[height, width, channels]`; their values are bytes or floats in the range that the network's input
/// expects, 0..255 for those of this project.
pub struct Plan {
    network: Network,
    input_shape: Shape,
    output_shape: Shape,
    /// Workers of earlier runs, to be used again.
    idle: Mutex<Vec<Worker>>,
}

impl Plan {
    /// Compiles `graph` with `weights`, of which the plan keeps its own packed form.
    ///
    /// # Errors
    /// [`EngineError`] if a weight is missing, has the wrong shape or is not finite where it scales others; if the network
    /// does not have exactly one input; if it needs too much memory; or if its precision needs a calibration.
    pub fn compile(
        graph: &Graph,
        weights: &NamedTensors,
        options: &PlanOptions,
    ) -> Result<Plan, EngineError> {
        Plan::compile_calibrated(graph, weights, options, &Calibration::default())
    }

    /// Compiles `graph` for a precision that needs to know the range of inputs.
    ///
    /// # Errors
    /// As [`Plan::compile`], and [`EngineError::NotCalibrated`] if there is no range for a convolution.
    pub fn compile_calibrated(
        graph: &Graph,
        weights: &NamedTensors,
        options: &PlanOptions,
        calibration: &Calibration,
    ) -> Result<Plan, EngineError> {
        let (network, input_shape) = lower::lower(graph, weights, options, calibration)?;
        let output_shape = graph.output_shape();
        Ok(Plan { network, input_shape, output_shape, idle: Mutex::default() })
    }

    /// The shape of an image.
    pub fn input_shape(&self) -> Shape {
        self.input_shape
    }

    /// The shape of the result for one image.
    pub fn output_shape(&self) -> Shape {
        self.output_shape
    }

    /// The instruction set it is compiled for, as `ENGRAFT_ISA` names it.
    pub fn isa_name(&self) -> &'static str {
        self.network.isa.name()
    }

    /// What convolutions multiply.
    pub fn precision(&self) -> Precision {
        self.network.precision
    }

    /// The precision and, where it is not single, what multiplies: with another one results differ.
    pub fn precision_name(&self) -> String {
        let precision = self.network.precision;
        match precision.unit(self.network.isa) {
            None => precision.to_string(),
            Some((unit, _)) => format!("{precision} by {unit}"),
        }
    }

    /// Whether the precision is faster than single precision on this processor.
    pub fn gains_from_precision(&self) -> bool {
        self.network.precision.unit(self.network.isa).is_none_or(|(_, is_faster)| is_faster)
    }

    /// Buffers for one run at a time. A thread that runs many images keeps one.
    pub fn worker(&self) -> Worker {
        Worker::new(&self.network)
    }

    /// Memory of the packed weights, in bytes.
    pub fn weights_bytes(&self) -> usize {
        self.network.weights_bytes()
    }

    /// Memory of one worker, in bytes.
    pub fn worker_bytes(&self) -> usize {
        let Network { slot_lens, kept_lens, transformed_len, rounded_len, .. } = &self.network;
        slot_lens.iter().chain(kept_lens).chain([transformed_len, rounded_len]).sum::<usize>()
            * size_of::<f32>()
    }

    /// Runs one image of bytes on the calling thread.
    ///
    /// # Errors
    /// [`EngineError`] if a length does not fit, or the worker was made by a plan with other buffers.
    pub fn run_one_u8(&self, worker: &mut Worker, image: &[u8], out: &mut [f32]) -> Result<(), EngineError> {
        self.run_one(worker, Pixels::U8(image), out)
    }

    /// Runs one image of floats on the calling thread.
    ///
    /// # Errors
    /// As [`Plan::run_one_u8`].
    pub fn run_one_f32(
        &self,
        worker: &mut Worker,
        image: &[f32],
        out: &mut [f32],
    ) -> Result<(), EngineError> {
        self.run_one(worker, Pixels::F32(image), out)
    }

    /// Runs one image of bytes on the calling thread, with buffers of an earlier run where there are any.
    ///
    /// # Errors
    /// [`EngineError`] if a length does not fit.
    pub fn run_u8_here(&self, image: &[u8], out: &mut [f32]) -> Result<(), EngineError> {
        let mut worker = self.borrow_worker();
        let result = self.run_one_u8(&mut worker, image, out);
        self.return_worker(worker);
        result
    }

    /// Runs one image of floats on the calling thread; otherwise as [`Plan::run_u8_here`].
    ///
    /// # Errors
    /// As [`Plan::run_u8_here`].
    pub fn run_f32_here(&self, image: &[f32], out: &mut [f32]) -> Result<(), EngineError> {
        let mut worker = self.borrow_worker();
        let result = self.run_one_f32(&mut worker, image, out);
        self.return_worker(worker);
        result
    }

    /// Runs images of bytes on the current rayon pool: one image per thread, or one image on all threads if it is the only
    /// one. The result of image `i` starts at `i` times the length of the output shape.
    ///
    /// # Errors
    /// [`EngineError`] if a length does not fit.
    pub fn run_u8(&self, images: &[&[u8]], out: &mut [f32]) -> Result<(), EngineError> {
        self.run_many(images, |&image| Pixels::U8(image), out)
    }

    /// Runs images of floats; otherwise as [`Plan::run_u8`].
    ///
    /// # Errors
    /// As [`Plan::run_u8`].
    pub fn run_f32(&self, images: &[&[f32]], out: &mut [f32]) -> Result<(), EngineError> {
        self.run_many(images, |&image| Pixels::F32(image), out)
    }

    fn run_one(&self, worker: &mut Worker, image: Pixels, out: &mut [f32]) -> Result<(), EngineError> {
        self.check_image(0, image)?;
        self.check_output(1, out)?;
        if !worker.fits(&self.network) {
            return Err(EngineError::ForeignWorker);
        }
        worker.run(&self.network, image, 1);
        worker.read_output(&self.network, out);
        Ok(())
    }

    fn run_many<'a, T: Sync>(
        &self,
        images: &'a [T],
        pixels: impl Fn(&'a T) -> Pixels<'a> + Sync,
        out: &mut [f32],
    ) -> Result<(), EngineError> {
        for (index, image) in images.iter().enumerate() {
            self.check_image(index, pixels(image))?;
        }
        self.check_output(images.len(), out)?;
        // A single image is split over the threads; several are not, so that no thread waits for another.
        let threads = if images.len() == 1 { sharing_threads() } else { 1 };
        let run = |(out, image): (&mut [f32], &'a T)| {
            let mut worker = self.borrow_worker();
            worker.run(&self.network, pixels(image), threads);
            worker.read_output(&self.network, out);
            self.return_worker(worker);
        };
        if let [image] = images {
            if threads > 1 { attended(|| run((out, image))) } else { run((out, image)) }
        } else {
            let parts = out.par_chunks_exact_mut(self.output_shape.len());
            parts.zip(images).with_max_len(1).for_each(run);
        }
        Ok(())
    }

    fn borrow_worker(&self) -> Worker {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| self.worker())
    }

    fn return_worker(&self, worker: Worker) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    }

    fn check_image(&self, index: usize, image: Pixels) -> Result<(), EngineError> {
        let (found, expected) = (image.len(), self.input_shape.len());
        if found == expected { Ok(()) } else { Err(EngineError::ImageLen { index, found, expected }) }
    }

    fn check_output(&self, images: usize, out: &[f32]) -> Result<(), EngineError> {
        let (found, expected) = (out.len(), images * self.output_shape.len());
        if found == expected { Ok(()) } else { Err(EngineError::OutputLen { found, expected }) }
    }
}
