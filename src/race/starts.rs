//! Which attempt of a race may begin, and when.
//!
//! The schedule says when an attempt is due. Two things can change that: a failure may begin the next one early, and
//! the decision of the race's token ends all beginning. There are two ways to wait for the moment. The alarm waits in
//! place of attempts that have no thread yet ([`next_due`](Starts::next_due)); an attempt that has one sleeps on it
//! ([`sleep_until_due`](Starts::sleep_until_due)).
//!
//! The lock is held for a look and a count. It is never held across the call, an observer or a message.

use super::schedule::Schedule;
use crate::cancel::CancelToken;
use crate::crew::AlarmGuard;
use crate::sync::{Condvar, Mutex, lock, wait_until};
use std::time::Instant;

/// The starts of one race.
pub(super) struct Starts {
    race_started: Instant,
    schedule: Schedule,
    progress: Mutex<Progress>,
    /// Signaled when the sleepers have to look again.
    changed: Condvar,
}

struct Progress {
    /// The attempts below this number were due or were begun early.
    next: usize,
    /// How many attempts have begun their call.
    begun: usize,
    alarm: Option<AlarmGuard>,
}

impl Starts {
    pub(super) fn new(race_started: Instant, schedule: Schedule) -> Starts {
        let progress = Mutex::new(Progress { next: 0, begun: 0, alarm: None });
        Starts { race_started, schedule, progress, changed: Condvar::new() }
    }

    /// How many attempts the race has.
    pub(super) fn attempts(&self) -> usize {
        self.schedule.offsets().len()
    }

    /// When the attempt is due; `None` if the clock cannot express it, or there is no such attempt.
    fn due(&self, attempt: usize) -> Option<Instant> {
        self.race_started.checked_add(*self.schedule.offsets().get(attempt)?)
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
        let due = self.due(progress.next);
        if due.is_some_and(|due| due <= Instant::now()) {
            progress.next += 1;
            return Some(progress.next - 1);
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
        if token.is_canceled() || progress.next == self.attempts() {
            return None;
        }
        progress.next += 1;
        Some(progress.next - 1)
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

    /// Takes the alarm back, so that it does not wake for a race that is over, and returns how many attempts have
    /// begun.
    #[inline]
    pub(super) fn close(&self) -> usize {
        let mut progress = lock(&self.progress);
        let (alarm, begun) = (progress.alarm.take(), progress.begun);
        drop(progress);
        drop(alarm);
        begun
    }
}
