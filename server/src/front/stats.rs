//! What a front counts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A server's figures at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Open connections. 0 where the front does not know.
    pub connections: usize,
    /// Requests whose answer is not out yet.
    pub in_flight: usize,
    /// Requests answered so far, those included whose answer is on its way.
    pub answered: u64,
    /// Requests refused so far: malformed or too slow.
    pub refused: u64,
    /// Connections refused so far: too many of them, no thread or no descriptor.
    pub refused_connections: u64,
    /// Clients found gone while their request was worked on, so far.
    pub clients_gone: u64,
    /// Whether the server drains.
    pub is_draining: bool,
}

/// How a shutdown went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Requests answered since it began.
    pub answered: u64,
    /// Requests canceled because the time was over.
    pub canceled: usize,
    /// Requests that did not end even so: cut without an answer. Their handlers run on until they return.
    pub cut: usize,
}

/// The counts behind [`ServerStats`]. Relaxed throughout: each number stands for itself.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connections: AtomicUsize,
    pub(super) in_flight: AtomicUsize,
    pub(super) answered: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) refused_connections: AtomicU64,
}

impl Counters {
    /// Counts a request as in flight for as long as the guard is kept.
    pub(super) fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight { counters: self }
    }

    pub(super) fn answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

pub(super) struct InFlight<'a> {
    counters: &'a Counters,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
