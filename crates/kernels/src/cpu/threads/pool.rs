//! The caller and its helpers, who claim the parts of one job after another.
//!
//! A job of the decoder takes some tens of microseconds, less than waking a thread. So helpers look for the next job a while
//! before they sleep, and whoever comes late finds nothing left instead of holding the caller up.

use std::any::Any;
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Looks at a variable before sleeping: about 0.1 ms. wasm has no instruction that pauses, so its looks are short.
const LOOKS: usize = if cfg!(target_family = "wasm") {
    60_000
} else {
    2_000
};

/// Most parts of a job.
const PARTS_MAX: usize = 0xffff;

type Work<'a> = dyn Fn(usize) + Sync + 'a;

/// Who works on what.
pub(super) struct Pool {
    /// The job's number, its count of parts and its next part, of 32, 16 and 16 bits. A part is claimed by adding 1: that this
    /// succeeds shows that the job is still the one that was looked at.
    ticket: AtomicU64,
    /// Written while no part is left to be claimed or done; read by whoever claimed one.
    work: UnsafeCell<Option<&'static Work<'static>>>,
    /// Parts that are not done.
    left: AtomicUsize,
    /// The first panic of a part.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Whether a caller is at work.
    is_busy: AtomicBool,
    /// Whether a helper is gone in the middle of a part.
    is_broken: AtomicBool,
    helpers: AtomicUsize,
    /// Helpers that wait for `wake`.
    sleeping: AtomicUsize,
    /// Whether the caller waits for `done`.
    is_waiting: AtomicBool,
    lock: Mutex<()>,
    wake: Condvar,
    done: Condvar,
}

// SAFETY: `work` is the only part that is not `Sync`; what it says of itself holds.
unsafe impl Sync for Pool {}

/// Nothing that these locks hold can be left half-written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Parts that the ticket's job still has to give.
fn open(ticket: u64) -> Option<usize> {
    let (parts, next) = ((ticket >> 16) & 0xffff, ticket & 0xffff);
    (next < parts).then_some(next as usize)
}

/// Frees the pool for the next caller, also when a part panicked.
struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

impl Pool {
    pub(super) const fn new() -> Self {
        Self {
            ticket: AtomicU64::new(0),
            work: UnsafeCell::new(None),
            left: AtomicUsize::new(0),
            panic: Mutex::new(None),
            is_busy: AtomicBool::new(false),
            is_broken: AtomicBool::new(false),
            helpers: AtomicUsize::new(0),
            sleeping: AtomicUsize::new(0),
            is_waiting: AtomicBool::new(false),
            lock: Mutex::new(()),
            wake: Condvar::new(),
            done: Condvar::new(),
        }
    }

    /// The caller and its helpers.
    pub(super) fn threads(&self) -> usize {
        1 + self.helpers.load(Relaxed)
    }

    /// Calls `work` with 0 to `parts`, each once, and returns when all calls have. A caller that finds another one at work, or is
    /// itself a part, does all alone.
    pub(super) fn run(&self, parts: usize, work: &Work<'_>) {
        if parts < 2 || self.threads() == 1 || self.is_busy.swap(true, Acquire) {
            return (0..parts).for_each(work);
        }
        let busy = Busy(&self.is_busy);
        for first in (0..parts).step_by(PARTS_MAX) {
            let count = (parts - first).min(PARTS_MAX);
            self.run_some(count, &|part| work(first + part));
        }
        drop(busy);
        if let Some(panic) = lock(&self.panic).take() {
            resume_unwind(panic);
        }
    }

    fn run_some(&self, parts: usize, work: &Work<'_>) {
        // SAFETY: the longer life is a lie that nobody sees: `work` is called by those who claimed a part only, and this function
        // returns when all parts are done. No part unwinds through it. No part is open now, so nobody reads the cell.
        unsafe { *self.work.get() = Some(std::mem::transmute::<&Work<'_>, &Work<'static>>(work)) };
        self.left.store(parts, Relaxed);
        let number = (self.ticket.load(Relaxed) >> 32).wrapping_add(1);
        self.ticket
            .store((number << 32) | ((parts as u64) << 16), SeqCst);
        // Either a helper sees the new ticket before it sleeps, or it is counted here.
        let sleeping = self.sleeping.load(SeqCst);
        if sleeping > 0 {
            let guard = lock(&self.lock);
            (1..parts.min(sleeping + 1)).for_each(|_| self.wake.notify_one());
            drop(guard);
        }
        while self.step() {}
        self.finish();
    }

