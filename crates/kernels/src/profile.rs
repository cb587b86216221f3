//! Time per operation of [`crate::ops`], where somebody asks for it. Otherwise an operation costs one look more.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use burn::tensor::Tensor;

/// What an operation took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperationTime {
    /// How often it was called.
    pub calls: u64,
    /// All calls together, on a GPU each until it is done.
    pub time: Duration,
}

static IS_ON: AtomicBool = AtomicBool::new(false);
static TIMES: Mutex<BTreeMap<&str, OperationTime>> = Mutex::new(BTreeMap::new());

fn times() -> MutexGuard<'static, BTreeMap<&'static str, OperationTime>> {
    TIMES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins to count, from nothing. On a GPU nothing overlaps from now on. Not for wasm, which has no clock here.
pub fn start() {
    times().clear();
    IS_ON.store(true, Ordering::Relaxed);
}

/// Ends, and gives what was counted, by the operation's name.
pub fn stop() -> Vec<(&'static str, OperationTime)> {
    IS_ON.store(false, Ordering::Relaxed);
    std::mem::take(&mut *times()).into_iter().collect()
}

/// Calls an operation.
pub(crate) fn timed<const D: usize>(
    name: &'static str,
    operation: impl FnOnce() -> Tensor<D>,
) -> Tensor<D> {
    if !IS_ON.load(Ordering::Relaxed) {
        return operation();
    }
    let begin = Instant::now();
    let result = operation();
    // What fails here fails again where the result is read.
    _ = result.device().sync();
    let time = begin.elapsed();
    let mut times = times();
    let entry = times.entry(name).or_default();
    entry.calls += 1;
    entry.time += time;
    result
}
