//! Which attempt of a race may begin, and when.
//!
//! The pace says when an attempt is due. Three things can change that: a failure may begin the next one early, a hedge
//! that is refused for now is held back for a while, and the decision of the race's token ends all beginning. There are
//! two ways to wait for the moment. The alarm waits in place of attempts that have no thread yet
//! ([`next_due`](Starts::next_due)); an attempt that has one sleeps on it
//! ([`sleep_until_due`](Starts::sleep_until_due)).
//!
//! The lock is held for a look and a count. It is never held across the call, an observer or a message.

use super::hedging::Pace;
use super::schedule::Schedule;
use crate::cancel::CancelToken;
use crate::crew::AlarmGuard;
use crate::event::SkipReason;
use crate::sync::{Condvar, Mutex, lock, wait_until};
use std::ops::Range;
use std::time::{Duration, Instant};

/// The starts of one race.
pub(super) struct Starts {
    race_started: Instant,
    offsets: Offsets,
    progress: Mutex<Progress>,
    /// Signaled when the sleepers have to look again.
    changed: Condvar,
}

/// When attempts are due.
enum Offsets {
    Listed(Schedule),
    Every { delay: Duration, attempts: usize },
}

struct Progress {
    /// The attempts below this number were due or were begun early.
    next: usize,
    /// How many attempts have begun their call.
    begun: usize,
    /// How many of those that were due are not over.
    live: usize,
    held: Option<Held>,
    alarm: Option<AlarmGuard>,
}

/// A hedge that was due and is refused for now.
#[derive(Clone, Copy)]
pub(super) struct Held {
    pub(super) attempt: usize,
    pub(super) reason: SkipReason,
    until: Instant,
}

/// What is left of a race that nothing begins in any more: the hedge that was held back, and the attempts that were not
/// due.
pub(super) type Rest = (Option<Held>, Range<usize>);

impl Starts {
    pub(super) fn new(race_started: Instant, schedule: Schedule, pace: Pace) -> Starts {
        let offsets = match pace {
            Pace::AsScheduled => Offsets::Listed(schedule),
            Pace::Every { delay, hedges } => {
                Offsets::Every { delay, attempts: 1 + hedges.min(Schedule::MAX_ATTEMPTS - 1) }
            }
        };
        let progress = Mutex::new(Progress { next: 0, begun: 0, live: 0, held: None, alarm: None });
        Starts { race_started, offsets, progress, changed: Condvar::new() }
    }

    /// How many attempts the race has.
    pub(super) fn attempts(&self) -> usize {
        match &self.offsets {
            Offsets::Listed(schedule) => schedule.offsets().len(),
            Offsets::Every { attempts, .. } => *attempts,
        }
    }

    /// When the attempt is due; `None` if the clock cannot express it, or there is no such attempt.
    fn due(&self, attempt: usize) -> Option<Instant> {
        let offset = match &self.offsets {
            Offsets::Listed(schedule) => *schedule.offsets().get(attempt)?,
            Offsets::Every { delay, attempts } if attempt < *attempts => delay.checked_mul(attempt as u32)?,
            Offsets::Every { .. } => return None,
        };
        self.race_started.checked_add(offset)
    }

    /// The next attempt, if it is due. If none is, sets the alarm by `set_alarm` for the moment when one will be, or
    /// for `deadline` if that comes first.
    pub(super) fn next_due(
        &self,
        token: &CancelToken,
        deadline: Option<Instant>,
        set_alarm: impl FnOnce(Instant) -> AlarmGuard,
    ) -> Option<usize> {
        let mut progress = lock(&self.progress);
        if token.is_canceled() {
            return None;
        }
        let due = progress.held.map_or_else(|| self.due(progress.next), |held| Some(held.until));
        if due.is_some_and(|due| due <= Instant::now()) {
            return Some(progress.take_next());
        }
        let edge = match (due, deadline) {
            (Some(due), Some(deadline)) => due.min(deadline),
            (due, deadline) => due.or(deadline)?,
        };
        progress.alarm = Some(set_alarm(edge));
        None
    }

    /// The next attempt, although it is not due.
    pub(super) fn next_early(&self, token: &CancelToken) -> Option<usize> {
        let mut progress = lock(&self.progress);
        if token.is_canceled() || (progress.held.is_none() && progress.next == self.attempts()) {
            return None;
        }
        Some(progress.take_next())
    }

    /// Holds `attempt` back, which was next, for a while. `false` when nothing else runs: nobody waits for a hedge
    /// alone, nor for one beyond the clock.
    pub(super) fn hold(&self, attempt: usize, reason: SkipReason, after: Duration) -> bool {
        let Some(until) = Instant::now().checked_add(after) else { return false };
        let mut progress = lock(&self.progress);
        if progress.live == 1 {
            return false;
        }
        progress.live -= 1;
        progress.held = Some(Held { attempt, reason, until });
        true
    }

    /// Counts an attempt as over that was due. `true` when none is left that runs. (Attempts that sleep on threads of
    /// their own are not counted, as none of them is held back.)
    pub(super) fn one_is_over(&self) -> bool {
        let mut progress = lock(&self.progress);
        progress.live = progress.live.saturating_sub(1);
        progress.live == 0
    }

    /// The hedge that was held back, although its time has not come.
    pub(super) fn next_held(&self, token: &CancelToken) -> Option<usize> {
        let mut progress = lock(&self.progress);
        let is_there = progress.held.is_some() && !token.is_canceled();
        is_there.then(|| progress.take_next())
    }

    /// Takes all that could still begin.
    pub(super) fn take_rest(&self) -> Rest {
        let mut progress = lock(&self.progress);
        let rest = progress.next..self.attempts();
        progress.next = rest.end;
        (progress.held.take(), rest)
    }

    /// Waits until `attempt` is due, is begun early, or is no longer needed, whichever comes first. Somebody else calls
    /// [`wake`](Starts::wake) for the latter two.
    pub(super) fn sleep_until_due(&self, attempt: usize, token: &CancelToken) {
        let due = self.due(attempt);
        let mut progress = lock(&self.progress);
        while attempt >= progress.next && !token.is_canceled() {
            if due.is_some_and(|due| due <= Instant::now()) {
                progress.next = attempt + 1;
                break;
            }
            progress = wait_until(&self.changed, progress, due);
        }
    }

    /// Has the sleepers look again.
    pub(super) fn wake(&self) {
        drop(lock(&self.progress)); // who has looked before is waiting by now
        self.changed.notify_all();
    }

    /// Counts an attempt as begun, unless the race is decided. Looks and counts under one lock, so that the caller, who
    /// takes it when the race is decided, counts all that ever begin.
    #[inline]
    pub(super) fn may_begin(&self, token: &CancelToken) -> bool {
        let mut progress = lock(&self.progress);
        let open = !token.is_canceled();
        progress.begun += usize::from(open);
        open
    }

    /// Takes the alarm back, so that it does not wake for a race that is over. Returns how many attempts have begun,
    /// and the hedge that was held back to the end.
    #[inline]
    pub(super) fn close(&self) -> (usize, Option<Held>) {
        let mut progress = lock(&self.progress);
        let (alarm, begun, held) = (progress.alarm.take(), progress.begun, progress.held.take());
        drop(progress);
        drop(alarm);
        (begun, held)
    }
}

impl Progress {
    /// The attempt that was held back, or else the next one.
    fn take_next(&mut self) -> usize {
        self.live += 1;
        match self.held.take() {
            Some(held) => held.attempt,
            None => {
                self.next += 1;
                self.next - 1
            }
        }
    }
}
