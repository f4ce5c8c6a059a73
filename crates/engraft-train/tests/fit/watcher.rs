//! A caller that notes what it is told, and stops after some epochs.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use engraft_train::{EpochRecord, Progress};

pub struct Watcher {
    pub epochs: Mutex<Vec<EpochRecord>>,
    pub warnings: Mutex<Vec<String>>,
    pub informed: Mutex<Vec<String>>,
    pub steps: AtomicUsize,
    pub announced: AtomicUsize,
    pub stop_after: usize,
}

impl Watcher {
    /// One that stops after so many epochs.
    pub fn stopping_after(epochs: usize) -> Watcher {
        Watcher {
            epochs: Mutex::default(),
            warnings: Mutex::default(),
            informed: Mutex::default(),
            steps: AtomicUsize::new(0),
            announced: AtomicUsize::new(0),
            stop_after: epochs,
        }
    }

    pub fn patient() -> Watcher {
        Watcher::stopping_after(usize::MAX)
    }

    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap().clone()
    }
}

impl Progress for Watcher {
    fn begin(&self, stage: &str, total: usize) {
        assert_eq!(stage, "training");
        self.announced.store(total, Ordering::Relaxed);
    }

    fn step(&self) {
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    fn epoch(&self, record: &EpochRecord, _elapsed: Duration) {
        self.epochs.lock().unwrap().push(*record);
    }

    fn inform(&self, message: &str) {
        self.informed.lock().unwrap().push(message.to_owned());
    }

    fn warn(&self, message: &str) {
        self.warnings.lock().unwrap().push(message.to_owned());
    }

    fn is_cancelled(&self) -> bool {
        self.epochs.lock().unwrap().len() >= self.stop_after
    }
}
