//! How fast images are read, decoded and resized on one thread: `decode_speed FOLDER SIDE` answers each line of stdin, a number of
//! images, with the seconds that so many took, for `bench/pipeline.py` to take turns with torchvision.

use std::{
    error::Error,
    io::{BufRead, Write},
    path::PathBuf,
    time::Instant,
};

use engraft_data::{
    Filter, Fit, Limits, MemoryBudget, fit_image, keep_freed_memory, read_and_decode, scan_flat,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, side] = &arguments[..] else {
        return Err("expected FOLDER SIDE".into());
    };
    keep_freed_memory();
    let (files, side) = (scan_flat(&[PathBuf::from(folder)]).files, side.parse()?);
    let (limits, budget) = (Limits::default(), MemoryBudget::new(1 << 30));
    let (stdin, mut stdout) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut images = files.iter().cycle();
    for line in stdin.lines() {
        let start = Instant::now();
        for file in images.by_ref().take(line?.trim().parse()?) {
            let read = read_and_decode(&file.path, &limits, &budget)?;
            std::hint::black_box(fit_image(&read.image, side, Fit::Stretch, Filter::Bilinear));
        }
        writeln!(stdout, "{}", start.elapsed().as_secs_f64())?;
        stdout.flush()?;
    }
    Ok(())
}
