//! Our side of `bench/peers.py`: writes networks down for other programs, and answers timing requests.
//!
//! `export NAME FOLDER` writes the graph as `graph.json` (with the shape of every node), weights of noise as
//! `weights.safetensors` and images of noise as `images.u8`. `serve FOLDER THREADS FIRST_BATCH PRECISION` reads them back, says
//! `ready` after it has run that batch once, and then answers lines: `BATCH MILLISECONDS` with the seconds of each run that
//! fits into that time, `features` with those of all images, `peak` with the multiply-adds a second that a core can reach and
//! those of one image.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    io::{self, BufRead, Write},
    path::Path,
    time::{Duration, Instant},
};

use engraft_engine::{Calibration, EngineError, Plan, PlanOptions, Precision};
use engraft_formats::safetensors;
use engraft_graph::Graph;
use engraft_testing::noise_u8;
use engraft_zoo::{Ending, backbone, noise_weights};
use serde_json::Value;

/// Images of a folder, the largest batch.
const IMAGES: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["export", name, folder] => export(name, folder.as_ref()),
        ["serve", folder, threads, first_batch, precision] => {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build()?;
            let (mut timer, first_batch) =
                (Timer::open(folder.as_ref(), precision.parse()?)?, first_batch.parse()?);
            pool.install(|| serve(&mut timer, first_batch)).map_err(|error| error.to_string().into())
        }
        _ => Err("usage: bench_peer export NAME FOLDER | serve FOLDER THREADS FIRST_BATCH PRECISION".into()),
    }
}

fn export(name: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    let graph = backbone(name)?.graph(Ending::Features);
    let mut document = serde_json::to_value(&graph)?;
    for (node, written) in graph.nodes().iter().zip(document["nodes"].as_array_mut().into_iter().flatten()) {
        written["shape"] = node.shape.lens().into();
    }
    let input_len = graph.nodes()[0].shape.len();
    fs::create_dir_all(folder)?;
    let weights = safetensors::to_bytes(&noise_weights(&graph)?, &BTreeMap::new())?;
    fs::write(folder.join("weights.safetensors"), weights)?;
    fs::write(folder.join("images.u8"), noise_u8(1, IMAGES * input_len))?;
    // Last, so that a folder with a graph is complete.
    Ok(fs::write(folder.join("graph.json"), document.to_string())?)
}

fn read_graph(folder: &Path) -> Result<Graph, Box<dyn Error>> {
    let mut document: Value = serde_json::from_slice(&fs::read(folder.join("graph.json"))?)?;
    for node in document["nodes"].as_array_mut().into_iter().flatten() {
        node.as_object_mut().and_then(|node| node.remove("shape"));
    }
    Ok(serde_json::from_value(document)?)
}

fn multiply_adds(graph: &Graph) -> u64 {
    let of_node = |id| graph.node(id).op.multiply_adds(&graph.input_shapes(id), graph.node(id).shape);
    graph.ids().map(of_node).sum()
}

fn serve(timer: &mut Timer, first_batch: usize) -> Result<(), Box<dyn Error + Send + Sync>> {
    timer.run(first_batch)?;
    answer("ready")?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let numbers: Vec<String> = match line.split_once(' ') {
            Some((batch, milliseconds)) => {
                let seconds = timer.times(batch.parse()?, Duration::from_millis(milliseconds.parse()?))?;
                seconds.iter().map(f64::to_string).collect()
            }
            None if line == "features" => {
                timer.run(IMAGES)?;
                timer.features.iter().map(f32::to_string).collect()
            }
            None => {
                vec![timer.plan.peak_multiply_adds_per_second().to_string(), timer.multiply_adds.to_string()]
            }
        };
        answer(&numbers.join(" "))?;
    }
    Ok(())
}

fn answer(text: &str) -> io::Result<()> {
    println!("{text}");
    io::stdout().flush()
}

/// Runs the same images again and again.
struct Timer {
    plan: Plan,
    /// For one image.
    multiply_adds: u64,
    images: Vec<u8>,
    features: Vec<f32>,
}

impl Timer {
    fn open(folder: &Path, precision: Precision) -> Result<Timer, Box<dyn Error>> {
        let graph = read_graph(folder)?;
        let weights = safetensors::from_bytes(&fs::read(folder.join("weights.safetensors"))?)?.tensors;
        let options = PlanOptions { precision, ..PlanOptions::from_env()? };
        let images = fs::read(folder.join("images.u8"))?;
        let calibration = match precision {
            Precision::Int8 => {
                let image_len = graph.nodes()[0].shape.len();
                let images: Vec<&[u8]> = images.chunks_exact(image_len).collect();
                Calibration::measure_u8(&graph, &weights, options.isa, &images)?
            }
            Precision::F32 | Precision::Bf16 => Calibration::default(),
        };
        let plan = Plan::compile_calibrated(&graph, &weights, &options, &calibration)?;
        let features = vec![0.0; IMAGES * plan.output_shape().len()];
        Ok(Timer { plan, multiply_adds: multiply_adds(&graph), images, features })
    }

    fn run(&mut self, batch: usize) -> Result<(), EngineError> {
        let images = self.images.chunks_exact(self.plan.input_shape().len()).take(batch);
        let features = &mut self.features[..batch * self.plan.output_shape().len()];
        self.plan.run_u8(&images.collect::<Vec<_>>(), features)
    }

    /// Seconds of each run, at least one, until `time` has passed.
    fn times(&mut self, batch: usize, time: Duration) -> Result<Vec<f64>, EngineError> {
        let (started, mut seconds) = (Instant::now(), Vec::new());
        while seconds.is_empty() || started.elapsed() < time {
            let run = Instant::now();
            self.run(batch)?;
            seconds.push(run.elapsed().as_secs_f64());
        }
        Ok(seconds)
    }
}
