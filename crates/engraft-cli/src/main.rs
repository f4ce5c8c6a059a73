//! The `engraft` program: reads its arguments, runs one verb, prints, exits.

mod demo;
mod exit;
mod options;
mod output;
mod plot;
mod progress;
mod sheet;
mod verbs;

use std::{panic, process::ExitCode};

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

Environment: ENGRAFT_CACHE (folder of stored features and fetched weights), ENGRAFT_CACHE_LIMIT (size of the features, 4G
unless set), ENGRAFT_WEIGHTS (folder searched for weight files), ENGRAFT_MIRROR (address to fetch weights from),
ENGRAFT_OFFLINE (1 fetches nothing), ENGRAFT_ISA (avx512, avx2, neon or portable); for fetching also HTTPS_PROXY, NO_PROXY
and SSL_CERT_FILE, and KERAS_HOME, HF_HOME and HF_HUB_CACHE for weights that other programs fetched.";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    silence_codecs();
    engraft::keep_freed_memory();
    let outcome = arguments.common.in_pool(|| arguments.verb.run(&arguments.common));
    exit::code(outcome, &arguments.common)
}

/// A codec that panics costs one file, which is listed with its reason; any other panic is told as usual.
fn silence_codecs() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !engraft::is_decoding() {
            usual(info);
        }
    }));
}
