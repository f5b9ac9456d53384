//! What a race tells its observer and the log.

use crate::error::panic_message;
use crate::event::{AttemptBegan, AttemptEnd, AttemptEnded, Observer, RaceEnd, RaceEnded};
use crate::sync::Arc;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Only numbers are taken from it; it orders nothing.
static NEXT_RACE: AtomicU64 = AtomicU64::new(0);

/// Reports about one race.
pub(super) struct Report {
    /// The race's number, unique in this process.
    pub(super) race: u64,
    started: Instant,
    observer: Option<Arc<dyn Observer>>,
}

impl Report {
    pub(super) fn new(started: Instant, observer: Option<Arc<dyn Observer>>) -> Report {
        Report { race: NEXT_RACE.fetch_add(1, Ordering::Relaxed), started, observer }
    }

    #[inline]
    pub(super) fn attempt_began(&self, attempt: usize, at: Instant) {
        self.observe(|observer| {
            observer.attempt_began(&AttemptBegan { race: self.race, attempt, at: at - self.started });
        });
    }

    pub(super) fn attempt_ended(&self, attempt: usize, end: AttemptEnd, elapsed: Duration) {
        log::debug!("race {} attempt {attempt} after {elapsed:?}: {end}", self.race);
        self.observe(|observer| observer.attempt_ended(&AttemptEnded { race: self.race, attempt, end, elapsed }));
    }

    #[inline]
    pub(super) fn race_ended(&self, end: RaceEnd, winner: Option<usize>, begun: usize) {
        self.observe(|observer| {
            let elapsed = self.started.elapsed();
            observer.race_ended(&RaceEnded { race: self.race, end, winner, begun, elapsed });
        });
    }

    /// An observer that panics must not cost the race a message, nor its caller the outcome.
    fn observe(&self, report: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.observer
            && let Err(panic) = catch_unwind(AssertUnwindSafe(|| report(&**observer)))
        {
            log::error!("an observer panicked: {}", panic_message(&*panic));
        }
    }
}
