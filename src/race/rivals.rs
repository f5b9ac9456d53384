//! Who is left in a race.
//!
//! The problem: an attempt that could win with half of what it has wants to know whether waiting for the other half can
//! still help. The answer: the race counts its attempts that are over without success. When there is one less of them
//! than attempts, the one that is left has no rival, and never will have one again.
//!
//! The lock is held for a count. It is never held across foreign code.

use crate::sync::{Mutex, lock};

/// The attempts of one race that can still win.
pub(super) struct Rivals {
    attempts: usize,
    tally: Mutex<Tally>,
}

#[derive(Default)]
struct Tally {
    /// How many are over without success.
    over: usize,
    /// Dropped when one is left.
    kept: Vec<Box<dyn Send>>,
}

/// A race, as its attempts see it.
pub(super) trait HasRivals: Send + Sync {
    fn rivals(&self) -> &Rivals;
}

impl Rivals {
    pub(super) fn new(attempts: usize) -> Rivals {
        Rivals { attempts, tally: Mutex::new(Tally::default()) }
    }

    /// Whether an attempt that asks this is not the only one that is left.
    pub(super) fn are_left(&self) -> bool {
        lock(&self.tally).over + 1 < self.attempts
    }

    /// Keeps `what` until one attempt is left.
    pub(super) fn keep(&self, what: Box<dyn Send>) {
        let mut tally = lock(&self.tally);
        if tally.over + 1 < self.attempts {
            tally.kept.push(what);
            return;
        }
        drop(tally);
        drop(what);
    }

    /// Counts an attempt that is over without success.
    pub(super) fn one_is_over(&self) {
        let mut tally = lock(&self.tally);
        tally.over += 1;
        if tally.over + 1 >= self.attempts {
            let kept = std::mem::take(&mut tally.kept);
            drop(tally);
            drop(kept);
        }
    }
}
