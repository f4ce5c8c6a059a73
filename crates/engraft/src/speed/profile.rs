//! Where the time of a backbone goes, step by step.

use engraft_engine::{Precision, StepProfile};
use serde::Serialize;

use super::{Subject, table::aligned};
use crate::Error;

/// The steps of one backbone on one thread, with what each reaches of the core's arithmetic limit.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackboneProfile {
    /// Its name in the zoo.
    pub name: String,
    /// Instruction set of its kernels.
    pub isa: &'static str,
    /// What its convolutions computed with.
    pub precision: String,
    /// What one core reaches on f32 registers alone, in 10^9 floating-point operations a second.
    pub peak_gflops: f64,
    /// All steps together, in milliseconds.
    pub milliseconds: f64,
    /// What all steps together reach.
    pub gflops: f64,
    /// Memory of the buffers that one thread needs, in bytes.
    pub worker_bytes: usize,
    /// In the order in which they run.
    pub steps: Vec<StepShare>,
    /// Sums over the steps of each kernel, the slowest first.
    pub kernels: Vec<KernelShare>,
}

/// One step: a node and what is computed along with it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepShare {
    /// Name of the node.
    pub node: String,
    /// What computes it.
    pub kernel: &'static str,
    /// Height, width and channels of its result.
    pub output_shape: Vec<usize>,
    /// The least time of all runs.
    pub milliseconds: f64,
    /// 10^9 floating-point operations a second, counted as in a direct convolution, of which Winograd's algorithm needs a quarter
    /// or four ninths; zero for what is neither convolution nor dense layer.
    pub gflops: f64,
}

/// All steps that one kernel computes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KernelShare {
    /// What computes them.
    pub kernel: &'static str,
    /// Their number.
    pub steps: usize,
    /// Their time together.
    pub milliseconds: f64,
    /// What they reach together.
    pub gflops: f64,
}

impl BackboneProfile {
    /// Runs the backbone `name` `runs` times on the calling thread.
    ///
    /// # Errors
    /// If the name is unknown, `runs` is 0, or `ENGRAFT_ISA` names an instruction set that this processor lacks.
    pub fn measure(name: &str, runs: usize, precision: Precision) -> Result<BackboneProfile, Error> {
        if runs == 0 {
            return Err(Error::Setting { setting: "--runs", found: "0".to_owned(), expected: "at least 1" });
        }
        let subject = Subject::open(name, precision)?;
        let steps = subject.plan.profile(&subject.image, runs)?;
        let all = Sum::of(&steps);
        Ok(BackboneProfile {
            name: subject.spec.name.to_owned(),
            isa: subject.plan.isa_name(),
            precision: subject.plan.precision_name(),
            peak_gflops: 2e-9 * subject.plan.peak_multiply_adds_per_second(),
            milliseconds: all.seconds * 1e3,
            gflops: all.gflops(),
            worker_bytes: subject.plan.worker_bytes(),
            kernels: kernel_shares(&steps),
            steps: steps.into_iter().map(StepShare::from).collect(),
        })
    }

    /// A table of the steps, then one of the kernels.
    pub fn text(&self) -> String {
        let head = ["step", "kernel", "output", "ms", "time", "GFLOP/s", "of peak"].map(str::to_owned);
        let steps = self.steps.iter().map(|step| self.step_row(step));
        let head_of_sums = ["kernel", "steps", "ms", "time", "GFLOP/s", "of peak"].map(str::to_owned);
        let sums = self.kernels.iter().map(|share| self.kernel_row(share));
        format!(
            "{}\n{}\n{}, {}, {}, 1 thread: {:.2} ms, {:.1} GFLOP/s, {} of the core's {:.1} in f32; buffers {:.1} MB\n",
            aligned([head].into_iter().chain(steps), 3),
            aligned([head_of_sums].into_iter().chain(sums), 1),
            self.name,
            self.isa,
            self.precision,
            self.milliseconds,
            self.gflops,
            percent(self.gflops / self.peak_gflops),
            self.peak_gflops,
            self.worker_bytes as f64 / 1e6,
        )
    }

