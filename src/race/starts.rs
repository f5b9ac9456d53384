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
    /// Attempts from this number on never begin.
    end: usize,
    /// How many attempts have begun their call.
    begun: usize,
    /// How many of those that were due are not over.
    live: usize,
    /// A bit for each attempt that found no thread before it was due.
    shed: u32,
    held: Option<Held>,
    is_closed: bool,
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
/// due, in order.
pub(super) type Rest = (Option<Held>, Vec<usize>);

impl Starts {
    pub(super) fn new(race_started: Instant, schedule: Schedule, pace: Pace) -> Starts {
        let offsets = match pace {
            Pace::AsScheduled => Offsets::Listed(schedule),
            Pace::Every { delay, hedges } => {
                Offsets::Every { delay, attempts: 1 + hedges.min(Schedule::MAX_ATTEMPTS - 1) }
            }
        };
        let end = offsets.count();
        let progress = Progress { next: 0, end, begun: 0, live: 0, shed: 0, held: None, is_closed: false, alarm: None };
        Starts { race_started, offsets, progress: Mutex::new(progress), changed: Condvar::new() }
    }

    /// How many attempts the race has.
    pub(super) fn attempts(&self) -> usize {
        self.offsets.count()
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
        let due = match progress.held {
            Some(held) => Some(held.until),
            None => (progress.next < progress.end).then(|| self.due(progress.next)).flatten(),
        };
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
        if token.is_canceled() || (progress.held.is_none() && progress.next >= progress.end) {
            return None;
        }
        Some(progress.take_next())
    }

    /// Holds `attempt` back, which was next, for a while. `false` when nothing else runs, for nobody waits for a hedge
    /// alone; when another one is held back already, or the race is over; and for a moment beyond the clock.
    pub(super) fn hold(&self, attempt: usize, reason: SkipReason, after: Duration) -> bool {
        let Some(until) = Instant::now().checked_add(after) else { return false };
        let mut progress = lock(&self.progress);
        if progress.live <= 1 || progress.held.is_some() || progress.is_closed {
            return false;
        }
        progress.live -= 1;
        progress.held = Some(Held { attempt, reason, until });
        true
    }

    /// Counts an attempt as over that was due. `true` when none is left that runs.
    pub(super) fn one_is_over(&self) -> bool {
        let mut progress = lock(&self.progress);
        progress.live = progress.live.saturating_sub(1);
        progress.live == 0
    }

    /// Counts an attempt as over that found no thread. `true` when none is left that runs.
    pub(super) fn one_is_shed(&self, attempt: usize) -> bool {
        let mut progress = lock(&self.progress);
        if attempt < progress.next {
            progress.live = progress.live.saturating_sub(1);
        } else {
            progress.shed |= 1 << attempt; // on fresh threads
        }
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
        let rest = (progress.next..progress.end).filter(|attempt| !progress.is_shed(*attempt)).collect();
        progress.end = progress.next;
        (progress.held.take(), rest)
    }

    /// Waits until `attempt` is due, is begun early, or is no longer needed, whichever comes first. Somebody else calls
    /// [`wake`](Starts::wake) for the latter two. `false` when it was among the [rest](Starts::take_rest).
    pub(super) fn sleep_until_due(&self, attempt: usize, token: &CancelToken) -> bool {
        let due = self.due(attempt);
        let mut progress = lock(&self.progress);
        while attempt >= progress.next && attempt < progress.end && !token.is_canceled() {
            if due.is_some_and(|due| due <= Instant::now()) {
                progress.come_to(attempt);
                break;
            }
            progress = wait_until(&self.changed, progress, due);
        }
        attempt < progress.end
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
    /// and the hedge that was held back to the end. None is held back from then on.
    #[inline]
    pub(super) fn close(&self) -> (usize, Option<Held>) {
        let mut progress = lock(&self.progress);
        progress.is_closed = true;
        let (alarm, begun, held) = (progress.alarm.take(), progress.begun, progress.held.take());
        drop(progress);
        drop(alarm);
        (begun, held)
    }
}

impl Offsets {
    fn count(&self) -> usize {
        match self {
            Offsets::Listed(schedule) => schedule.offsets().len(),
            Offsets::Every { attempts, .. } => *attempts,
        }
    }
}

impl Progress {
    /// The attempt that was held back, or else the next one.
    fn take_next(&mut self) -> usize {
        match self.held.take() {
            Some(held) => {
                self.live += 1;
                held.attempt
            }
            None => {
                let next = self.next;
                self.come_to(next);
                next
            }
        }
    }

    /// Counts the attempts up to this one as due.
    fn come_to(&mut self, attempt: usize) {
        let due = (self.next..=attempt).filter(|attempt| !self.is_shed(*attempt)).count();
        self.live += due;
        self.next = attempt + 1;
    }

    fn is_shed(&self, attempt: usize) -> bool {
        self.shed & (1 << attempt) != 0
    }
}
