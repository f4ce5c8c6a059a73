//! The options that every verb accepts.

use std::num::NonZeroUsize;

use anyhow::Context;

/// Options of all verbs.
#[derive(clap::Args)]
pub struct Common {
    /// Print the result as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Print no progress, only warnings and the result
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Number of threads [default: one per core]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_THREADS))]
    pub threads: Option<u16>,
}

/// More threads than this only cost memory.
const MAX_THREADS: i64 = 1024;

impl Common {
    /// Runs `work` in a pool of the chosen number of threads.
    ///
    /// # Errors
    /// Those of `work`, or that the pool's threads could not be started.
    pub fn in_pool<T: Send>(&self, work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        let threads = self.threads();
        let pool =
            engraft::thread_pool(threads).with_context(|| format!("cannot start {threads} threads"))?;
        pool.install(work)
    }

    /// The number of threads in use.
    pub fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.threads.map_or_else(cores, usize::from)
    }
}
