//! What a race tells its observer and the log.

use super::hedging::Hedging;
use crate::error::panic_message;
use crate::event::{AttemptBegan, AttemptEnd, AttemptEnded, HedgeSkipped, Observer, RaceEnd, RaceEnded, SkipReason};
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
    hedging: Option<Arc<dyn Hedging>>,
}

impl Report {
    pub(super) fn new(
        started: Instant,
        observer: Option<Arc<dyn Observer>>,
        hedging: Option<Arc<dyn Hedging>>,
    ) -> Report {
        Report { race: NEXT_RACE.fetch_add(1, Ordering::Relaxed), started, observer, hedging }
    }

    /// Who decides about the hedges.
    pub(super) fn hedging(&self) -> Option<&dyn Hedging> {
        self.hedging.as_deref()
    }

    /// How long the race has gone on.
    pub(super) fn so_far(&self) -> Duration {
        self.started.elapsed()
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

    pub(super) fn hedge_skipped(&self, attempt: usize, reason: SkipReason) {
        log::debug!("race {} attempt {attempt} not sent: {reason}", self.race);
        let at = self.so_far();
        self.observe(|observer| observer.hedge_skipped(&HedgeSkipped { race: self.race, attempt, reason, at }));
    }

    #[inline]
    pub(super) fn race_ended(&self, end: RaceEnd, winner: Option<usize>, begun: usize) {
        self.observe(|observer| {
            let elapsed = self.started.elapsed();
            observer.race_ended(&RaceEnded { race: self.race, end, winner, begun, elapsed });
        });
    }

    fn observe(&self, report: impl Fn(&dyn Observer)) {
        if let Some(hedging) = &self.hedging {
            Report::guard(|| report(&**hedging));
        }
        if let Some(observer) = &self.observer {
            Report::guard(|| report(&**observer));
        }
    }

    /// Calls what is not ours. A panic in it must not cost the race a message, nor its caller the outcome.
    pub(super) fn guard<T>(foreign: impl FnOnce() -> T) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(foreign));
        result.inspect_err(|panic| log::error!("an observer panicked: {}", panic_message(&**panic))).ok()
    }
}
