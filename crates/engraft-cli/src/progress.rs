//! Progress on stderr, and stopping at Ctrl-C.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use engraft::{EpochRecord, EpochScore, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A stage shorter than this shows no bar.
const SHOW_AFTER: Duration = Duration::from_secs(1);

/// Time between two plain lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

const TEMPLATE: &str = "{prefix:>15} [{bar:32}] {pos}/{len}, {msg}";

/// Shows stages as a bar with rate and time left on a terminal, as a line now and then elsewhere.
pub struct Display {
    quiet: bool,
    stage: Mutex<Stage>,
    done: AtomicUsize,
}

struct Stage {
    name: String,
    total: usize,
    started: Instant,
    shown: Instant,
    /// When the last line of [`Stage::note`] was printed.
    noted: Instant,
    bar: Option<ProgressBar>,
}

impl Display {
    /// A display that shows nothing if `quiet`, and from now on turns the first Ctrl-C into a request to stop.
    pub fn new(quiet: bool) -> Display {
        // A handler that is there already is kept: `nohup` has hangups ignored. Without ours Ctrl-C ends the process at
        // once, and unfinished files still never take a final name.
        let _ = ctrlc::try_set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        });
        let now = Instant::now();
        let stage = Stage { name: String::new(), total: 0, started: now, shown: now, noted: now, bar: None };
        Display { quiet, stage: Mutex::new(stage), done: AtomicUsize::new(0) }
    }

    /// Takes the bar off the screen, so that other text can be printed.
    pub fn finish(&self) {
        if let Some(bar) = self.lock().bar.take() {
            bar.finish_and_clear();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Progress for Display {
    fn begin(&self, stage: &str, total: usize) {
        self.finish();
        self.done.store(0, Ordering::Relaxed);
        let now = Instant::now();
        *self.lock() =
            Stage { name: stage.to_owned(), total, started: now, shown: now, noted: now, bar: None };
    }

    fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if self.quiet {
            return;
        }
        let mut stage = self.lock();
        stage.show(done);
    }

    fn epoch(&self, record: &EpochRecord, elapsed: Duration) {
        if !self.quiet {
            self.lock().note(&epoch_line(record, elapsed));
        }
    }

    fn inform(&self, message: &str) {
        self.finish();
        if !self.quiet {
            output::line(&engraft::printable(message));
        }
    }

    fn warn(&self, message: &str) {
        self.finish();
        output::warning(message);
    }

    fn is_cancelled(&self) -> bool {
        INTERRUPTED.load(Ordering::Relaxed)
    }
}

impl Stage {
    fn show(&mut self, done: usize) {
        if let Some(bar) = &self.bar {
            bar.set_message(self.pace(done));
            bar.set_position(done as u64);
        } else if self.started.elapsed() > SHOW_AFTER && console_is_terminal() {
            self.bar = Some(self.new_bar(done));
        } else if self.shown.elapsed() > LINE_EVERY {
            self.shown = Instant::now();
            output::line(&self.line(done));
        }
    }

    fn new_bar(&self, done: usize) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(Some(self.total as u64), ProgressDrawTarget::stderr());
        // The template is ours and valid; a plain bar is still better than none.
        bar.set_style(
            ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        bar.set_prefix(self.name.clone());
        bar.set_message(self.pace(done));
        bar.set_position(done as u64);
        bar
    }

    fn line(&self, done: usize) -> String {
        format!("{} {done}/{}, {}", self.name, self.total, self.pace(done))
    }

    /// Prints a line above the bar, or now and then where there is none.
    fn note(&mut self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None if self.noted.elapsed() > LINE_EVERY => {
                self.noted = Instant::now();
                output::line(line);
            }
            None => {}
        }
    }

    /// Rate and time left since the stage began, which a bar that appears later cannot know.
    fn pace(&self, done: usize) -> String {
        let rate = done as f64 / self.started.elapsed().as_secs_f64().max(1e-9);
        let left = self.total.saturating_sub(done) as f64 / rate.max(1e-9);
        format!("{rate:.0}/s, {left:.0} s left")
    }
}

/// `epoch 3: loss 0.512, accuracy 0.81, validation loss 0.600, accuracy 0.78, 2.1 s`
fn epoch_line(record: &EpochRecord, elapsed: Duration) -> String {
    let EpochScore { loss, accuracy } = record.training;
    let validation = record.validation.map_or(String::new(), |EpochScore { loss, accuracy }| {
        format!(", validation loss {loss:.4}, accuracy {accuracy:.3}")
    });
    let seconds = elapsed.as_secs_f64();
    format!("epoch {}: loss {loss:.4}, accuracy {accuracy:.3}{validation}, {seconds:.1} s", record.epoch)
}

fn console_is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}
