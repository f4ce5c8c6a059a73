//! Keeps the threads of a pool awake while one of them hands out many small pieces of work.
//!
//! A thread of rayon that finds nothing to do goes to sleep after some microseconds, and waking it takes longer than many steps of
//! a network take, in a virtual machine many times as long.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, Ordering},
};
use std::thread::available_parallelism;

/// Whether a computation is attended; a second one at the same time has to do without. Two of them could otherwise wait for
/// each other, each on a thread that attends the other one.
static BUSY: AtomicBool = AtomicBool::new(false);

/// Processors that this process may use. Asking the system takes longer than many steps of a network.
static PROCESSORS: LazyLock<usize> = LazyLock::new(|| available_parallelism().map_or(1, usize::from));

/// With more threads for each processor than this, waking them for every step takes longer than the image on one of them.
const MOST_THREADS_PER_PROCESSOR: usize = 4;

/// Looks for work so many times before it lets other programs run.
const LOOKS_BEFORE_YIELDING: usize = 200;

/// How many threads of the current pool should share one image.
pub(super) fn sharing_threads() -> usize {
    let threads = rayon::current_num_threads();
    if threads <= MOST_THREADS_PER_PROCESSOR * *PROCESSORS { threads } else { 1 }
}

/// Runs `computation` on the calling thread of the current pool, while the pool's other threads look out for its work and do not
/// sleep. Threads that are busy otherwise are not waited for, and all may sleep where there are more of them than processors, which
/// they would take from each other.
pub(super) fn attended<T>(computation: impl FnOnce() -> T) -> T {
    let Some(caller) = rayon::current_thread_index() else { return computation() };
    if rayon::current_num_threads() > *PROCESSORS || BUSY.swap(true, Ordering::Acquire) {
        return computation();
    }
    let ends = Ends(Arc::new(AtomicBool::new(false)));
    let done = Arc::clone(&ends.0);
    rayon::spawn_broadcast(move |context| {
        if context.index() != caller {
            attend_until(&done);
        }
    });
    computation()
}

/// Does what work there is until `done`.
fn attend_until(done: &AtomicBool) {
    loop {
        for _ in 0..LOOKS_BEFORE_YIELDING {
            if done.load(Ordering::Relaxed) {
                return;
            }
            if rayon::yield_now() != Some(rayon::Yield::Executed) {
                std::hint::spin_loop();
            }
        }
        std::thread::yield_now();
    }
}

/// Sends the other threads away, also where the computation panics.
struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        BUSY.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use rayon::prelude::*;

    use super::*;

    fn sum_to(last: u64) -> u64 {
        (0..=last).into_par_iter().sum()
    }

    #[test]
    fn computations_inside_one_another_and_side_by_side_come_to_an_end() {
        for threads in 1..4 {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let sums: Vec<u64> = pool.install(|| {
                let inner = |last| attended(|| attended(|| sum_to(last)));
                (0..200).into_par_iter().map(|last| attended(|| inner(last))).collect()
            });
            let want: Vec<u64> = (0..200).map(|last| last * (last + 1) / 2).collect();
            assert_eq!(sums, want);
        }
        assert_eq!(attended(|| sum_to(10)), 55, "outside of a pool");
    }

    #[test]
    fn an_image_is_not_shared_by_many_more_threads_than_there_are_processors() {
        let shared_by = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(sharing_threads)
        };
        let most = MOST_THREADS_PER_PROCESSOR * *PROCESSORS;
        assert_eq!([1, 2, most, most + 1].map(shared_by), [1, 2, most, 1]);
    }

    #[test]
    fn a_thread_that_is_busy_is_not_waited_for() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let (busy, started) = std::sync::mpsc::channel();
        let (free, wait) = std::sync::mpsc::channel::<()>();
        pool.spawn(move || {
            busy.send(()).unwrap();
            wait.recv().unwrap();
        });
        started.recv().unwrap();
        assert_eq!(pool.install(|| attended(|| (0..=10).sum::<u64>())), 55);
        free.send(()).unwrap();
    }

    #[test]
    fn a_panic_sends_the_other_threads_away() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        for _ in 0..20 {
            let panics = || pool.install(|| attended(|| std::panic::resume_unwind(Box::new("meant"))));
            assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        }
        assert_eq!(pool.install(|| attended(|| sum_to(10))), 55);
    }
}