    /// Claims a part and does it, if one is open.
    fn step(&self) -> bool {
        let mut ticket = self.ticket.load(Acquire);
        let part = loop {
            let Some(part) = open(ticket) else {
                return false;
            };
            let claimed = self
                .ticket
                .compare_exchange_weak(ticket, ticket + 1, SeqCst, Acquire);
            match claimed {
                Ok(_) => break part,
                Err(now) => ticket = now,
            }
        };
        // SAFETY: the claimed part is not done, so the caller waits and does not write.
        let work = unsafe { *self.work.get() }.expect("a job that has parts");
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(part))) {
            lock(&self.panic).get_or_insert(panic);
        }
        if self.left.fetch_sub(1, SeqCst) == 1 && self.is_waiting.load(SeqCst) {
            let _guard = lock(&self.lock);
            self.done.notify_one();
        }
        true
    }

    /// Waits until all parts are done.
    fn finish(&self) {
        for _ in 0..LOOKS {
            if self.left.load(Acquire) == 0 {
                return;
            }
            spin_loop();
        }
        let mut guard = lock(&self.lock);
        self.is_waiting.store(true, SeqCst);
        while self.left.load(SeqCst) > 0 && !self.is_broken.load(SeqCst) {
            guard = self
                .done
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.is_waiting.store(false, SeqCst);
        drop(guard);
        // Only where panics abort: elsewhere every part ends.
        assert!(
            !self.is_broken.load(SeqCst),
            "a thread broke in the middle of its work"
        );
    }

    /// Helps whoever calls [`Self::run`], for ever.
    pub(super) fn help(&self) -> ! {
        self.helpers.fetch_add(1, SeqCst);
        loop {
            while self.step() {}
            let seen = self.ticket.load(Acquire);
            if open(seen).is_none() && !self.is_news(seen) {
                self.sleep(seen);
            }
        }
    }

    /// Looks a while for another ticket.
    fn is_news(&self, seen: u64) -> bool {
        for _ in 0..LOOKS {
            if self.ticket.load(Acquire) != seen {
                return true;
            }
            spin_loop();
        }
        false
    }

    fn sleep(&self, seen: u64) {
        let mut guard = lock(&self.lock);
        self.sleeping.fetch_add(1, SeqCst);
        while self.ticket.load(SeqCst) == seen {
            guard = self
                .wake
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.sleeping.fetch_sub(1, SeqCst);
    }

    /// Has the caller give up: one of its helpers is gone.
    #[cfg(target_family = "wasm")]
    pub(super) fn give_up(&self) {
        self.is_broken.store(true, SeqCst);
        let _guard = lock(&self.lock);
        self.done.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn pool(threads: usize) -> Arc<Pool> {
        let pool = Arc::new(Pool::new());
        for _ in 1..threads {
            let pool = pool.clone();
            thread::spawn(move || pool.help());
        }
        while pool.threads() < threads {
            thread::yield_now();
        }
        pool
    }

    #[test]
    fn every_part_is_done_once_whether_helpers_sleep_or_not() {
        let pool = pool(3);
        for round in 0..20_000 {
            let parts = round % 7;
            let counts: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
            pool.run(parts, &|part| {
                counts[part].fetch_add(1, Relaxed);
            });
            assert!(counts.iter().all(|count| count.load(Relaxed) == 1));
            if round % 1000 == 0 {
                thread::sleep(Duration::from_millis(2));
            }
        }
    }

    #[test]
    fn more_parts_than_a_ticket_holds_are_done() {
        let sum = AtomicUsize::new(0);
        pool(2).run(2 * PARTS_MAX + 5, &|part| {
            sum.fetch_add(part, Relaxed);
        });
        assert_eq!(sum.into_inner(), (0..2 * PARTS_MAX + 5).sum::<usize>());
    }

    #[test]
    fn a_part_that_calls_again_does_all_alone() {
        let (pool, count) = (pool(2), AtomicUsize::new(0));
        pool.run(4, &|_| {
            pool.run(4, &|_| {
                count.fetch_add(1, Relaxed);
            });
        });
        assert_eq!(count.into_inner(), 16);
    }

    #[test]
    fn two_callers_do_not_disturb_each_other() {
        let pool = pool(2);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let sum = AtomicUsize::new(0);
                        pool.run(5, &|part| {
                            sum.fetch_add(part, Relaxed);
                        });
                        assert_eq!(sum.into_inner(), 10);
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = pool(2);
        for _ in 0..10 {
            let panic = catch_unwind(AssertUnwindSafe(|| {
                pool.run(4, &|part| assert_ne!(part, 3, "no threes"));
            }));
            assert!(panic.is_err());
        }
        let count = AtomicUsize::new(0);
        pool.run(4, &|_| {
            count.fetch_add(1, Relaxed);
        });
        assert_eq!(count.into_inner(), 4);
    }
}
