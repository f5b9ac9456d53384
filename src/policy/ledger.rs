//! What hedging has saved, and what it has cost.

use crate::cancel::CancelReason;
use crate::event::{AttemptEnd, AttemptEnded, SkipReason};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What was sent, skipped, saved and spent since the beginning.
#[derive(Default)]
pub(super) struct Ledger {
    primaries: AtomicU64,
    hedges: AtomicU64,
    won: AtomicU64,
    skipped: [AtomicU64; SkipReason::ALL.len()],
    /// Both in microseconds.
    saved: AtomicU64,
    wasted: AtomicU64,
}

impl Ledger {
    #[inline]
    pub(super) fn sent(&self, attempt: usize) {
        let counter = if attempt == 0 { &self.primaries } else { &self.hedges };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn skipped(&self, reason: SkipReason) {
        self.skipped[reason.place()].fetch_add(1, Ordering::Relaxed);
    }

    /// A hedge has won.
    pub(super) fn won(&self) {
        self.won.fetch_add(1, Ordering::Relaxed);
    }

    /// A winner was so much earlier than its primary would have been.
    pub(super) fn saved(&self, time: Duration) {
        self.saved.fetch_add(time.as_micros() as u64, Ordering::Relaxed);
    }

    /// Counts what a loser has taken of an upstream's time.
    #[inline]
    pub(super) fn attempt_ended(&self, event: &AttemptEnded) {
        if matches!(event.end, AttemptEnd::Late | AttemptEnd::Canceled(CancelReason::Superseded)) {
            self.wasted.fetch_add(event.elapsed.as_micros() as u64, Ordering::Relaxed);
        }
    }

    pub(super) fn primaries_sent(&self) -> u64 {
        self.primaries.load(Ordering::Relaxed)
    }

    pub(super) fn hedges_sent(&self) -> u64 {
        self.hedges.load(Ordering::Relaxed)
    }

    pub(super) fn hedges_won(&self) -> u64 {
        self.won.load(Ordering::Relaxed)
    }

    pub(super) fn all_skipped(&self) -> Vec<(SkipReason, u64)> {
        SkipReason::ALL.into_iter().zip(self.skipped.iter().map(|count| count.load(Ordering::Relaxed))).collect()
    }

    pub(super) fn all_saved(&self) -> Duration {
        Duration::from_micros(self.saved.load(Ordering::Relaxed))
    }

    pub(super) fn all_wasted(&self) -> Duration {
        Duration::from_micros(self.wasted.load(Ordering::Relaxed))
    }
}
