//! The primitives of the core, in one place.
//!
//! `cancel`, `crew` and `race` take their locks, atomics and channels from here and nowhere else, so that the models
//! under `tests/model/` can compile the very same files against loom's primitives.

pub(crate) use crossbeam_channel as channel;
pub(crate) use std::sync::atomic::{AtomicU8, Ordering};
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard};
pub(crate) use std::thread;

use std::sync::PoisonError;
use std::time::Instant;

/// Locks `mutex`. No foreign code runs under a lock of ours, so a poisoned one still holds consistent data.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for `condvar`, at most until `until`; spurious returns are the caller's loop to sort out.
pub(crate) fn wait_until<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    until: Option<Instant>,
) -> MutexGuard<'a, T> {
    match until {
        None => condvar.wait(guard).unwrap_or_else(PoisonError::into_inner),
        Some(instant) => {
            let left = instant.saturating_duration_since(Instant::now());
            condvar.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0
        }
    }
}
