//! Memory shared by all decoding threads.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// A number of bytes that decoding threads share; clones share the same bytes.
///
/// A thread takes a [`Permit`] for the memory it is about to use and waits while there is no room. One request
/// larger than the whole budget is let in once it is alone: the largest image that [`crate::Limits`] allow can
/// then still be read, and never two of them at a time.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    total_bytes: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    used_bytes: u64,
    permits: usize,
    /// Of the permits, how many wait in [`Permit::grow`].
    growing: usize,
}

/// The right to use some bytes of a [`MemoryBudget`]; they are given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    bytes: u64,
}

impl MemoryBudget {
    /// A budget of `total_bytes`.
    pub fn new(total_bytes: u64) -> MemoryBudget {
        let shared = Shared { total_bytes, state: Mutex::default(), changed: Condvar::new() };
        MemoryBudget { shared: Arc::new(shared) }
    }

    /// Waits until `bytes` are free, or until nobody else holds any.
    ///
    /// A thread must not ask for a second permit while it holds one: it could wait for itself.
    pub fn acquire(&self, bytes: u64) -> Permit {
        let shared = &*self.shared;
        // Who already holds a permit and needs more goes first, since others wait for what he holds.
        let must_wait = |state: &mut State| state.growing > 0 || !state.has_room(bytes, shared.total_bytes);
        let mut state =
            shared.changed.wait_while(shared.lock(), must_wait).unwrap_or_else(|e| e.into_inner());
        state.used_bytes += bytes;
        state.permits += 1;
        Permit { shared: Arc::clone(&self.shared), bytes }
    }

    /// Bytes held by permits at this moment.
    pub fn used_bytes(&self) -> u64 {
        self.shared.lock().used_bytes
    }
}

impl Permit {
    /// The bytes this permit stands for.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Waits until the permit can stand for `bytes`, and keeps what it has meanwhile.
    ///
    /// When every holder of a permit waits to grow, the last to ask is let in over the budget, since nobody else
    /// could ever make room; the excess is at most what the others hold.
    pub fn grow(&mut self, bytes: u64) {
        let extra_bytes = bytes.saturating_sub(self.bytes);
        let shared = &*self.shared;
        let mut state = shared.lock();
        state.growing += 1;
        let must_wait = |state: &mut State| {
            state.growing < state.permits && state.used_bytes + extra_bytes > shared.total_bytes
        };
        state = shared.changed.wait_while(state, must_wait).unwrap_or_else(|e| e.into_inner());
        state.growing -= 1;
        state.used_bytes += extra_bytes;
        drop(state);
        shared.changed.notify_all();
        self.bytes += extra_bytes;
    }

    /// Gives back all but `bytes`.
    pub fn shrink(&mut self, bytes: u64) {
        let freed_bytes = self.bytes.saturating_sub(bytes);
        self.shared.lock().used_bytes -= freed_bytes;
        self.bytes -= freed_bytes;
        self.shared.changed.notify_all();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.used_bytes -= self.bytes;
        state.permits -= 1;
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    // A thread that panics holding the lock leaves whole numbers behind, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn has_room(&self, bytes: u64, total_bytes: u64) -> bool {
        self.permits == 0 || self.used_bytes.saturating_add(bytes) <= total_bytes
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{atomic::AtomicU64, atomic::Ordering::SeqCst, mpsc},
        thread,
        time::Duration,
    };

    use super::*;

    #[test]
    fn threads_together_stay_within_the_budget() {
        let budget = MemoryBudget::new(100);
        let (in_use, peak) = (AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for thread in 0..4 {
                let (budget, in_use, peak) = (&budget, &in_use, &peak);
                scope.spawn(move || {
                    for round in 0..200 {
                        let permit = budget.acquire(10 + (thread * 31 + round * 17) % 60);
                        peak.fetch_max(in_use.fetch_add(permit.bytes(), SeqCst) + permit.bytes(), SeqCst);
                        thread::yield_now();
                        in_use.fetch_sub(permit.bytes(), SeqCst);
                    }
                });
            }
        });
        assert!((61..=100).contains(&peak.load(SeqCst)), "{peak:?}");
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn a_request_beyond_the_budget_waits_until_it_is_alone() {
        let budget = MemoryBudget::new(100);
        let small = budget.acquire(1);
        let (sender, receiver) = mpsc::channel();
        let other = budget.clone();
        let thread = thread::spawn(move || sender.send(other.acquire(1000).bytes()));
        assert!(receiver.recv_timeout(Duration::from_millis(50)).is_err());
        drop(small);
        assert_eq!(receiver.recv_timeout(Duration::from_secs(10)), Ok(1000));
        thread.join().unwrap().unwrap();
    }

    #[test]
    fn all_who_wait_to_grow_get_through_one_after_another() {
        let budget = MemoryBudget::new(100);
        let all_hold = std::sync::Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut permit = budget.acquire(20);
                    all_hold.wait();
                    permit.grow(300);
                    assert!(budget.used_bytes() <= 360, "two grew at once");
                });
            }
        });
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn shrinking_makes_room_and_never_grows() {
        let budget = MemoryBudget::new(100);
        let mut permit = budget.acquire(90);
        permit.shrink(30);
        permit.shrink(50);
        assert_eq!((permit.bytes(), budget.used_bytes()), (30, 30));
        assert_eq!(budget.acquire(70).bytes(), 70);
    }
}
