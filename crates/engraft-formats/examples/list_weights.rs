//! Lists what a weight file holds: `cargo run --release --example list_weights FILE`.
//!
//! Run under `/usr/bin/time -v` it shows what reading the file takes.

use std::{env, path::Path, time::Instant};

use engraft_formats::{FormatError, WeightsFile, read_weights};

fn main() -> Result<(), FormatError> {
    let path = env::args_os().nth(1).unwrap_or_default();
    let start = Instant::now();
    let file = read_weights(Path::new(&path))?;
    let seconds = start.elapsed().as_secs_f64();
    match &file {
        WeightsFile::Named(tensors) => {
            tensors.iter().for_each(|(name, tensor)| println!("{name} {:?}", tensor.shape()));
        }
        WeightsFile::Layers(layers) => {
            for layer in &layers.layers {
                let shapes: Vec<_> = layer.weights.iter().map(|(_, tensor)| tensor.shape()).collect();
                println!("{} {shapes:?}", layer.name);
            }
        }
        _ => println!("a kind of content that this example does not know"),
    }
    println!("read in {seconds:.3} s");
    Ok(())
}
