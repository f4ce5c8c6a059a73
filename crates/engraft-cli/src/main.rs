//! The `engraft` program: reads its arguments, runs one verb, prints, exits.

mod demo;
mod exit;
mod options;
mod output;
mod progress;
mod sheet;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

use options::Common;
use verbs::Verb;

/// Graft a new head onto a pretrained backbone: from a folder of images to a classifier you can trust.
#[derive(Parser)]
#[command(name = "engraft", version, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    common: Common,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 failed, 2 usage, 3 data problem, 4 download or cache problem, 5 quality gate missed.

Environment: ENGRAFT_CACHE (folder of stored features), ENGRAFT_CACHE_LIMIT (its size, 4G unless set),
ENGRAFT_WEIGHTS (folder searched for NAME.safetensors), ENGRAFT_ISA (avx512, avx2 or portable).";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = arguments.common.in_pool(|| arguments.verb.run(&arguments.common));
    exit::code(outcome)
}
