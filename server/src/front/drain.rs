//! Stopping without losing anything, for as long as there is time.

use super::{CUTTING, DRAINING, Server, Shared};
use crate::cancel::CancelReason;
use crate::deadline::Deadline;
use crate::sync::{lock, wait_until};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long cancelled requests have to say so to their clients.
const GRACE: Duration = Duration::from_millis(500);

/// How a shutdown went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Requests answered since it began.
    pub answered: u64,
    /// Requests cancelled because the time was over.
    pub canceled: usize,
    /// Requests that did not end even so: cut without an answer. Their handlers run on until they return.
    pub cut: usize,
}

impl Server {
    /// Stops: accepts no more, closes idle connections, answers what is in flight with `Connection: close`, and returns as soon as
    /// no connection is left.
    ///
    /// When that takes longer than `drain_timeout`, requests under way are cancelled ([`CancelReason::Shutdown`]), have half a
    /// second to end, and are then cut. A second call, from another thread, shortens the first to its own timeout.
    ///
    /// Must not be called from a handler: it would wait for itself.
    pub fn shutdown(&self, drain_timeout: Duration) -> Drained {
        let shared = &self.shared;
        let deadline = Deadline::after(drain_timeout);
        let answered_before = shared.counters.answered.load(Ordering::Relaxed);
        shared.phase.fetch_max(DRAINING, Ordering::SeqCst);
        let _ = self.accepting.wake();
        let [accepting, watching] = std::mem::take(&mut *lock(&self.threads));
        // First the acceptor, then the connections: afterwards there will be no new ones.
        if let Some(thread) = accepting {
            let _ = thread.join();
        }
        let mut drained = Drained::default();
        shared.for_each_link(|link| link.end_idle_wait());
        if !shared.wait_until_left(deadline) {
            shared.phase.store(CUTTING, Ordering::SeqCst);
            shared.for_each_link(|link| drained.canceled += usize::from(link.cancel(CancelReason::Shutdown)));
            if !shared.wait_until_left(Deadline::after(GRACE)) {
                drained.cut = shared.counters.in_flight.load(Ordering::Relaxed);
                shared.for_each_link(|link| drop(link.stream.shutdown(Shutdown::Both)));
            }
        }
        if let Some(thread) = watching {
            shared.watch.stop();
            let _ = thread.join();
        }
        drained.answered = shared.counters.answered.load(Ordering::Relaxed) - answered_before;
        drained
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if lock(&self.threads).iter().any(Option::is_some) {
            self.shutdown(Duration::ZERO);
        }
    }
}

impl Shared {
    /// Calls `visit` for every open connection, without a lock.
    fn for_each_link(&self, visit: impl FnMut(&Arc<super::link::Link>)) {
        let links: Vec<_> = lock(&self.links).open.values().cloned().collect();
        links.iter().for_each(visit);
    }

    fn wait_until_left(&self, deadline: Deadline) -> bool {
        let mut links = lock(&self.links);
        while !links.open.is_empty() {
            if deadline.has_passed() {
                return false;
            }
            links = wait_until(&self.left, links, deadline.instant());
        }
        true
    }
}
