//! How long one augmented copy takes on one thread: `augment_speed SETTINGS SIDE` reads a number of copies per line of stdin
//! and answers with the seconds of each, for `bench/augment.py` to take turns with Keras.

use std::{
    error::Error,
    io::{BufRead, Write},
    time::Instant,
};

use engraft_data::{
    Digest,
    augment::{Augmentation, FloatImage, copy_rng},
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [settings, side] = &arguments[..] else {
        return Err("expected SETTINGS SIDE".into());
    };
    let (augmentation, side) = (Augmentation::parse(settings)?, side.parse()?);
    let image = test_image(side)?;
    let (stdin, mut stdout) = (std::io::stdin().lock(), std::io::stdout().lock());
    let mut copy = 0;
    for line in stdin.lines() {
        let mut seconds = Vec::new();
        for _ in 0..line?.trim().parse()? {
            let start = Instant::now();
            let mut rng = copy_rng(0, &Digest([0; 32]), copy);
            std::hint::black_box(augmentation.apply(image.clone(), &mut rng));
            seconds.push(start.elapsed().as_secs_f64().to_string());
            copy += 1;
        }
        writeln!(stdout, "{}", seconds.join(" "))?;
        stdout.flush()?;
    }
    Ok(())
}

/// The image that the script has too.
fn test_image(side: usize) -> Result<FloatImage, Box<dyn Error>> {
    let values = (0..side * side * 3).map(|i| ((i * 7919 + i / 1000) % 256) as f32).collect();
    Ok(FloatImage::new(side, side, values)?)
}
