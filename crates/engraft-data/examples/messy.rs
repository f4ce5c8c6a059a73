//! Reads every file below a folder and says of each whether it is used, and if not, why.
//!
//! `cargo run --release -p engraft-data --example messy -- FOLDER [PIXEL-FOLDER]`; with a second folder the pixels
//! of each image are written there as PPM, to be compared with those of other programs.

use std::{env, fs, path::Path, process::ExitCode, time::Instant};

use engraft_data::{Image, Limits, MemoryBudget, read_and_decode, scan_flat};

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let Some(folder) = args.next() else {
        eprintln!("usage: messy FOLDER [PIXEL-FOLDER]");
        return ExitCode::from(2);
    };
    let pixel_folder = args.next();
    if !Path::new(&folder).is_dir() {
        println!("skipped: there is no folder {}", folder.display());
        return ExitCode::SUCCESS;
    }
    let found = scan_flat(&[folder.into()]);
    let (limits, budget, start) = (Limits::default(), MemoryBudget::new(256 << 20), Instant::now());
    let mut used = 0;
    for (index, file) in found.files.iter().enumerate() {
        match read_and_decode(&file.path, &limits, &budget) {
            Ok(read) => {
                used += 1;
                println!("used     {} ({}x{})", file.relative, read.image.width, read.image.height);
                if let Some(folder) = &pixel_folder {
                    write_ppm(&Path::new(folder).join(format!("{index}.ppm")), &file.relative, &read.image);
                }
            }
            Err(error) => println!("skipped  {}: {error}", file.relative),
        }
    }
    for skipped in &found.skipped {
        println!("skipped  {}: {}", skipped.path.display(), skipped.reason);
    }
    let skipped = found.files.len() - used + found.skipped.len();
    println!(
        "{used} used, {skipped} skipped, {} ignored, {:.2} s",
        found.ignored,
        start.elapsed().as_secs_f64()
    );
    ExitCode::SUCCESS
}

/// The name of the file stands in the comment of the header.
fn write_ppm(path: &Path, name: &str, image: &Image) {
    let mut bytes = format!("P6\n# {name}\n{} {}\n255\n", image.width, image.height).into_bytes();
    bytes.extend(&image.pixels);
    if let Err(error) = fs::write(path, bytes) {
        eprintln!("{}: {error}", path.display());
    }
}
