//! What an endpoint saw.

use headstart::cancel::CancelReason;
use headstart::race::Schedule;
use std::sync::atomic::{AtomicU64, Ordering};

/// A count that threads share. Relaxed throughout: the numbers stand for themselves.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn inc(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The requests of one endpoint: those it saw, and those that are still there.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) seen: Count,
    left: Count,
    pub(super) finished: Count,
    /// Ended because their client left.
    pub(super) canceled: Count,
    /// Ended because the server stops.
    pub(super) stopped: Count,
}

/// A request that is being answered.
#[must_use = "the request counts as in flight until this is dropped"]
pub(super) struct Visit<'a>(&'a Tally);

impl Tally {
    pub(super) fn visit(&self) -> Visit<'_> {
        self.seen.inc();
        Visit(self)
    }

    pub(super) fn in_flight(&self) -> u64 {
        let left = self.left.get();
        self.seen.get().saturating_sub(left)
    }

    pub(super) fn ended_early(&self, reason: CancelReason) {
        match reason {
            CancelReason::ClientGone => self.canceled.inc(),
            _ => self.stopped.inc(),
        }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.0.left.inc();
    }
}

/// Requests by the attempt they said to be.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    numbered: [Count; Schedule::MAX_ATTEMPTS],
    unnumbered: Count,
}

impl Attempts {
    /// Counts a request with this `x-attempt`.
    pub(super) fn count(&self, attempt: Option<&[u8]>) {
        let number = attempt.and_then(|value| str::from_utf8(value).ok()?.trim().parse::<usize>().ok());
        number.and_then(|number| self.numbered.get(number)).unwrap_or(&self.unnumbered).inc();
    }

    /// The counts as an object, of those there were.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let numbered = self.numbered.iter().enumerate().map(|(number, count)| (number.to_string(), count.get()));
        let all = numbered.chain([("none".to_owned(), self.unnumbered.get())]);
        all.filter(|(_, count)| *count > 0)
            .map(|(name, count)| (name, count.into()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}
