//! `engraft predict`: classifies images.

use std::path::PathBuf;

use anyhow::Result;
use engraft::{Guess, Precision, Prediction};

use crate::{exit::Outcome, options::Common, output, progress::Display, verbs::tta::TtaArgs};

/// Classify images.
#[derive(clap::Args)]
pub struct Args {
    /// Model file
    model: PathBuf,
    /// Images, or folders of images
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How many of the most probable classes to print
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,
    /// What the backbone's convolutions multiply, f32, bf16, or int8 if it was trained in int8 [default: as in training]
    #[arg(long)]
    precision: Option<Precision>,
    #[command(flatten)]
    tta: TtaArgs,
}

/// Prints one line per path; a path that cannot be used gets its reason and does not stop the others.
pub fn run(args: Args, common: &Common) -> Result<Outcome> {
    let classifier = args.tta.load(&args.model, args.precision)?;
    classifier.precision_warning().iter().for_each(|warning| output::warning(warning));
    let display = Display::new(common.quiet);
    let mut all_used = true;
    let mut print = |prediction: Prediction| -> Result<()> {
        all_used &= prediction.result.is_ok();
        if common.json { output::json_line(&prediction) } else { Ok(output::text(&line(&prediction))?) }
    };
    classifier.predict(&args.paths, args.top as usize, &display, &mut print)?;
    Ok(if all_used { Outcome::Done } else { Outcome::BadInput })
}

/// `path: class 0.97, other 0.02`
fn line(prediction: &Prediction) -> String {
    let path = engraft::printable(&prediction.path.to_string_lossy());
    match &prediction.result {
        Ok(ranked) => {
            let guess = |guess: &Guess| format!("{} {:.3}", engraft::printable(&guess.class), guess.probability);
            let top: Vec<String> = ranked.top.iter().map(guess).collect();
            format!("{path}: {}\n", top.join(", "))
        }
        Err(problem) => format!("{path}: error: {}\n", problem.message),
    }
}