    fn step_row(&self, step: &StepShare) -> [String; 7] {
        let shape: Vec<String> = step.output_shape.iter().map(usize::to_string).collect();
        let [time, share, gflops, of_peak] = self.cells(step.milliseconds, step.gflops);
        [step.node.clone(), step.kernel.to_owned(), shape.join(" x "), time, share, gflops, of_peak]
    }

    fn kernel_row(&self, sum: &KernelShare) -> [String; 6] {
        let [time, share, gflops, of_peak] = self.cells(sum.milliseconds, sum.gflops);
        [sum.kernel.to_owned(), sum.steps.to_string(), time, share, gflops, of_peak]
    }

    /// Time, its share, speed and its share; nothing where there is no arithmetic to speak of.
    fn cells(&self, milliseconds: f64, gflops: f64) -> [String; 4] {
        let share = percent(milliseconds / self.milliseconds);
        let (speed, of_peak) = match gflops {
            0.0 => (String::new(), String::new()),
            gflops => (format!("{gflops:.1}"), percent(gflops / self.peak_gflops)),
        };
        [format!("{milliseconds:.3}"), share, speed, of_peak]
    }
}

impl From<StepProfile> for StepShare {
    fn from(step: StepProfile) -> StepShare {
        let gflops = Sum::of(std::slice::from_ref(&step)).gflops();
        StepShare {
            node: step.node,
            kernel: step.kernel,
            output_shape: step.output_shape.lens(),
            milliseconds: step.seconds * 1e3,
            gflops,
        }
    }
}

/// What some steps take and compute.
#[derive(Default)]
struct Sum {
    steps: usize,
    multiply_adds: u64,
    seconds: f64,
}

impl Sum {
    fn of<'a>(steps: impl IntoIterator<Item = &'a StepProfile>) -> Sum {
        steps.into_iter().fold(Sum::default(), |sum, step| Sum {
            steps: sum.steps + 1,
            multiply_adds: sum.multiply_adds + step.multiply_adds,
            seconds: sum.seconds + step.seconds,
        })
    }

    fn gflops(&self) -> f64 {
        2e-9 * self.multiply_adds as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }
}

fn kernel_shares(steps: &[StepProfile]) -> Vec<KernelShare> {
    let mut kernels: Vec<&'static str> = steps.iter().map(|step| step.kernel).collect();
    kernels.sort_unstable();
    kernels.dedup();
    let share = |kernel| {
        let sum = Sum::of(steps.iter().filter(|step| step.kernel == kernel));
        KernelShare { kernel, steps: sum.steps, milliseconds: sum.seconds * 1e3, gflops: sum.gflops() }
    };
    let mut shares: Vec<KernelShare> = kernels.into_iter().map(share).collect();
    shares.sort_by(|a, b| b.milliseconds.total_cmp(&a.milliseconds));
    shares
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_add_up_to_kernels_and_to_the_whole() {
        let profile = BackboneProfile::measure("mobilenet_025", 1, Precision::F32).unwrap();
        let of_steps: f64 = profile.steps.iter().map(|step| step.milliseconds).sum();
        let of_kernels: f64 = profile.kernels.iter().map(|share| share.milliseconds).sum();
        assert!((of_steps - profile.milliseconds).abs() < 1e-6 * of_steps);
        assert!((of_kernels - profile.milliseconds).abs() < 1e-6 * of_steps);
        assert_eq!(profile.kernels.iter().map(|share| share.steps).sum::<usize>(), profile.steps.len());
        assert!(0.0 < profile.gflops && profile.gflops < profile.peak_gflops, "{profile:?}");
        let depthwise = profile.kernels.iter().find(|share| share.kernel == "depthwise").unwrap();
        assert_eq!(depthwise.steps, 13);
        let text = profile.text();
        assert_eq!(text.lines().count(), profile.steps.len() + profile.kernels.len() + 5, "{text}");
    }

    #[test]
    fn no_run_is_no_profile() {
        let error = BackboneProfile::measure("mobilenet_025", 0, Precision::F32).unwrap_err();
        assert_eq!(error.to_string(), "--runs is 0, expected at least 1");
    }
}
