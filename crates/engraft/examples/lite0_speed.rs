//! EfficientNet-Lite0 with noise for weights: writes the weights, or answers timing requests.
//!
//! Without arguments it times one image on one thread. `serve` reads lines from the standard input, each a number of runs,
//! and answers each with the seconds that every run took, so that a script can time something else in between. `features`
//! prints the features of the test image. The weights follow a formula that `bench/compare_onnxruntime.py` repeats.

use std::io::{self, BufRead, Write};
use std::time::Instant;

use engraft_engine::{EngineError, Plan, PlanOptions};
use engraft_graph::{Graph, GraphError, NamedTensors, Tensor};
use engraft_zoo::{Ending, backbone};

const SIDE_PX: usize = 224;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let graph = backbone("efficientnet_lite0")?.graph(Ending::Features);
    let weights = formula_weights(&graph)?;
    let start = Instant::now();
    let plan = Plan::compile(&graph, &weights, &PlanOptions::from_env()?)?;
    let compile_seconds = start.elapsed().as_secs_f64();
    drop(weights);
    let mut timer = Timer::new(&plan);
    match std::env::args().nth(1).as_deref() {
        Some("serve") => serve(&mut timer)?,
        Some("features") => {
            timer.run()?;
            timer.out.iter().for_each(|x| println!("{x:e}"));
        }
        _ => {
            println!("{}: compiled in {:.1} ms", plan.isa_name(), compile_seconds * 1e3);
            println!("weights {} kB, worker {} kB", plan.weights_bytes() / 1000, plan.worker_bytes() / 1000);
            let seconds = timer.times(100)?;
            println!("median {:.3} ms, least {:.3} ms", median(&seconds) * 1e3, seconds[0] * 1e3);
        }
    }
    Ok(())
}

fn serve(timer: &mut Timer) -> Result<(), Box<dyn std::error::Error>> {
    for line in io::stdin().lock().lines() {
        let seconds: Vec<String> = timer.times(line?.trim().parse()?)?.iter().map(f64::to_string).collect();
        println!("{}", seconds.join(" "));
        io::stdout().flush()?;
    }
    Ok(())
}

/// Runs the test image again and again.
struct Timer<'a> {
    plan: &'a Plan,
    image: Vec<u8>,
    out: Vec<f32>,
    pool: rayon::ThreadPool,
    images: usize,
}

impl Timer<'_> {
    /// Threads and images of a run come from the environment: `THREADS` and `IMAGES`, one each unless set.
    fn new(plan: &Plan) -> Timer<'_> {
        let number = |name| std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(1);
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(number("THREADS")).build().unwrap_or_else(|error| {
                eprintln!("{error}");
                std::process::exit(1)
            });
        let image = (0..SIDE_PX * SIDE_PX * 3).map(|i| ((i * 7919 + i / 1000) % 256) as u8).collect();
        let images = number("IMAGES");
        Timer { plan, image, out: vec![0.0; images * plan.output_shape().len()], pool, images }
    }

    fn run(&mut self) -> Result<(), EngineError> {
        let images = vec![&self.image[..]; self.images];
        self.pool.install(|| self.plan.run_u8(&images, &mut self.out))
    }

    /// Sorted seconds per image.
    fn times(&mut self, runs: usize) -> Result<Vec<f64>, EngineError> {
        let mut seconds = Vec::with_capacity(runs);
        for _ in 0..runs {
            let start = Instant::now();
            self.run()?;
            seconds.push(start.elapsed().as_secs_f64() / self.images as f64);
        }
        seconds.sort_by(f64::total_cmp);
        Ok(seconds)
    }
}

fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

/// Noise by a formula, scaled so that the activations keep their size.
fn formula_weights(graph: &Graph) -> Result<NamedTensors, GraphError> {
    let mut tensors = NamedTensors::new();
    for (index, spec) in graph.weights().into_iter().enumerate() {
        let len: usize = spec.shape.iter().product();
        let outputs =
            if spec.name.contains("dwconv") { spec.shape[2] } else { spec.shape[spec.shape.len() - 1] };
        let (low, high) = match spec.name.rsplit('/').next() {
            Some("kernel") => {
                let reach = (6.0 * outputs as f64 / len as f64).sqrt();
                (-reach, reach)
            }
            Some("gamma" | "moving_variance") => (0.5, 1.5),
            _ => (-0.5, 0.5),
        };
        let value = |i: usize| {
            let word = ((i + 1) as u32).wrapping_mul(2_654_435_761).wrapping_add(index as u32 * 40_503);
            let word = (word ^ (word >> 15)).wrapping_mul(2_246_822_519);
            (low + (high - low) * f64::from((word ^ (word >> 13)) >> 8) / f64::from(1u32 << 24)) as f32
        };
        tensors.insert(spec.name, Tensor::from_f32(spec.shape, (0..len).map(value).collect())?)?;
    }
    Ok(tensors)
}
