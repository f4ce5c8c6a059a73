//! What the programs have in common: the images, and the dialogue with `bench/peers.py`.
//!
//! A program is started as `PROGRAM FOLDER THREADS FIRST_BATCH`. It says `ready` after it has run that batch once. Then it answers
//! lines: `BATCH MILLISECONDS` with the seconds of each run that fits into that time, `features` with those of all images.

use std::{
    error::Error,
    fs,
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Whatever goes wrong ends the program.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Images of a folder, the largest batch.
const IMAGES: usize = 8;

/// An engine with a network.
pub trait Engine: Sized {
    /// Opens `folder/model.onnx`, whose input is `[batch, 3, side, side]`, to run on that many threads.
    ///
    /// # Errors
    /// If it cannot be read or has what the engine does not know.
    fn open(folder: &Path, threads: usize) -> Result<Self>;

    /// The features of `batch` images of `side` x `side` pixels.
    ///
    /// # Errors
    /// If the network cannot be run.
    fn run(&mut self, images: &[f32], batch: usize, side: usize) -> Result<Vec<f32>>;
}

/// Opens the network that the arguments name and answers until nobody asks any more.
///
/// # Errors
/// Whatever goes wrong.
pub fn serve<E: Engine>() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, threads, first_batch] = &arguments[..] else {
        return Err("usage: PROGRAM FOLDER THREADS FIRST_BATCH".into());
    };
    let folder = PathBuf::from(folder);
    let mut timer = Timer { engine: E::open(&folder, threads.parse()?)?, images: read_images(&folder)? };
    timer.run(first_batch.parse()?)?;
    answer("ready")?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let numbers: Vec<String> = match line.split_once(' ') {
            Some((batch, milliseconds)) => {
                let seconds = timer.times(batch.parse()?, Duration::from_millis(milliseconds.parse()?))?;
                seconds.iter().map(f64::to_string).collect()
            }
            None => timer.run(IMAGES)?.iter().map(f32::to_string).collect(),
        };
        answer(&numbers.join(" "))?;
    }
    Ok(())
}

fn read_images(folder: &Path) -> Result<Vec<f32>> {
    let bytes = fs::read(folder.join("images.f32"))?;
    Ok(bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect())
}

fn answer(text: &str) -> io::Result<()> {
    println!("{text}");
    io::stdout().flush()
}

struct Timer<E> {
    engine: E,
    /// `[8, 3, side, side]`
    images: Vec<f32>,
}

impl<E: Engine> Timer<E> {
    fn run(&mut self, batch: usize) -> Result<Vec<f32>> {
        let image_len = self.images.len() / IMAGES;
        self.engine.run(&self.images[..batch * image_len], batch, (image_len / 3).isqrt())
    }

    /// Seconds of each run, at least one, until `time` has passed.
    fn times(&mut self, batch: usize, time: Duration) -> Result<Vec<f64>> {
        let (started, mut seconds) = (Instant::now(), Vec::new());
        while seconds.is_empty() || started.elapsed() < time {
            let run = Instant::now();
            self.run(batch)?;
            seconds.push(run.elapsed().as_secs_f64());
        }
        Ok(seconds)
    }
}
